"""The gate commands: exit codes, the verdict file, and every mistake in one message."""

import json
import os
import stat
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from typer.testing import CliRunner

from assay.cli.gate import app
from assay.cli.inputs import Mistakes, parse_groups, word
from assay.cli.output import write_file
from assay.core import UnavailableError, Verdict, code_version, sha256_bytes, sha256_file
from assay.training.export import export

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/verdict.schema.json").read_text())
POLICY = """
gates:
  performance:
    draws: 100
    checks: [{metric: auc, min: 0.6}]
    champion: [{metric: brier, margin: 0.05}]
  fairness:
    groups: [sex]
    checks: [{metric: selection_rate, compare: difference, max: 0.2}]
  robustness:
    draws: 100
    checks: [{scenario: unknown_category, max_drop: 0.2}, {scenario: unit_error, share: 0.01, max_drop: 0.2}]
"""


def frame(n=2000):
    random = np.random.default_rng(0)
    age = random.normal(0, 1, n).astype(np.float32)
    score = 1 / (1 + np.exp(-2 * age))
    return pd.DataFrame(
        {
            "age": age,
            "job": random.choice(["a", "b"], n),
            "sex": random.choice(["F", "M"], n),
            "race": random.choice(["x", "y"], n),
            "income": np.where(random.random(n) < score, ">50K", "<=50K"),
            "p": score,
            "q": np.clip(score + 0.01, 0, 1),
            "decision": np.where(score > 0.5, ">50K", "<=50K"),
        }
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().to_csv("rows.csv", index=False)
    frame().to_parquet("rows.parquet")
    Path("policy.yaml").write_text(POLICY)
    return tmp_path


def run(command, *more, json_to="out.json", **options):
    arguments = [command]
    for name, value in {**COMMON[command], "json": json_to, **options}.items():
        arguments += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return CliRunner().invoke(app, [*arguments, *more])


COMMON = {
    "fairness": {
        "data": "rows.csv",
        "label": "income",
        "prediction": "decision",
        "positive": ">50K",
        "policy": "policy.yaml",
    },
    "performance": {"data": "rows.csv", "label": "income", "score": "p", "positive": ">50K", "policy": "policy.yaml"},
    "robustness": {"model": "model.onnx", "data": "rows.parquet", "label": "income", "policy": "policy.yaml"},
    "contract": {"data": "rows.csv", "suite": "suite.json"},
}


def verdict(path="out.json"):
    found = json.loads(Path(path).read_text())
    jsonschema.validate(found, SCHEMA)
    assert Verdict.from_dict(found).to_dict() == found
    return found


def save_model(path="model.onnx"):
    rows = frame()
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression())
    pipeline.fit(rows[["age", "job"]], rows["income"] == ">50K")
    kinds = {"age": "number", "job": "text"}
    content = export(pipeline, kinds=kinds, model="income", classes=("<=50K", ">50K"), threshold=0.5)
    Path(path).write_bytes(content)
    return content


def test_fairness_passes_and_binds_the_verdict_to_its_files():
    result = run("fairness")
    assert result.exit_code == 0, result.output
    found = verdict()
    assert (found["gate"], found["outcome"], found["attempt"]) == ("fairness", "PASS", 1)
    assert found["snapshot"] == f"sha256:{sha256_file(Path('rows.csv'))}"
    assert found["policy_sha256"] == sha256_file(Path("policy.yaml"))
    assert found["code_version"] == code_version()
    assert (found["model"], found["previous"]) == (None, None)
    assert "selection_rate_difference sex" in result.stdout
    assert [group["group"] for group in found["groups"]] == [{"sex": "F"}, {"sex": "M"}]


def test_fairness_fails():
    rows = frame()
    rows.loc[rows.sex == "F", "decision"] = "<=50K"
    rows.to_csv("rows.csv", index=False)
    assert run("fairness").exit_code == 1
    assert verdict()["outcome"] == "FAIL"


def test_groups_on_the_command_line_replace_the_policys():
    result = run("fairness", groups="race, sex*race", score="p")
    assert result.exit_code in (0, 3)
    found = verdict()
    assert [check["attribute"] for check in found["checks"]] == ["race", "sex*race"]
    assert "mean_score" in found["groups"][0]["metrics"]


def test_scores_from_a_threshold_on_are_decisions():
    run("fairness", json_to="a.json")
    result = run("fairness", prediction=None, score="p", threshold=0.5, json_to="b.json")
    assert result.exit_code == 0, result.output
    assert verdict("a.json")["checks"] == verdict("b.json")["checks"]


