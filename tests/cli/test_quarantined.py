"""Rows set aside from the command line: taken, listed with their reasons, exported, verified."""

import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from tests.pipeline.support import POLICY
from typer.testing import CliRunner

from assay.cli import app

AGE, SEX = "expect_column_values_to_be_between age", "expect_column_values_to_be_in_set sex"
SUITE = {
    "name": "people",
    "expectations": [
        {"type": AGE.split()[0], "kwargs": {"column": "age", "min_value": 0}, "severity": "critical"},
        {"type": SEX.split()[0], "kwargs": {"column": "sex", "value_set": ["f", "m"]}, "severity": "critical"},
    ],
}
DATA = {
    "source": "people.csv", "key": "id", "label": "y", "positive": "yes", "features": ["age"], "sensitive": ["sex"],
    "drop": ["phone"], "pseudonymize": ["mail"],
}  # fmt: skip
HELD = {"on_bad_rows": "quarantine", "max_quarantined": 0.02}


def people(bad=(), n=200, more=""):
    rows = [f"id,y,age,sex,mail,phone{',city' if more else ''}"]
    for i in range(n):
        age, sex = (-i if i in bad else i), ("x" if i in bad and i % 2 else "fm"[i % 2])
        rows.append(f"{i},{'yes' if i % 3 else 'no'},{age},{sex},p{i}@x.org,0{i}{more}")
    return "\n".join(rows) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "models/people"
    made.mkdir(parents=True)
    policy = {**POLICY, "model": "people", "data": DATA, "gates": {**POLICY["gates"], "contract": HELD}}
    (made / "policy.yaml").write_text(yaml.safe_dump(policy))
    (made / "people.csv").write_text(people([3, 10]))
    (made / "contract.json").write_text(json.dumps(SUITE))
    (made / "train.py").write_text("")
    for name, value in {"ASSAY_MODELS": "models", "ASSAY_SNAPSHOTS": "snapshots"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "0f1e2d3c4b5a69788796a5b4c3d2e1f0123456789abcdef0fedcba98765432100")
    return made


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["snapshot", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def taken():
    return json.loads(CliRunner().invoke(app, ["snapshot", "create", "people", "--json"]).stdout)


def listed(*arguments):
    return json.loads(CliRunner().invoke(app, ["snapshot", "quarantined", *map(str, arguments), "--json"]).stdout)


def test_a_snapshot_is_taken_without_the_bad_rows_and_says_so(folder):
    assert "2 of 200 rows were set aside" in run("create", "people")
    manifest = taken()
    assert (manifest["rows"], manifest["quarantine"]["rows_read"]) == (198, 200)
    assert "2 of 200 rows were set aside" in run("show", manifest["id"])
    assert run("list", "people").count("people-") == 1  # the quarantine is no model


def test_the_rows_are_listed_with_their_reasons(folder):
    name = taken()["id"]
    for asked in ("people", name):
        said = run("quarantined", asked)
        assert f"{name}: 2 of 200 rows (0.01 of all) set aside on " in said
        assert f"  2  {AGE}\n  1  {SEX}\n" in said
        assert "-10" in said
        assert f"{AGE}, {SEX}" in said
    (entry,) = listed(name)
    assert [(row["id"], row["age"], row["quarantine_reasons"]) for row in entry["rows"]] == [
        (3, -3, [AGE, SEX]), (10, -10, [AGE]),
    ]  # fmt: skip
    assert "1 more with --top" in run("quarantined", name, "--top", 1)


def test_they_went_through_the_same_terms_as_all_others(folder):
    taken()
    (entry,) = listed("people")
    assert {len(row["mail"]) for row in entry["rows"]} == {64}
    assert "phone" not in entry["rows"][0]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_all_rows_go_to_a_file_from_every_snapshot(folder, tmp_path, form):
    taken()
    (folder / "people.csv").write_text(people([7, 8, 9], more=",Bern"))
    taken()
    out = tmp_path / f"bad.{form}"
    assert f"wrote 5 rows to {out}" in run("quarantined", "people", "--out", out, "--top", 0)
    rows = (pq.read_table(out) if form == "parquet" else pyarrow.csv.read_csv(out)).to_pylist()
    assert [row["id"] for row in rows] == [3, 10, 7, 8, 9]
    assert [row["city"] or None for row in rows] == [None, None, "Bern", "Bern", "Bern"]
    assert json.loads(rows[0]["quarantine_reasons"]) == [AGE, SEX]
    assert not list(tmp_path.glob(".bad*"))


def test_too_many_bad_rows_stay_and_that_is_said(folder):
    (folder / "people.csv").write_text(people(range(1, 6)))
    said = run("create", "people")
    assert "5 of 200 rows are bad, and more than a share of 0.02: none was set aside" in said
    assert "no row of people was set aside" in run("quarantined", "people")
    assert listed("people") == []


def test_verify_notices_what_was_done_to_rows_set_aside(folder, tmp_path):
    name = taken()["id"]
    assert "ok" in run("verify")
    (file,) = (tmp_path / "snapshots/people/quarantine/table").glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"x")
    assert "was changed" in run("verify", name, code=1)
    assert "was changed" in run("quarantined", name, code=2)
    file.unlink()
    assert "is missing" in run("verify", name, code=1)
    file.write_bytes(whole)
    (manifest,) = (tmp_path / "snapshots/people/quarantine/manifests").glob("*.json")
    content = manifest.read_text()
    manifest.write_text(content.replace('"rows_read": 200', '"rows_read": 201'))
    assert "its manifest is not the one recorded" in run("verify", name, code=1)
    manifest.unlink()
    assert "have no manifest any more" in run("verify", name, code=1)
    manifest.write_text(content)
    assert "ok" in run("verify", name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["peopel"], 'did you mean "people"?'),
        (["people-0123456789abcdef"], "no such snapshot"),
        (["people", "--out", "bad.xlsx"], "neither .parquet nor .csv"),
        (["people", "--out", "no/such/bad.csv"], "there is no folder"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, arguments, said):
    taken()
    output = run("quarantined", *arguments, code=2)
    assert said in output
    assert "Traceback" not in output


