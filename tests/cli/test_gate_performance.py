"""The performance gate's command: what it reads, what it asks for, and all that may be wrong with it."""

from pathlib import Path

import numpy as np
import pytest
from tests.cli.gate_support import frame, run, save_model, verdict, write_inputs

from assay.core import sha256_bytes

WHOLE = """
gates:
  performance:
    checks: [{metric: auc, min: 0.6}, {metric: f1, min: 0.6}]
    champion: [{metric: brier, margin: 0.05}, {metric: accuracy, margin: 0.05}]
    slices: [sex, [sex, race], age]
    edges: {age: [0]}
    floors: [{metric: log_loss, max: 0.9}]
    weak_slices: {max_excess: 0.9, columns: [age, job, sex]}
    cost: {currency: EUR, tp: -10, fp: 3, fn: 5, tn: 0, max: 1, margin: 0.5}
"""
BUDGETS = """
gates:
  performance:
    checks: [{metric: auc, min: 0.6}]
    latency: [{rows: 1, p50_ms: 1000, p99_ms: 10000}]
    size_mb: 5
"""
LOOKING = "gates: {performance: {checks: [{metric: auc, min: 0.6}], weak_slices: {max_excess: 2}}}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_inputs()


def test_with_and_without_a_champion():
    assert run("performance").exit_code == 0
    assert [check["name"] for check in verdict()["checks"]] == ["auc"]
    assert run("performance", champion_score="q").exit_code == 0
    assert [check["name"] for check in verdict()["checks"]] == ["auc", "brier_vs_champion"]


def test_every_part_of_the_policy_is_judged():
    Path("policy.yaml").write_text(WHOLE)
    result = run("performance", prediction="decision", champion_score="q", champion_threshold=0.5)
    assert result.exit_code == 0, result.output
    found = verdict()
    assert [(check["name"], check["attribute"]) for check in found["checks"]] == [
        ("auc", None),
        ("f1", None),
        ("brier_vs_champion", None),
        ("accuracy_vs_champion", None),
        ("cost", None),
        ("cost_vs_champion", None),
        ("log_loss_worst_slice", "sex"),
        ("log_loss_worst_slice", "sex*race"),
        ("log_loss_worst_slice", "age"),
        ("weak_slice", None),
    ]
    columns = {tuple(group["group"]) for group in found["groups"]}
    assert columns == {("sex",), ("sex", "race"), ("age",), ("slice",), ("score",)}
    assert "EUR on average" in found["checks"][4]["reason"]


def test_decisions_come_from_a_column_or_from_a_threshold():
    Path("policy.yaml").write_text(WHOLE)
    rival = {"champion_score": "q", "champion_threshold": 0.5}
    run("performance", prediction="decision", json_to="a.json", **rival)
    run("performance", threshold=0.5000001, json_to="b.json", **rival)
    assert verdict("a.json")["checks"] == verdict("b.json")["checks"]
    run("performance", threshold=0.9, json_to="c.json", **rival)
    assert verdict("b.json")["checks"][1] != verdict("c.json")["checks"][1]


def test_budgets_are_those_of_the_model():
    Path("policy.yaml").write_text(BUDGETS)
    content = save_model()
    result = run("performance", model="model.onnx", data="rows.parquet", positive=None)
    assert result.exit_code == 0, result.output
    found = verdict()
    _, median, slowest, size = found["checks"]
    assert (median["name"], slowest["name"], size["name"]) == ("latency_p50_1_row", "latency_p99_1_row", "size_mb")
    assert median["compare"] == "timed"
    assert 0 < median["estimate"] <= slowest["estimate"]
    assert size["estimate"] == pytest.approx(len(content) / 1e6)
    assert found["model"] == sha256_bytes(content)


def test_weak_slices_are_looked_for_in_the_model_s_features():
    Path("policy.yaml").write_text(LOOKING)
    save_model()
    assert run("performance", model="model.onnx", data="rows.parquet").exit_code == 0
    found = [group["group"]["slice"] for group in verdict()["groups"] if "slice" in group["group"]]
    assert len(found) > 1
    assert all("age" in words or "job" in words for words in found)