def test_checks_on_scores_and_weights_are_judged():
    rows = frame(4000)
    rows["w"] = np.random.default_rng(1).gamma(2, size=4000)
    rows.to_parquet("rows.parquet")
    more = "{metric: auc, compare: level, min: 0.7}, {metric: log_loss, compare: level, max: 1.5}"
    Path("policy.yaml").write_text(POLICY.replace("max: 0.2}]\n  rob", f"max: 0.2}}, {more}]\n  rob"))
    result = run("fairness", data="rows.parquet", score="p", weights="w")
    assert result.exit_code == 0, result.output
    found = verdict()
    assert [check["name"] for check in found["checks"]] == ["selection_rate_difference", "auc_level", "log_loss_level"]
    rows["decided"] = rows["decision"] == ">50K"
    rate = np.average(rows["decided"][rows.sex == "F"], weights=rows["w"][rows.sex == "F"])
    assert found["groups"][0]["metrics"]["selection_rate"]["estimate"] == pytest.approx(rate)


def test_groups_on_the_command_line_leave_the_rest_of_the_policy_standing():
    Path("policy.yaml").write_text(POLICY.replace("groups: [sex]", "groups: [sex]\n    reference: {sex: F}"))
    assert run("fairness", groups="race").exit_code in (0, 3)
    assert run("fairness").exit_code == 0
    assert {"sex": "F"} in verdict()["checks"][0]["groups"]


def test_inconclusive_has_its_own_exit_code():
    frame(150).to_csv("rows.csv", index=False)
    result = run("fairness")
    assert result.exit_code == 3
    assert "fewer than 100" in result.stdout


def test_csv_and_parquet_give_the_same_checks():
    run("fairness", json_to="a.json")
    run("fairness", data="rows.parquet", json_to="b.json")  # counted out of core
    assert verdict("a.json")["checks"] == verdict("b.json")["checks"]
    assert verdict("a.json")["groups"] == verdict("b.json")["groups"]


def test_gaps_are_counted_in_rows_not_in_distinct_ones():
    rows = frame()
    rows["decision"] = rows["decision"].mask(rows.index < 7)
    rows.to_parquet("rows.parquet")
    assert "decision: has no value in 7 of 2000 rows" in run("fairness", data="rows.parquet").stderr


@pytest.mark.parametrize("command", ["fairness", "performance"])
def test_standard_output_holds_the_json_and_nothing_else(command):
    result = run(command, json_to="-")
    assert json.loads(result.stdout)["gate"] == command
    assert result.stdout.startswith("{")
    assert f"{command} gate: PASS" in result.stderr


@pytest.mark.parametrize(
    ("negative", "positive", "options"),
    [
        (0, 1, {}),
        (0.0, 1.0, {}),
        (False, True, {}),
        ("false", "true", {}),
        (0, 1, {"positive": "1"}),
        (0.0, 1.0, {"positive": "1"}),
        (False, True, {"positive": "1"}),
        (0, 1, {"positive": "true"}),
        (1, 0, {"positive": "0"}),
        ("<=50K", ">50K", {"positive": ">50K"}),
        (1, 2, {"positive": "2.0"}),
    ],
)
@pytest.mark.parametrize("other", [None, (0.0, 1.0)])
def test_the_positive_class_however_it_is_written(negative, positive, options, other):
    run("fairness", json_to="expected.json")
    rows = frame()
    for column in ("income", "decision"):
        rows[column] = [positive if value == ">50K" else negative for value in rows[column]]
    if other and {negative, positive} == {0, 1} and not isinstance(negative, str):
        rows["decision"] = rows["decision"].astype(float)
    rows.to_parquet("rows.parquet")
    result = run("fairness", data="rows.parquet", **{"positive": None, **options})
    assert result.exit_code == 0, result.output
    assert verdict()["groups"] == verdict("expected.json")["groups"]


def test_performance_with_and_without_a_champion():
    assert run("performance").exit_code == 0
    assert [check["name"] for check in verdict()["checks"]] == ["auc"]
    assert run("performance", champion_score="q").exit_code == 0
    assert [check["name"] for check in verdict()["checks"]] == ["auc", "brier_vs_champion"]


def test_the_seed_decides_the_draws():
    for seed in (1, 1, 2):
        run("performance", seed=seed, json_to=f"{seed}.json")
    first = verdict("1.json")["checks"][0]
    assert first["interval"] != verdict("2.json")["checks"][0]["interval"]
    run("performance", seed=1)
    assert verdict()["checks"][0] == first


