"""`--html`: the verdict's page beside its JSON, and what is wrong with its target in the one message."""

import inspect
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from tests.governance.reading import Page
from typer.testing import CliRunner

from assay.cli import output
from assay.cli.gate import app
from assay.core import UnavailableError

POLICY = """
gates:
  performance: {draws: 100, checks: [{metric: auc, min: 0.6}]}
  fairness: {groups: [sex], checks: [{metric: selection_rate, compare: difference, max: 0.2}]}
"""
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "y"}, "meta": {}}]}
COMMANDS = {
    "fairness": ["--label", "y", "--prediction", "d", "--policy", "policy.yaml"],
    "performance": ["--label", "y", "--score", "p", "--policy", "policy.yaml"],
    "contract": ["--suite", "suite.json"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = {"y": [0, 1, 1, 0] * 200, "d": [0, 1, 0, 1] * 200, "p": [0.1, 0.9, 0.6, 0.4] * 200}
    pd.DataFrame({**columns, "sex": ["F", "M"] * 400}).to_csv("rows.csv", index=False)
    Path("policy.yaml").write_text(POLICY)
    Path("suite.json").write_text(json.dumps(SUITE))
    return tmp_path


def run(command, *more, json_to="out.json", **options):
    given = [each for name, value in options.items() for each in (f"--{name}", str(value))]
    return CliRunner().invoke(
        app, [command, "--data", "rows.csv", "--json", json_to, *COMMANDS[command], *given, *more]
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_tells_the_verdict_that_the_json_holds(command):
    result = run(command, html="page.html")
    assert result.exit_code in (0, 1, 3), result.output
    found = json.loads(Path("out.json").read_text())
    said = Page(Path("page.html").read_text()).said
    assert f"{command} gate asked" in said
    assert found["outcome"] in said
    assert found["snapshot"] in said
    assert found["code_version"] in said


def test_every_gate_has_the_option():
    assert [each for each in app.registered_commands if "html" not in inspect.signature(each.callback).parameters] == []


def test_without_the_option_there_is_no_page_and_the_verdict_is_the_same():
    run("fairness", html="page.html", json_to="with.json")
    run("fairness")
    assert sorted(each.name for each in Path().glob("*.html")) == ["page.html"]
    one, other = (json.loads(Path(name).read_text()) for name in ("with.json", "out.json"))
    assert one["checks"] == other["checks"]


def test_standard_output_holds_the_json_alone():
    result = run("fairness", html="page.html", json_to="-")
    assert json.loads(result.stdout)["gate"] == "fairness"
    assert Path("page.html").is_file()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere/page.html", "there is no folder nowhere"),
        (".", "is no file name"),
        ("", "is no file name"),
        ("rows.csv", "rows.csv is an input"),
        ("out.json", "out.json is the file that --json names"),
        ("./x/../out.json", "is the file that --json names"),
        ("-", "a page is written to a file"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused(command, target, said):
    Path("x").mkdir()
    before = Path("rows.csv").read_bytes()
    result = run(command, html=target)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not Path("out.json").exists()
    assert Path("rows.csv").read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_both_targets_and_the_rest_are_told_in_one_message(command):
    result = CliRunner().invoke(
        app,
        [command, "--data", "gone.csv", "--json", "a/b.json", "--html", "c/d.html", *COMMANDS[command]],
    )
    assert result.exit_code == 2
    for said in ("there is no folder a", "there is no folder c", "gone.csv"):
        assert said in " ".join(result.output.split())


def test_a_page_that_cannot_be_written_leaves_what_was_there(monkeypatch):
    Path("page.html").write_text("before")
    Path("out.json").write_text("{}")

    def full(path, content):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(output, "replace_file", full)
    result = run("fairness", html="page.html")
    assert isinstance(result.exception, UnavailableError | SystemExit)
    assert result.exit_code not in (0, 1, 3)
    assert (Path("page.html").read_text(), Path("out.json").read_text()) == ("before", "{}")


def test_a_contracts_page_shows_the_offending_columns_beside_the_reference():
    frame = pd.read_csv("rows.csv")
    frame.to_csv("reference.csv", index=False)
    frame.assign(sex=["F", "X"] * 400, mail=[f"p{n}@example.org" for n in range(800)]).to_csv("rows.csv", index=False)
    expected = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "sex", "value_set": ["F", "M"]}}
    Path("suite.json").write_text(json.dumps({"name": "s", "expectations": [expected]}))
    result = run("contract", reference="reference.csv", html="page.html")
    assert result.exit_code == 1, result.output
    told = {each["column"]: each for each in json.loads(Path("out.json").read_text())["distributions"]}
    assert [(cell["name"], cell["data"], cell["reference"], cell["outside"]) for cell in told["sex"]["cells"]] == [
        ("F", 400, 400, False),
        ("M", 0, 400, False),
        ("X", 400, 0, True),
    ]
    assert told["mail"]["kind"] == "withheld"
    said = Page(Path("page.html").read_text()).said
    assert "The columns that did not pass" in said
    assert "not allowed: 50 %, reference 0 %" in said
    assert "@example.org" not in Path("page.html").read_text()
