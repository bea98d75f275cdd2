"""`assay gate contract`: what it answers, what it shows, and one message for everything that is wrong."""

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from assay.cli.gate import app
from assay.cli.progress import reporting
from assay.core import sha256_file
from assay.policy.builtin import BuiltIn

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/verdict.schema.json").read_text())
AGE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 0, "max_value": 120}}
NAME = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name"}}
# the suite alone: what the built-in checks find in so little data is not looked at here
ALONE = {name: None for name in BuiltIn.model_fields if name != "confidence"}
HOLD = {**ALONE, "on_bad_rows": "quarantine", "max_quarantined": 0.2}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"id": range(10), "age": [30] * 9 + [999], "name": list("abcdefghij")}).to_csv("t.csv", index=False)
    suite(AGE, NAME)
    policy(ALONE)
    return tmp_path


def policy(part, **more):
    Path("policy.yaml").write_text(json.dumps({"gates": {"contract": part}, **more}))


def suite(*expectations, to="suite.json"):
    Path(to).write_text(json.dumps({"name": "s", "expectations": list(expectations)}))


def run(data="t.csv", contract="suite.json", *more):
    fixed = ["--data", data, "--suite", contract, "--json", "out.json", "--policy", "policy.yaml"]
    return CliRunner().invoke(app, ["contract", *fixed, *more])


def verdict():
    found = json.loads(Path("out.json").read_text())
    jsonschema.validate(found, SCHEMA)
    return found


def test_a_failed_expectation_names_rows_and_values():
    result = run("t.csv", "suite.json", "--key", "id")
    assert result.exit_code == 1, result.output
    found = verdict()
    assert (found["outcome"], found["policy_sha256"]) == ("FAIL", sha256_file(Path("policy.yaml")))
    between, null = found["checks"]
    assert between["examples"] == [{"id": "9", "age": "999"}]
    assert "examples" not in null
    assert "1 of 10 rows unexpected (0.1 of all)" in " ".join(result.stdout.split())
    assert "0 of 10 rows unexpected" in result.stdout


def test_bad_rows_are_set_aside_where_the_policy_says_so():
    policy(HOLD)
    result = run("t.csv", "suite.json", "--key", "id")
    assert result.exit_code == 0, result.output
    found = verdict()
    assert (found["checks"][0]["name"], found["checks"][0]["estimate"]) == ("quarantine", 0.1)


def test_the_key_is_the_policys():
    roles = {"key": "id", "label": "age", "positive": 1, "features": ["name"], "sensitive": ["name"]}
    policy(HOLD, data={"source": "t.csv", **roles})
    assert run().exit_code == 0


def test_a_suite_in_yaml_will_do():
    Path("suite.yaml").write_text("expectations: [{type: expect_column_to_exist, kwargs: {column: age}}]")
    assert run(contract="suite.yaml").exit_code == 0


def test_everything_wrong_is_said_in_one_message():
    suite(
        {"type": "expect_column_values_to_be_uniqe", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": "("}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "age", "min_value": 2, "max_value": 1}},
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "age", "max_value": "high"}},
    )
    policy({"on_bad_rows": "quarantine", "max_quarantind": 0.1})
    result = run("t.csv", "suite.json", "--key", "idd")
    assert result.exit_code == 2
    for said in (
        'did you mean "expect_column_values_to_be_unique"?',
        "does not compile",
        "min_value 2 is above max_value 1",
        "got 'high'",
        'did you mean "max_quarantined"?',
        '--key: no column "idd" (did you mean "id"?)',
    ):
        assert said in result.stderr
    assert not Path("out.json").exists()


def test_quarantine_without_a_key_is_refused():
    policy(HOLD)
    result = run()
    assert result.exit_code == 2
    assert "name the column with --key" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('id,age,name\n1,5,"a\n2,6,b\n', "begins in line 2 of bad.csv has a broken quote"),
        ('id,age,name\n1,5,a\n2,6,"b"x\n', "begins in line 3 of bad.csv has a broken quote"),
        ("id,age,name\n1,5,a\n2,6,b,c\n", "Expected 3 columns"),
        ("", "is empty"),
        ("id,id\n1,2\n", "twice: id"),
    ],
)
def test_a_broken_csv_is_said_in_one_message(content, said):
    Path("bad.csv").write_text(content)
    result = run("bad.csv")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "exit_code", "outcomes"),
    [
        ("id,age,name\n", 3, ["INCONCLUSIVE", "INCONCLUSIVE"]),
        ("id,age,name\n1,5,a\n", 0, ["PASS", "PASS"]),
        ("id,age,name\n1,,a\n2,,b\n", 3, ["INCONCLUSIVE", "PASS"]),
        ("id,age,name\n1,5,a\n2,old,b\n", 4, ["ERROR", "PASS"]),
        ("id,years,name\n1,5,a\n", 4, ["ERROR", "PASS"]),
    ],
)
def test_nothing_or_the_wrong_thing_to_look_at_never_passes(content, exit_code, outcomes):
    Path("odd.csv").write_text(content)
    result = run("odd.csv")
    assert result.exit_code == exit_code, result.output
    assert [check["outcome"] for check in verdict()["checks"]] == outcomes
    assert result.stderr == ""


def test_columns_without_a_type_and_thousands_of_columns_are_looked_at():
    columns = {f"c{n}": [1, 2] for n in range(2000)} | {"age": pa.nulls(2), "name": ["a", "b"]}
    pq.write_table(pa.table(columns), "wide.parquet")
    suite(NAME, {"type": "expect_table_column_count_to_equal", "kwargs": {"value": 2002}}, AGE)
    result = run("wide.parquet")
    assert [check["outcome"] for check in verdict()["checks"]] == ["PASS", "PASS", "INCONCLUSIVE"], result.output


def test_progress_is_shown_to_whoever_watches(capsys, monkeypatch):
    with reporting() as report:
        assert report is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with reporting() as report:
        report("31 expectations: 5 s")
    assert capsys.readouterr().err == "\r\x1b[K31 expectations: 5 s\r\x1b[K"