def test_performance_with_one_class_is_inconclusive():
    rows = frame()
    rows["income"] = 0
    rows.to_csv("rows.csv", index=False)
    assert run("performance", positive=None).exit_code == 3
    assert verdict()["checks"][0]["estimate"] is None


def test_robustness_scores_the_onnx_bytes():
    content = save_model()
    result = run("robustness")
    assert result.exit_code == 0, result.output
    found = verdict()
    assert found["model"] == sha256_bytes(content)
    assert [check["name"] for check in found["checks"]] == ["auc_drop_unknown_category", "auc_drop_unit_error"]


def test_a_model_without_an_answer_for_missing_values_fails():
    save_model()
    Path("policy.yaml").write_text(POLICY.replace("scenario: unknown_category", "scenario: missing"))
    assert run("robustness").exit_code == 1
    assert "scores are not a number between 0 and 1" in verdict()["checks"][0]["reason"]


def test_contract_needs_no_policy():
    suite = {
        "name": "rows",
        "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}, "severity": "critical"}
        ],
    }
    Path("suite.json").write_text(json.dumps(suite))
    result = run("contract")
    assert result.exit_code == 0, result.output
    assert verdict()["policy_sha256"] is None
    suite["expectations"][0] |= {"type": "expect_column_to_exist", "kwargs": {"column": "wage"}}
    Path("suite.json").write_text(json.dumps(suite))
    assert run("contract", json_to="-").exit_code == 1


MISTAKES = [
    ("fairness", {"label": "incom"}, ['incom: no such column (did you mean "income"?)']),
    (
        "fairness",
        {"label": "incom", "score": "sex", "groups": "sx,race", "policy": "p.yaml"},
        ["incom: no such column", 'sx: no such column (did you mean "sex"?)', "p.yaml: no such file"],
    ),
    ("fairness", {"positive": None}, ["income: is neither 0/1 nor true/false: <=50K, >50K (say with --positive"]),
    ("fairness", {"positive": "50K"}, ['--positive: "50K" never occurs in income (classes found: <=50K, >50K)']),
    ("fairness", {"prediction": "sex"}, ["sex: holds classes that income does not: F, M (income has <=50K, >50K"]),
    ("fairness", {"prediction": "gap"}, ["gap: has no value in 7 of 2000 rows"]),
    ("fairness", {"label": "gap", "score": "gap"}, ["gap: has no value", "gap: has type string; a score is a number"]),
    ("fairness", {"groups": "sex,,rac"}, ['--groups: has an empty name in "sex,,rac"', "rac: no such column"]),
    ("fairness", {"groups": "sex,race,race*sex,sex*race,sex"}, ["--groups: names twice: sex*race, sex"]),
    ("fairness", {"prediction": "income"}, ['--prediction: is the label "income" itself']),
    ("fairness", {"data": "twice.csv"}, ["twice.csv: names columns twice: sex"]),
    ("contract", {"data": "twice.csv"}, ["twice.csv: names columns twice: sex"]),
    ("fairness", {"threshold": 0.5}, ["--prediction: is needed, or --threshold in its place", "--threshold: needs"]),
    ("fairness", {"prediction": None}, ["--prediction: is needed, or --threshold in its place; not both"]),
    ("fairness", {"weights": "age"}, ["age: is negative or no number in"]),
    ("fairness", {"weights": "nil", "score": "holes"}, ["nil: is 0 in every row", "holes: is not a number between"]),
    ("fairness", {"weights": "sex"}, ["sex: has type string; a weight is a number from 0 upwards"]),
    ("fairness", {"policy": "scored.yaml"}, ["--score: is missing, and the policy has checks on scores"]),
    ("fairness", {"policy": "empty.yaml"}, ["empty.yaml: is empty"]),
    ("fairness", {"policy": "other.yaml"}, ["gates.fairness: is missing in other.yaml"]),
    ("fairness", {"policy": "bad.yaml"}, ['gates.fairnes: unknown key (did you mean "fairness"?)']),
    ("fairness", {"data": "none.csv"}, ["none.csv: no such file"]),
    ("fairness", {"data": "corrupt.parquet"}, ["corrupt.parquet: cannot be read as Parquet"]),
    ("fairness", {"data": "empty.csv"}, ["empty.csv: is empty"]),
    ("fairness", {"data": "header.csv"}, ["header.csv: has no rows"]),
    ("fairness", {"json_to": "no/such/out.json", "label": "x"}, ["--json: there is no folder no/such", "x: no such"]),
    ("fairness", {"json_to": "."}, ['--json: "." is no file name']),
    ("performance", {"score": "age", "champion_score": "holes"}, ["age: is not a number", "holes: is not a number"]),
    ("performance", {"score": "job"}, ["job: has type string; a score is a number between 0 and 1"]),
    ("robustness", {"model": "none.onnx", "label": "x"}, ["none.onnx: cannot be read: No such file", "x: no such"]),
    ("robustness", {"model": "rows.csv"}, ["model.onnx: is not a readable ONNX model"]),
    ("contract", {"suite": "none.json", "data": "none.csv"}, ["none.csv: no such file", "none.json"]),
]


