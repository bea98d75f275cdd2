"""A run keeps what a gate said before it acts on it, and notices when its ground has moved."""

from dataclasses import replace

import pytest
from tests.pipeline.support import POLICY, gates_of, make_folder, make_run, walk

from assay.core import Check, Judgement, Outcome, UnavailableError, UserError, problem
from assay.pipeline.run import GateErrored, GateFailed
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack


@pytest.fixture
def run(settings, tmp_path):
    begun = make_run(settings, make_folder(tmp_path))
    walk(begun, "snapshot")
    return begun


def judged(outcome):
    return Judgement(outcome=outcome, checks=[Check(name="auc", outcome=outcome, reason="because")])


def decide(run, judge, gate="performance"):
    return run.decide(gate, judge, trained=False)


@pytest.mark.parametrize(
    ("outcome", "raised"),
    [(Outcome.FAIL, GateFailed), (Outcome.INCONCLUSIVE, GateFailed), (Outcome.ERROR, GateErrored)],
)
def test_a_no_is_kept_before_it_is_raised(run, outcome, raised):
    with pytest.raises(raised, match=f"performance gate: {outcome}: .*because"):
        decide(run, lambda: judged(outcome))
    assert gates_of(run) == [("performance", outcome)]


def test_a_pass_is_kept_and_returned(run):
    verdict = decide(run, lambda: judged(Outcome.PASS))
    assert run.dossier.verdicts() == [verdict]
    assert (verdict.snapshot, verdict.policy_sha256) == (run.snapshot_id, run.folder.policy_sha256)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (problem("sex", "no such column", "look"), "sex: no such column (look)"),
        (UnavailableError("the disk is gone"), "UnavailableError: the disk is gone"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_whatever_breaks_a_gate_is_kept_as_an_error_and_raised_as_it_was(run, error, reason):
    def broken():
        raise error

    with pytest.raises(type(error)) as raised:
        decide(run, broken)
    assert raised.value is error
    (kept,) = run.dossier.verdicts()
    assert (kept.outcome, kept.checks[0].reason) == (Outcome.ERROR, reason)


def test_inconclusive_goes_to_a_person_where_the_policy_says_so(settings, tmp_path):
    fairness = {**POLICY["gates"]["fairness"], "on_inconclusive": "review"}
    run = make_run(settings, make_folder(tmp_path, gates={**POLICY["gates"], "fairness": fairness}))
    walk(run, "snapshot")
    assert run.reviewed == {"fairness"}
    assert decide(run, lambda: judged(Outcome.INCONCLUSIVE), "fairness").outcome is Outcome.INCONCLUSIVE
    for gate, outcome in (("performance", Outcome.INCONCLUSIVE), ("fairness", Outcome.FAIL)):
        with pytest.raises(GateFailed):
            decide(run, lambda outcome=outcome: judged(outcome), gate)


def test_a_policy_that_changed_on_the_way_stops_the_run(run):
    policy = run.folder.path / "policy.yaml"
    policy.write_text(policy.read_text() + "\n# only a comment\n")
    later = make_run(run.settings, run.folder.path)
    with pytest.raises(EvidenceError, match="the policy has changed since this run began; trigger a new run"):
        walk(later, "data_validation")


def test_code_that_changed_stops_what_measures_and_not_what_waits(run):
    with (run.folder.path / "train.py").open("a") as train:
        train.write("# only a comment\n")
    changed = "the code or a file of the model's folder has changed since this run began; trigger a new run"
    with pytest.raises(EvidenceError, match=changed):
        walk(replace(run), "data_validation")
    assert replace(run, pinned=False).dossier.verdicts() == []


def test_a_new_file_beside_train_py_stops_the_run_and_new_data_do_not(run):
    (run.folder.path / "data").mkdir()
    (run.folder.path / "data" / "more.csv").write_text("a\n1\n")
    walk(replace(run), "data_validation")
    (run.folder.path / "helper.py").write_text("x = 1\n")
    with pytest.raises(EvidenceError, match="a file of the model's folder has changed"):
        walk(replace(run), "data_validation")


def test_a_registration_that_was_passed_over_by_hand_is_told(run):
    with pytest.raises(EvidenceError, match="registration: the dossier records none"):
        _ = run.version


def test_a_run_s_own_snapshot_is_what_it_reads(run):
    assert run.case.rows.column_names == ["id", "y", "x", "word", "sex"]
    rows, label = run.case.holdout()
    assert rows.num_rows == label.size == run.case.held_out.sum()
    assert 0 < label.sum() < label.size
    stored = next(run.settings.home.joinpath("snapshots", run.folder.policy.model).rglob("*.parquet"))
    stored.write_bytes(stored.read_bytes() + b" ")
    with pytest.raises(UserError, match="was changed since the snapshot was made"):
        _ = replace(run).case
