import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from assay.cli import app

POLICY = {
    "schema": 1,
    "model": "loan",
    "owner": "credit",
    "risk_tier": "low",
    "data": {
        "source": "people.csv",
        "key": "id",
        "label": "y",
        "positive": "yes",
        "features": ["x"],
        "sensitive": ["sex"],
        "time": "at",
        "purpose": "loans",
        "drop": ["phone"],
        "pseudonymize": ["mail"],
        "consent": {"column": "agreed", "value": "y"},
        "keep_days": 90,
        "split": {"by": "random", "validation": 0.2, "test": 0.2},
    },
    "gates": {
        "performance": {"checks": [{"metric": "auc", "min": 0.5}]},
        "fairness": {"groups": ["sex"], "checks": [{"metric": "tpr", "compare": "difference", "max": 0.5}]},
        "robustness": {"checks": [{"scenario": "missing", "max_drop": 0.5}]},
    },
    "rollout": {"max_brier": 0.3},
}
FIRST = "2024-05-01 00:00:00"


def people(n=200, shift=0):
    rows = ["id,y,x,sex,at,mail,phone,agreed"]
    for i in range(n):
        agreed = "n" if i % 10 == 0 else "y"
        cells = [i, "yes" if i % 3 else "no", i / 7 + shift, "fm"[i % 2], f"2024-05-{1 + i % 30:02} 00:00:00"]
        rows.append(",".join(map(str, [*cells, f"p{i}@x.org", f"0{i}", agreed])))
    return "\n".join(rows) + "\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = tmp_path / "models/loan"
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    (folder / "people.csv").write_text(people())
    (folder / "contract.json").write_text("{}")
    (folder / "train.py").write_text("")
    monkeypatch.setenv("ASSAY_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("ASSAY_SNAPSHOTS", str(tmp_path / "snapshots"))
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "a key that nobody else has")
    monkeypatch.delenv("ASSAY_SOURCES", raising=False)

    def act(*arguments, code=0):
        result = CliRunner().invoke(app, ["snapshot", *map(str, arguments)])
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return act


def taken(run, *more):
    return json.loads(run("create", "loan", "--json", *more).stdout)


def test_a_snapshot_is_taken_as_the_policy_says(run, tmp_path):
    manifest = taken(run)
    assert manifest["consent"] == {"column": "agreed", "value": "y", "rows_read": 200, "rows_without": 20}
    assert (manifest["rows"], manifest["purpose"], manifest["dropped"]) == (180, "loans", ["phone"])
    assert manifest["time"]["from"] == "2024-05-02T00:00:00"
    assert sum(manifest["split"]["rows"].values()) == 180
    assert "x.org" not in json.dumps(manifest)
    text = run("create", str(tmp_path / "models/loan")).stdout
    assert manifest["id"] in text
    assert "20 of 200 rows were left out" in text
    assert "The same rows were taken before" in text


def test_snapshots_are_listed_and_shown(run):
    assert run("list").stdout == "there is no snapshot\n"
    assert json.loads(run("list", "--json").stdout) == []
    manifest = taken(run)
    assert manifest["id"] in run("list").stdout
    assert json.loads(run("list", "loan", "--json").stdout) == [manifest]
    assert json.loads(run("show", manifest["id"], "--json").stdout) == manifest
    assert "timestamp[us]" in run("show", manifest["id"]).stdout


def test_a_time_to_be_kept_that_is_over_is_told(run, tmp_path):
    manifest = taken(run)
    path = tmp_path / "snapshots/loan/manifests" / f"{manifest['id']}.json"
    path.write_text(json.dumps(manifest | {"keep_until": "2020-01-01"}))
    assert "2020-01-01 (OVER)" in run("list").stdout


def test_what_changed_is_told(run, tmp_path):
    before = taken(run)["id"]
    (tmp_path / "newer.csv").write_text(people(300, shift=9))
    after = taken(run, "--source", tmp_path / "newer.csv")["id"]
    found = json.loads(run("diff", before, after, "--json").stdout)
    assert found["rows"] == [180, 270]
    assert found["movements"][0]["column"] == "x"
    text = run("diff", before, after, "--top", 1).stdout
    assert "rows: 180 before, 270 after (+50.0%)" in text
    assert "more with --top" in text
    assert "nothing can differ" in run("diff", before, before).stdout


