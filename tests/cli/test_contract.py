"""`assay contract suggest`: a draft that the gate passes, and one message for what is wrong."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from assay.cli import app


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"id": range(60), "age": [20, 30, 40] * 20, "day": pd.to_datetime("2024-01-05")})
    rows.to_csv("t.csv", index=False)
    rows.to_parquet("t.parquet")


def suggest(*more, data="t.csv", out="suite.json"):
    return CliRunner().invoke(app, ["contract", "suggest", "--data", data, "--out", out, *more])


@pytest.mark.parametrize("data", ["t.csv", "t.parquet"])
def test_the_gate_passes_what_was_drafted(data):
    result = suggest("--key", "id", data=data)
    assert result.exit_code == 0, result.output
    suite = json.loads(Path("suite.json").read_text())
    assert f"{len(suite['expectations'])} expectations" in result.stdout
    assert {each["kwargs"].get("column") for each in suite["expectations"]} >= {"id", "age", "day"}
    assert all(each["meta"]["notes"] for each in suite["expectations"])
    gate = ["gate", "contract", "--data", data, "--suite", "suite.json", "--json", "out.json", "--key", "id"]
    assert CliRunner().invoke(app, gate).exit_code == 0


def test_what_does_not_hold_is_left_out_and_said(monkeypatch):
    Path("nan.csv").write_text("id,x\n" + "".join(f"{n},{n % 7}\n" for n in range(50)))
    from assay.data.draft import contract

    drafted = contract.suggest

    def too_much(*args, **kwargs):
        suite = drafted(*args, **kwargs)
        never = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", "max_value": 1}}
        suite["expectations"].append({**never, "severity": "critical", "meta": {"notes": "wrong."}})
        return suite

    monkeypatch.setattr(contract, "suggest", too_much)
    result = suggest(data="nan.csv")
    assert result.exit_code == 0, result.output
    assert "Left out, since nan.csv does not meet it: expect_column_max_to_be_between x: observed 6" in result.stdout
    assert "expect_column_max_to_be_between" not in Path("suite.json").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": "absent.csv"}, "no such file"),
        ({"out": "t.csv"}, "--out: t.csv is an input"),
        ({"out": "nowhere/suite.json"}, "--out: there is no folder"),
    ],
)
def test_mistakes_are_said_and_nothing_is_written(options, said):
    result = suggest(**options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("suite.json").exists()


def test_a_key_that_is_not_there_is_said():
    result = suggest("--key", "idd")
    assert result.exit_code == 2
    assert 'did you mean "id"' in result.stderr
