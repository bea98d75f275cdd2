"""`assay gate fairness`: any file of predictions, and the verdict on it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, recall_score
from tests.cli.gate_support import POLICY, frame, run, verdict, write_inputs

from assay.core import code_version, sha256_file


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_inputs()
    return tmp_path


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


def policy(groups, checks, more=""):
    Path("policy.yaml").write_text(f"gates: {{fairness: {{groups: {groups}, checks: {checks}{more}}}}}")


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_every_option_together(data):
    """The whole form of the command, on both kinds of file."""
    rows = frame(4000)
    rows["w"] = np.random.default_rng(1).gamma(2, size=4000)
    rows.to_csv("rows.csv", index=False)
    rows.to_parquet("rows.parquet")
    policy("[sex]", "[{metric: selection_rate, max: 0.5}, {metric: auc, max: 0.5}]")
    result = run(
        "fairness", data=data, prediction=None, score="p", threshold=0.4, groups="sex,race,sex*race", weights="w"
    )
    assert result.exit_code == 0, result.output
    assert {check["attribute"] for check in verdict()["checks"]} == {"sex", "race", "sex*race"}
    assert len(verdict()["groups"]) == 8


def test_attempts_spend_one_budget():
    for attempt in (1, 3):
        assert run("fairness", attempt=attempt, json_to=f"{attempt}.json").exit_code == 0
    first, third = verdict("1.json"), verdict("3.json")
    assert first["budget"] == {"attempt": 1, "confidence": 0.95, "level": pytest.approx(1 - 0.05 * 6 / np.pi**2)}
    assert third["budget"]["level"] > first["budget"]["level"]
    (one,), (other,) = first["checks"], third["checks"]
    assert np.diff(one["interval"]) < np.diff(other["interval"])
    assert one["confidence"] == other["confidence"] == 0.95
    assert run("fairness", attempt=0).exit_code == 2


def test_a_check_may_name_its_own_groups():
    policy(
        "[sex, race, [sex, race]]",
        "[{metric: tpr, max: 0.9, groups: [sex, race]}, {metric: tpr, max: 0, groups: [[race, sex]], severity: info}]",
    )
    assert run("fairness").exit_code == 0
    found = [(check["name"], check["attribute"], check["severity"]) for check in verdict()["checks"]]
    assert found == [
        ("tpr_difference", "sex", "critical"),
        ("tpr_difference", "race", "critical"),
        ("tpr_difference", "sex*race", "info"),
    ]
    assert run("fairness", groups="race").exit_code == 0
    assert [check["attribute"] for check in verdict()["checks"]] == ["race"]
    result = run("fairness", groups="job")
    assert (result.exit_code, "--groups" in result.stderr) == (2, True)


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_several_classes_each_against_the_rest(data):
    rows = frame()
    random = np.random.default_rng(3)
    rows["kind"] = random.choice([1.0, 2.0, 3.0], len(rows))
    rows["guess"] = np.where(random.random(len(rows)) < 0.7, rows["kind"], random.choice([1, 2, 3], len(rows))).astype(
        int
    )
    rows.to_csv("rows.csv", index=False)
    rows.to_parquet("rows.parquet")
    policy("[sex]", "[{metric: tpr, max: 0.3}]", ", classes: [1, 3]")
    result = run("fairness", data=data, label="kind", prediction="guess", positive=None)
    assert result.exit_code == 0, result.output
    assert [check["name"] for check in verdict()["checks"]] == ["tpr_difference[1]", "tpr_difference[3]"]
    women = rows[rows.sex == "F"]
    expected = recall_score(women["kind"] == 3, women["guess"] == 3)
    assert verdict()["groups"][0]["metrics"]["tpr[3]"]["estimate"] == pytest.approx(expected)


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_predicted_numbers(data):
    policy("[sex]", "[{metric: mae, max: 0.3}, {metric: mean_error, compare: level, min: -5}]")
    result = run("fairness", data=data, label="age", prediction="p", positive=None)
    assert result.exit_code == 0, result.output
    rows = pd.read_parquet("rows.parquet").query("sex == 'F'")
    found = verdict()["groups"][0]["metrics"]
    assert set(found) == {"mae", "rmse", "mean_error"}
    assert found["mae"]["estimate"] == pytest.approx(mean_absolute_error(rows["age"], rows["p"]), rel=1e-6)
    assert {check["name"] for check in verdict()["checks"]} == {"mae_difference", "mean_error_level"}