def test_a_changed_byte_is_found(run, tmp_path):
    name = taken(run)["id"]
    assert "ok" in run("verify").stdout
    (file,) = (tmp_path / "snapshots/loan/table").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[99] ^= 1
    file.write_bytes(content)
    assert "was changed since" in run("verify", name, code=1).stdout
    assert json.loads(run("verify", "--json", code=1).stdout)[0]["sound"] is False
    assert "was changed since" in run("diff", name, name, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nonsense"], "is no snapshot's id"),
        (["show", "loan-0123456789abcdef"], "no such snapshot"),
        (["verify", "loan-0123456789abcdef"], "no such snapshot"),
        (["create", "lone"], 'did you mean "loan"'),
        (["create", "loan", "--source", "nowhere.csv"], "no such file"),
        (["list", "--root", "ftp://host/x"], "snapshots cannot be kept at"),
    ],
)
def test_mistakes_are_told_in_one_line(run, arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            'id,y,x,sex,at,mail,phone,agreed\n1,yes,"1,f\n',
            "a quote that does not match in the row that begins on line 2",
        ),
        ("id,y,x,sex,at,mail,phone,agreed\n", "has no rows"),
        (f"id,y,x,sex,at,mail,phone,agreed\n1,yes,1,f,{FIRST},m,0,y\n", "a label has two classes; found 1: yes"),
        ("id,y,x,sex\n1,yes,1,f\n", "4 problems"),
        ("", "is empty (0 bytes)"),
    ],
)
def test_bad_data_leave_nothing(run, tmp_path, content, message):
    (tmp_path / "models/loan/people.csv").write_text(content)
    assert message in run("create", "loan", code=2).stderr
    assert not (tmp_path / "snapshots").exists()


def test_ten_thousand_columns_are_a_snapshot(run, tmp_path):
    wide = {"id": range(20), "y": ["yes", "no"] * 10, "x": range(20), "sex": ["f", "m"] * 10, "agreed": ["y"] * 20}
    texts = {"at": pa.array([0] * 20, pa.timestamp("us")), "mail": ["m"] * 20, "phone": ["0"] * 20}
    pq.write_table(pa.table(wide | texts | {f"c{i}": range(20) for i in range(10_000)}), tmp_path / "wide.parquet")
    assert len(taken(run, "--source", tmp_path / "wide.parquet")["schema"]) == 10_007


def test_a_source_outside_the_declared_folders_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_SOURCES", f"{tmp_path / 'models'}, s3://lake/people")
    taken(run)
    (tmp_path / "other.csv").write_text(people())
    assert "lies outside the folders" in run("create", "loan", "--source", tmp_path / "other.csv", code=2).stderr


def test_a_missing_key_is_an_error(run, tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_PSEUDONYM_KEY")
    assert "the environment holds no key for pseudonyms" in run("create", "loan", code=2).stderr
    assert not (tmp_path / "snapshots").exists()


def test_another_key_of_pseudonyms_is_told_by_diff(run, tmp_path, monkeypatch):
    first = taken(run)["id"]
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "another key that nobody has")
    told = run("diff", first, taken(run)["id"]).stdout
    assert "not compared, pseudonyms under another key or on one side alone: mail" in " ".join(told.split())


@pytest.mark.parametrize("command", ["create", "list", "show", "diff", "verify"])
def test_help_teaches_by_example(run, command):
    assert f"Example: assay snapshot {command}" in " ".join(run(command, "--help").stdout.split())


@pytest.mark.parametrize(
    "words", [["list"], ["verify"], ["expire", "--yes"], ["quarantined", "loan"], ["create", "loan"]]
)
def test_a_variable_without_a_value_is_no_other_root(run, words):
    taken(run)
    assert "--root: is empty" in run(*words, "--root", "", code=2).stderr
    assert "source: is empty" in run("create", "loan", "--source", "", code=2).stderr


def test_nothing_to_verify_is_no_success(run, tmp_path):
    assert "no snapshot to verify" in run("verify", "--root", tmp_path / "nowhere", code=2).stderr


def test_columns_that_differ_in_case_alone_are_refused_before_anything_is_written(run, tmp_path):
    lines = people().splitlines()
    source = tmp_path / "alike.csv"
    source.write_text("\n".join([f"{lines[0]},X,ID", *(f"{line},1,1" for line in lines[1:])]))
    told = run("create", "loan", "--source", source, code=2).stderr
    assert "id: differs from ID in case alone" in told
    assert "x: differs from X in case alone" in told
    assert not (tmp_path / "snapshots").exists()