@pytest.mark.parametrize(("command", "options", "messages"), MISTAKES)
def test_mistakes_are_told_together_and_leave_the_old_verdict_alone(command, options, messages):
    rows = frame()
    rows["gap"] = rows["income"].mask(rows.index < 7)
    rows["holes"] = rows["p"].mask(rows.index < 7)
    rows["nil"] = 0
    rows.to_csv("rows.csv", index=False)
    Path("empty.yaml").touch()
    Path("scored.yaml").write_text("gates: {fairness: {groups: [sex], checks: [{metric: auc, max: 0.1}]}}")
    Path("other.yaml").write_text("gates: {performance: {checks: [{metric: auc, min: 0.6}]}}")
    Path("bad.yaml").write_text(POLICY.replace("fairness", "fairnes"))
    Path("corrupt.parquet").write_bytes(b"PAR1 nonsense PAR1")
    Path("empty.csv").touch()
    Path("header.csv").write_text("sex,income,decision\n")
    Path("twice.csv").write_text("sex,income,decision,sex\nF,1,1,F\n")
    Path("out.json").write_text("before")
    result = run(command, **options)
    assert result.exit_code == 2, result.output
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert Path("out.json").read_text() == "before"
    assert not list(Path().glob(".out*"))


@pytest.mark.parametrize("given", ["rows.csv", "policy.yaml", "link.csv"])
def test_a_verdict_never_replaces_what_it_is_about(given):
    Path("link.csv").symlink_to("rows.csv")
    before = Path(given).read_bytes()
    result = run("fairness", json_to=given)
    assert result.exit_code == 2
    assert f"--json: {given} is an input" in result.stderr
    assert Path(given).read_bytes() == before


def test_a_folder_in_place_of_the_rows_is_called_one():
    Path("folder.csv").mkdir()
    result = run("fairness", data="folder.csv")
    assert (result.exit_code, "folder.csv: is a folder" in result.stderr) == (2, True)


def test_a_missing_feature_of_the_model_is_named():
    save_model()
    frame().drop(columns="job").to_parquet("rows.parquet")
    result = run("robustness")
    assert result.exit_code == 2
    assert "job: no such column" in result.stderr


def test_missing_options_are_wrong_usage():
    assert CliRunner().invoke(app, ["fairness", "--data", "rows.csv"]).exit_code == 2
    assert CliRunner().invoke(app, ["fairnes"]).exit_code == 2


def test_a_disk_that_fails_is_an_error_and_keeps_the_old_file(monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    Path("out.json").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    result = run("fairness")
    assert result.exit_code == 4
    assert result.stderr.count("\n") == 1
    assert "No space left on device" in result.stderr
    assert Path("out.json").read_text() == "before"


def test_a_link_keeps_pointing_and_a_device_stays_a_device():
    Path("real.json").write_text("before")
    Path("link.json").symlink_to("real.json")
    write_file(Path("link.json"), b"after")
    assert Path("link.json").is_symlink()
    assert Path("real.json").read_text() == "after"
    write_file(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(UnavailableError, match="cannot write"):
        write_file(Path("real.json") / "x", b"")


@pytest.mark.parametrize("command", COMMON)
def test_help_teaches(command):
    text = CliRunner().invoke(app, [command, "--help"]).stdout
    assert f"Example: assay gate {command}" in text


def test_words_and_groups():
    assert word("01") == "01"
    assert word(0.5) == "0.5"
    assert parse_groups("a, b*c", Mistakes()) == ["a", ["b", "c"]]
    mistakes = Mistakes()
    parse_groups("a*a", mistakes)
    assert "names twice: a*a" in str(mistakes.found[0])
