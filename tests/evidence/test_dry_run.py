"""What a dry run walks through, and where it stops. What runs in its box, tests/cli/test_try.py has."""

import pytest
import yaml
from tests.pipeline.support import POLICY, TRAIN, make_folder
from tests.pipeline.unfair import WEIGHTED, unfair_folder

from assay.core import Outcome, UserError
from assay.evidence import judging
from assay.evidence.dry_run import DryRun, Plan

BOTH = ["mitigation", "mitigated_performance_gate", "mitigated_fairness_gate"]


def walked(folder, place, **asked):
    """A dry run to its end, and its steps by name and outcome."""
    run = DryRun(plan=Plan.of(folder, **asked), place=place)
    ended = [
        (step.name, step.verdict and str(step.verdict.outcome)) for step in run.steps() if step.seconds is not None
    ]
    return run, ended


def changed(folder, gate, **part):
    """The folder with other values in the policy's part of a gate."""
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    policy["gates"].setdefault(gate, {}).update(part)
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    return folder


@pytest.mark.parametrize("on_inconclusive", ["review", "block"])
def test_what_few_rows_leave_open_stops_unless_a_person_is_to_decide(tmp_path, on_inconclusive):
    folder = changed(make_folder(tmp_path / "models"), "fairness", min_group_size=9999, on_inconclusive=on_inconclusive)
    run, ended = walked(folder, tmp_path)
    assert ended[4] == ("fairness_gate", "INCONCLUSIVE")
    assert (ended[-1][0] == "robustness_gate") == (on_inconclusive == "review")
    assert run.outcome is Outcome.INCONCLUSIVE
    assert run.passes == (on_inconclusive == "review")


def test_a_broken_contract_ends_it_before_training(tmp_path):
    folder = make_folder(tmp_path / "models")
    (folder / "contract.json").write_text(
        '{"name": "toy", "expectations": [{"type": "expect_column_values_to_be_between", "severity": "critical",'
        ' "kwargs": {"column": "x", "max_value": 0}}]}'
    )
    run, ended = walked(folder, tmp_path)
    assert [name for name, _ in ended] == ["snapshot", "data_validation"]
    assert (run.onnx_sha256, run.outcome) == (None, Outcome.FAIL)


def test_a_mitigation_that_does_not_help_fails_by_the_verdicts_on_what_it_made(tmp_path):
    run, ended = walked(unfair_folder(tmp_path / "models", limit=0.01), tmp_path)
    assert [name for name, _ in ended][-3:] == BOTH
    assert run.outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE)
    assert run.verdicts["fairness"].model == run.onnx_sha256 != run.verdicts["fairness_as_trained"].model
    attempts = {name: each.attempt for name, each in run.verdicts.items()}
    assert attempts == {
        "contract": 1, "performance_as_trained": 1, "fairness_as_trained": 1, "performance": 2, "fairness": 2,
    }  # fmt: skip
    assert all(each.budget is None for each in run.verdicts.values())


def test_a_mitigation_that_changes_nothing_ends_it(tmp_path):
    folder = unfair_folder(tmp_path / "models")
    (folder / "train.py").write_text(WEIGHTED.replace("model__sample_weight=weights", ""))
    run, ended = walked(folder, tmp_path)
    assert ended[-1] == ("mitigation", None)
    assert (run.outcome, sorted(run.verdicts)) == (Outcome.FAIL, ["contract", "fairness", "performance"])
    assert "the very model that was found unfair" in run.notes[0]


def test_rows_set_aside_are_counted_and_judged(tmp_path):
    folder = changed(make_folder(tmp_path / "models"), "contract", on_bad_rows="quarantine", max_quarantined=0.1)
    (folder / "contract.json").write_text(
        '{"name": "toy", "expectations": [{"type": "expect_column_values_to_be_between", "severity": "critical",'
        ' "kwargs": {"column": "x", "max_value": 2}}]}'
    )
    run = DryRun(plan=Plan.of(folder), place=tmp_path)
    steps = [step for step in run.steps() if step.seconds is not None]
    assert "set aside" in steps[0].said
    assert steps[1].verdict.outcome is Outcome.PASS


def test_a_gate_that_breaks_is_an_error_and_never_a_pass(tmp_path, monkeypatch):
    def breaks(case):
        raise RuntimeError("out of luck")

    monkeypatch.setitem(judging._JUDGES, "performance", breaks)
    run, ended = walked(make_folder(tmp_path / "models"), tmp_path)
    assert ended[-1] == ("performance_gate", "ERROR")
    assert run.outcome.exit_code == 4
    assert "RuntimeError: out of luck" in run.verdicts["performance"].checks[0].reason


def test_the_policy_names_the_seed_unless_another_is_asked_for(tmp_path):
    folder = make_folder(tmp_path / "models", training={"seed": 5, "parameters": {"C": 1.0}})
    assert [Plan.of(folder, seed=seed).seed for seed in (None, 0, 9)] == [5, 0, 9]


def test_all_that_is_wrong_with_a_folder_is_said_at_once(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "models", gates={**POLICY["gates"], "performance": {"checks": []}})
    (folder / "contract.json").write_text("[")
    monkeypatch.setenv("ASSAY_ISOLATION", "nmespaces")
    with pytest.raises(UserError) as raised:
        Plan.of(folder, data=str(tmp_path / "absent.csv"))
    said = str(raised.value)
    for each in ("gates.performance.checks", "contract.json", "absent.csv", "nmespaces"):
        assert each in said


def test_training_sees_neither_the_policys_data_nor_those_asked_for(tmp_path):
    folder = make_folder(tmp_path / "models")
    (folder / "more").mkdir()
    (folder / "data.parquet").rename(folder / "more" / "rows.parquet")
    (folder / "helper.py").write_text(TRAIN)
    plan = Plan.of(folder, data=str(folder / "more" / "rows.parquet"))
    assert list(plan.model_files) == ["contract.json", "helper.py", "policy.yaml", "train.py"]