def test_a_later_attempt_is_judged_more_strictly():
    for attempt in (1, 5):
        run("performance", attempt=attempt, json_to=f"{attempt}.json")
    (low, high), (lower, higher) = (verdict(f"{each}.json")["checks"][0]["interval"] for each in (1, 5))
    assert lower < low < high < higher
    assert verdict("5.json")["budget"] == {"attempt": 5, "confidence": 0.95, "level": pytest.approx(0.99878, abs=1e-5)}


MISTAKES = [
    ({"score": "age", "champion_score": "holes"}, ["age: is not a number", "holes: is not a number between 0 and 1"]),
    ({"score": "job"}, ["job: has type string; a score is a number between 0 and 1"]),
    ({"label": "one", "positive": None}, ["one: has", "a label has two"]),
    ({"label": "three"}, ["three: has", "a label has two"]),
    ({"policy": "whole.yaml"}, ["--prediction: is missing, and the policy has checks on decisions"]),
    ({"policy": "whole.yaml", "threshold": 0.5, "champion_score": "q"}, ["--champion-prediction: is missing"]),
    ({"threshold": 0.5, "prediction": "decision"}, ["--prediction: and --threshold exclude each other"]),
    ({"champion_threshold": 0.5}, ["--champion-score: is missing (name the column with the champion's probabilities)"]),
    ({"prediction": "income"}, ['--prediction: is the label "income" itself']),
    ({"prediction": "race"}, ["race: holds classes that income does not: x, y"]),
    (
        {"policy": "whole.yaml", "data": "bare.csv", "label": "incom"},
        ['incom: no such column (did you mean "income"?)', "race: no such", "job: no such", "--prediction: is missing"],
    ),
    ({"policy": "budgets.yaml"}, ["--model: is missing, and the policy has a budget of latency and size"]),
    ({"policy": "looking.yaml"}, ["gates.performance.weak_slices.columns: which columns to look in is not said"]),
    ({"policy": "many.yaml", "threshold": 0.5}, ["age: has 2,000 values to slice by (cut numbers at `edges`"]),
    ({"policy": "words.yaml"}, ["sex: 'F' is not a number (only numbers can be cut at edges)"]),
    ({"policy": "typo.yaml"}, ['gates.performance.checks.0.metric: unknown metric "aucc": did you mean "auc"?']),
    ({"policy": "clash.yaml"}, ["gates.performance.checks.0: min 0.9 is above max 0.8"]),
    ({"model": "none.onnx", "policy": "budgets.yaml"}, ["none.onnx: cannot be read: No such file"]),
    ({"data": "header.csv"}, ["header.csv: has no rows"]),
]  # fmt: skip
POLICIES = {
    "whole": WHOLE,
    "budgets": BUDGETS,
    "looking": LOOKING,
    "many": "gates: {performance: {checks: [{metric: auc, min: 0.6}], slices: [age],"
    " floors: [{metric: auc, min: 0.5}]}}",
    "words": "gates: {performance: {checks: [{metric: auc, min: 0.6}], slices: [sex], edges: {sex: [1]},"
    " floors: [{metric: auc, min: 0.5}]}}",
    "typo": "gates: {performance: {checks: [{metric: aucc, min: 0.6}]}}",
    "clash": "gates: {performance: {checks: [{metric: auc, min: 0.9, max: 0.8}]}}",
}


@pytest.mark.parametrize(("options", "messages"), MISTAKES)
def test_mistakes_are_told_together_and_leave_the_old_verdict_alone(options, messages):
    rows = frame()
    rows["holes"] = rows["p"].mask(rows.index < 7)
    rows["one"], rows["three"] = 0, np.arange(len(rows)) % 3
    rows.to_csv("rows.csv", index=False)
    rows.drop(columns=["race", "job"]).to_csv("bare.csv", index=False)
    Path("header.csv").write_text("sex,income,p\n")
    for name, text in POLICIES.items():
        Path(f"{name}.yaml").write_text(text)
    Path("out.json").write_text("before")
    result = run("performance", **options)
    assert result.exit_code == 2, result.output
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.output
    assert Path("out.json").read_text() == "before"
