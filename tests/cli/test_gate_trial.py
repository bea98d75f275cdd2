"""`assay gate contract --self-test`: needs nothing else, prints a table, and is quick on demand."""

import pytest
from typer.testing import CliRunner

from assay.cli.gate import app, trial
from assay.gates.contract import selftest
from assay.gates.contract.faults import FAULTS


@pytest.fixture
def asked(monkeypatch):
    asked = {}

    def run(subject, *, draws, strengths, clean, report, **options):
        asked.update(options, subject=subject, strengths=strengths, draws=draws, clean=clean)
        counts = tuple(range(len(strengths)))
        rows = [
            selftest.Row(fault=fault, draws=draws, found=counts, drafted=counts, by={"shift": 3}) for fault in FAULTS
        ]
        return selftest.SelfTest(rows=rows, clean=clean, blocked=0)

    monkeypatch.setattr(selftest, "run", run)
    return asked


def test_the_trial_needs_nothing_else_and_prints_a_table(asked):
    result = CliRunner().invoke(app, ["contract", "--self-test"])
    assert result.exit_code == 0, result.output
    assert asked["subject"].roles.time == "recorded"
    assert {"age", "recorded"} <= {*asked["subject"].roles.features, asked["subject"].target.time}
    assert (asked["strengths"], asked["draws"], asked["clean"]) == ([0, 1, 2], trial.DRAWS, trial.CLEAN)
    assert asked["workers"] >= 1
    assert "unit change" in result.stdout
    assert "100 % (100 %) at 0.6" in result.stdout
    assert f"0 of {trial.CLEAN} good samples blocked" in result.stdout


@pytest.mark.parametrize("order", [["--self-test", "--quick"], ["--quick", "--self-test"]])
def test_a_quick_one_plants_each_fault_once_at_its_strongest(asked, order):
    result = CliRunner().invoke(app, ["contract", *order])
    assert result.exit_code == 0, result.output
    assert (asked["strengths"], asked["draws"]) == ([2], 1)
    assert asked["clean"] < trial.CLEAN
    assert "weak" not in result.stdout.splitlines()[0]
