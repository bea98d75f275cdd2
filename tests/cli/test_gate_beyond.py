"""`assay gate contract`: the built-in checks beside a suite, or alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from assay.cli.gate import app

N = 4000
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "age"}}]}
DATA = {
    "source": "t.csv", "key": "id", "label": "y", "positive": 1, "features": ["age", "city"], "sensitive": ["sex"],
    "pseudonymize": ["mail"], "holdout": 0.3,
}  # fmt: skip
FAIRNESS = {"groups": ["sex"], "checks": [{"metric": "tpr", "max": 0.1}]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    made = {"id": range(N), "age": rng.normal(40, 9, N).round(3), "city": rng.choice(["a", "b", "c"], N)}
    frame = pd.DataFrame(made | {"sex": rng.choice(["f", "m"], N), "y": rng.integers(0, 2, N)})
    frame["mail"] = [f"p{at}@example.org" for at in range(N)]
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet")
    frame.assign(age=frame["age"] + 30).to_parquet("old.parquet")
    Path("suite.json").write_text(json.dumps(SUITE))
    Path("policy.yaml").write_text(json.dumps({"gates": {"fairness": FAIRNESS}, "data": DATA}))


def run(*options):
    return CliRunner().invoke(app, ["contract", "--json", "out.json", *options])


def outcomes():
    return {(c["name"], c["attribute"]): c["outcome"] for c in json.loads(Path("out.json").read_text())["checks"]}


@pytest.mark.parametrize("data", ["t.csv", "t.parquet"])
def test_a_policy_says_what_the_columns_are_for(data):
    result = run("--data", data, "--suite", "suite.json", "--policy", "policy.yaml", "--reference", "t.parquet")
    assert result.exit_code == 0, result.output
    found = outcomes()
    assert next(iter(found.items())) == (("expect_column_to_exist", "age"), "PASS")
    assert {name for name, _ in found} >= {
        "label_leakage",
        "split_overlap",
        "shift",
        "label_shift",
        "group_support",
        "pii",
    }
    assert ("group_support", "sex") in found


def test_a_reference_tells_what_has_moved():
    result = run("--data", "t.parquet", "--policy", "policy.yaml", "--reference", "old.parquet")
    assert result.exit_code == 1, result.output
    assert outcomes()["shift", "age"] == "FAIL"
    assert "two-sample" in result.stdout


def test_without_policy_and_suite_undeclared_addresses_are_found():
    assert run("--data", "t.parquet").exit_code == 1
    found = outcomes()
    assert found["pii", "mail"] == "FAIL"
    assert {outcome for key, outcome in found.items() if key != ("pii", "mail")} == {"PASS"}


def test_a_column_that_the_policy_names_and_the_file_has_not_fails():
    pd.read_parquet("t.parquet").drop(columns="city").to_parquet("less.parquet")
    assert run("--data", "less.parquet", "--policy", "policy.yaml").exit_code == 1
    found = outcomes()
    assert found["absent_column", "city"] == "FAIL"
    assert not any(name == "split_overlap" for name, _ in found)


def test_a_reference_that_is_not_there_is_a_mistake():
    result = run("--data", "t.parquet", "--reference", "none.parquet")
    assert result.exit_code == 2
    assert "none.parquet: no such file" in result.stderr
    assert not Path("out.json").exists()


@pytest.mark.parametrize(
    ("column", "split"), [("id", None), ("city", {"by": "group", "column": "city", "duplicates": "apart"})]
)
def test_rows_that_no_split_can_place_fail_and_are_counted_beside_all_other_checks(column, split):
    frame = pd.read_parquet("t.parquet").astype({"id": "Int64"})
    frame.loc[[3, 1700, 3999], column] = None
    frame.to_parquet("t.parquet", row_group_size=500)
    Path("policy.yaml").write_text(json.dumps({"gates": {"fairness": FAIRNESS}, "data": {**DATA, "split": split}}))
    result = run("--data", "t.parquet", "--policy", "policy.yaml")
    assert result.exit_code == 1, result.output
    checks = {(each["name"], each["attribute"]): each for each in json.loads(Path("out.json").read_text())["checks"]}
    told = checks["split_overlap", column]
    assert told["outcome"] == "FAIL"
    assert told["reason"].startswith("is null in 3 of 4,000 rows, which a split by it cannot place")
    assert len(checks) > 5