def test_columns_that_changed_their_types_go_to_files_of_their_own(folder, tmp_path):
    taken()
    text = people([4]).replace("yes", "true").replace("no", "false")
    (folder / "people.csv").write_text(text)
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    policy["data"]["positive"] = True
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    taken()
    out = tmp_path / "bad.csv"
    assert "name one snapshot" in run("quarantined", "people", "--out", out, code=2)
    assert not out.exists()


def test_a_contract_that_cannot_be_read_leaves_no_snapshot(folder, tmp_path):
    (folder / "contract.json").write_text("{")
    assert "contract.json" in run("create", "people", code=2)
    assert not (tmp_path / "snapshots").exists()


def test_json_of_rows_is_json_and_bytes_want_another_form(folder, tmp_path):
    table = pyarrow.csv.read_csv(folder / "people.csv")
    odd = [float("-inf"), -5.0, *[1.0] * (len(table) - 2)]
    table = table.set_column(2, "age", pa.array(odd)).append_column("raw", pa.array([b"\xff"] * len(table)))
    pq.write_table(table, tmp_path / "people.parquet")
    run("create", "people", "--source", tmp_path / "people.parquet")
    told = CliRunner().invoke(app, ["snapshot", "quarantined", "people", "--json"]).stdout
    (entry,) = json.loads(told, parse_constant=pytest.fail)
    assert [row["age"] for row in entry["rows"]] == ["-inf", -5.0, 1.0]
    assert "name a .parquet file" in run("quarantined", "people", "--out", tmp_path / "bad.csv", code=2)
    assert not (tmp_path / "bad.csv").exists()


@pytest.mark.parametrize("name", ["snapshot", "rows_read", "reasons", "key"])
def test_a_manifest_of_rows_set_aside_that_lacks_something_is_told(folder, tmp_path, name):
    taken()
    (path,) = (tmp_path / "snapshots/people/quarantine/manifests").iterdir()
    path.write_text(
        json.dumps({field: value for field, value in json.loads(path.read_text()).items() if field != name})
    )
    for words in (["quarantined", "people"], ["verify"], ["expire"]):
        assert f"is not a manifest of rows that were set aside: {name}" in run(*words, code=2)
