"""The gate commands: exit codes, the verdict file, and every mistake in one message."""

import json
import os
import stat
from pathlib import Path

import pytest
from tests.cli.gate_support import COMMON, POLICY, frame, run, save_model, verdict, write_inputs
from typer.testing import CliRunner

from assay.cli.gate import app
from assay.cli.output import write_file
from assay.core import UnavailableError, sha256_bytes


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_inputs()
    return tmp_path


@pytest.mark.parametrize("command", ["fairness", "performance"])
def test_standard_output_holds_the_json_and_nothing_else(command):
    result = run(command, json_to="-")
    assert json.loads(result.stdout)["gate"] == command
    assert result.stdout.startswith("{")
    assert f"{command} gate: PASS" in result.stderr


def test_robustness_scores_the_onnx_bytes():
    content = save_model()
    result = run("robustness")
    assert result.exit_code == 0, result.output
    found = verdict()
    assert found["model"] == sha256_bytes(content)
    assert [check["name"] for check in found["checks"]] == ["auc_drop_unknown_category", "auc_drop_unit_error"]


def test_a_later_attempt_at_robustness_is_judged_more_strictly():
    save_model()
    first, fifth = (run("robustness", attempt=each, json_to=f"{each}.json") for each in (1, 5))
    assert first.exit_code == fifth.exit_code == 0
    (low, high), (lower, higher) = (verdict(f"{each}.json")["checks"][0]["interval"] for each in (1, 5))
    assert lower < low < high < higher
    assert verdict("5.json")["budget"]["attempt"] == 5


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
    ("contract", {"data": "twice.csv"}, ["twice.csv: names columns twice: sex"]),
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
