"""People's answers and waivers in a run's dossier, against a real MLflow server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from tests.pipeline.support import (
    CHAIN,
    POLICY,
    STRICT,
    answer,
    approve,
    data,
    gates_of,
    make_folder,
    make_run,
    waive,
    walk,
)

from assay.core import Outcome, UserError, utc_now
from assay.data.snapshots import list_snapshots
from assay.pipeline import approval
from assay.pipeline.run import GateFailed, Run
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack
OWNER, OFFICER = "model_owner", "risk_officer"


def test_an_answer_counts_for_the_verdicts_that_were_shown(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    subject, body = approval.question(replace(run), OWNER)
    assert subject == f"Approve {run.folder.policy.model} version 1 as model owner?"
    assert "| robustness | **PASS** |" in body
    walk(run, "robustness_gate")
    with pytest.raises(EvidenceError, match="since the question was asked the dossier gained: robustness; clear"):
        approval.take_answer(replace(run), OWNER, answer())
    approval.question(replace(run), OWNER)
    assert approval.take_answer(replace(run), OWNER, answer()).outcome is Outcome.PASS
    assert approval.require_approvals(replace(run), at=utc_now()) == [
        {"role": OWNER, "who": "reviewer", "at": "2026-01-02T03:04:05Z"}
    ]
    walk(run, "fairness_gate", "robustness_gate")
    with pytest.raises(EvidenceError, match="approval: its verdict is older than that of fairness, robustness"):
        approval.require_approvals(replace(run), at=utc_now())


HIGH = {"risk_tier": "high", "approval": {"model_owners": ["reviewer", "officer"], "risk_officers": ["officer"]}}


def test_a_high_risk_tier_needs_two_people_in_either_order(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path, **HIGH), pinned=False)
    walk(run)
    approve(run, "officer", OFFICER)
    assert "- risk_approval: approved as risk officer by officer" in approval.question(replace(run), OWNER)[1]
    with pytest.raises(EvidenceError, match="approval: no verdict"):
        approval.require_approvals(replace(run), at=utc_now())
    for user, reason, said in (
        ("officer", "good", "officer has approved in another role already; it takes two people"),
        ("stranger", "good", "stranger is not named in approval.model_owners of the policy"),
        ("reviewer", " ", "reviewer gave no reason, which risk tier high asks for"),
    ):
        assert approval.take_answer(replace(run), OWNER, answer(user, reason=reason)).reason == said
    assert approval.take_answer(replace(run), OWNER, answer()).outcome is Outcome.PASS
    people = approval.require_approvals(replace(run), at=utc_now())
    assert [(each["role"], each["who"]) for each in people] == [(OWNER, "reviewer"), (OFFICER, "officer")]


def test_two_answers_of_one_person_at_once_do_not_make_two_people(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path, **HIGH), pinned=False)
    walk(run)
    monkeypatch.setattr(approval, "invalid", lambda *_: "")  # as if neither task had seen the other's answer
    approve(run, "officer", OWNER)
    approve(run, "officer", OFFICER)
    with pytest.raises(EvidenceError, match="officer approved in more than one role"):
        approval.require_approvals(replace(run), at=utc_now())


def test_an_answer_that_does_not_count_is_recorded_and_the_question_stays(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    approval.question(replace(run), OWNER)
    open_ = approval.take_answer(replace(run), OWNER, answer("engineer"))
    assert open_.reason == "engineer asked for this run and so cannot approve it"
    assert timedelta(hours=71) < open_.left < timedelta(hours=72)
    (event,) = run.dossier.events("invalid_answer")
    kept = {
        "role": OWNER,
        "who": "engineer",
        "chosen": ["Approve"],
        "why": "asked for this run and so cannot approve it",
    }
    assert event.facts.items() >= kept.items()
    assert approval.take_answer(replace(run), OWNER, answer("engineer")).left <= open_.left  # killed, and run again
    assert len(run.dossier.events("invalid_answer")) == 1
    assert approval.take_answer(replace(run), OWNER, answer()).outcome is Outcome.PASS
    assert approval.require_approvals(replace(run), at=utc_now())


def test_answers_that_do_not_count_can_neither_go_on_for_ever_nor_keep_a_question_open(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    monkeypatch.setattr(approval, "MOST_INVALID", 3)
    approval.question(replace(run), OWNER)
    for minute in range(2):
        approval.take_answer(
            replace(run), OWNER, {**answer("engineer"), "responded_at": f"2026-01-02T03:{minute:02}:00Z"}
        )
    with pytest.raises(GateFailed, match="3 answers did not count, the last because engineer asked for this run"):
        approval.take_answer(replace(run), OWNER, answer("engineer"))
    approval.question(replace(run), OWNER)  # asked anew, all counts anew
    later = SimpleNamespace(now=lambda _: datetime.now(UTC) + timedelta(hours=73), fromisoformat=datetime.fromisoformat)
    monkeypatch.setattr(approval, "datetime", later)
    with pytest.raises(GateFailed, match="nobody answered within 72 hours; silence does not approve"):
        approval.take_answer(replace(run), OWNER, {**answer("engineer"), "responded_at": "2026-01-05T00:00:00Z"})


def test_silence_does_not_approve(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    approval.question(replace(run), OWNER)
    with pytest.raises(GateFailed, match="nobody answered within 72 hours; silence does not approve"):
        approval.take_answer(replace(run), OWNER, {"error": "The timeout has passed", "error_type": "timeout"})


def test_whoever_triggers_a_deleted_run_again_cannot_approve_it(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    approve(run)  # nothing was asked by the reviewer yet
    again = replace(run, requester="reviewer", pinned=True)
    walk(again)
    assert [each.facts["requester"] for each in run.dossier.events("request")] == ["engineer", "reviewer"]
    with pytest.raises(EvidenceError) as raised:
        approval.require_approvals(replace(again, pinned=False), at=utc_now())
    assert "reviewer approved, but asked for this run" in raised.value.reasons
    approval.question(replace(again, pinned=False), OWNER)
    for user in ("reviewer", "engineer"):
        refused = approval.take_answer(replace(again, pinned=False), OWNER, answer(user))
        assert refused.reason == f"{user} asked for this run and so cannot approve it"
    assert approval.take_answer(replace(again, pinned=False), OWNER, answer("officer")).outcome is Outcome.PASS
    walk(again, "snapshot")  # cleared, and killed half way: a person is recorded once
    walk(replace(run, pinned=True), "snapshot")
    assert len(run.dossier.events("request")) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 2}, "seed: is 2, but this run id was begun with 1 (give the new run another run id)"),
        ({"snapshot": "toy-0123456789abcdef"}, "but this run id was begun with 'latest'"),
        ({"reason": "another"}, "reason: is 'another', but this run id was begun with 'new | data'"),
    ],
)
def test_a_run_id_cannot_be_used_again_for_another_run(settings, tmp_path, changes, said):
    run = make_run(settings, make_folder(tmp_path))
    walk(run, "snapshot")
    before = run.dossier.records()
    pq.write_table(data(seed=9), run.folder.path / "data.parquet")
    with pytest.raises(UserError) as raised:
        walk(replace(run, requester="reviewer", **changes), "snapshot")
    assert said in str(raised.value)
    assert run.dossier.records() == before
    assert len(list_snapshots(settings.snapshots, run.folder.policy.model)) == 1


def test_no_task_works_with_another_seed_than_the_run_began_with(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run, "snapshot")
    with pytest.raises(EvidenceError, match="the seed is 2, but this run began with 1; trigger a new run"):
        walk(replace(run, seed=2), "data_validation")


def test_a_dossier_of_an_earlier_release_says_which_snapshot_it_took(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path))
    record = Run.record

    def without_snapshot(self, event, operation, facts, **more):
        kept = {name: value for name, value in facts.items() if event != "request" or name != "snapshot"}
        return record(self, event, operation, kept, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "record", without_snapshot)
        taken = walk(run, "snapshot")["snapshot"]["snapshot"]
    assert walk(replace(run, requester="reviewer", snapshot=taken), "snapshot")["snapshot"]["snapshot"] == taken
    with pytest.raises(UserError, match=f"begun with '{taken}'"):
        walk(replace(run, snapshot="toy-0123456789abcdef"), "snapshot")


def test_an_approval_does_not_count_for_ever(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path, approval={"valid_days": 1}), pinned=False)
    walk(run)
    approve(run)
    assert approval.require_approvals(replace(run), at=utc_now())
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    with pytest.raises(EvidenceError, match="approval: was given 2 days before, and counts for 1"):
        approval.require_approvals(replace(run), at=later)


def test_a_waiver_lets_one_check_go_on_and_is_shown_and_expires(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path, gates={**POLICY["gates"], **STRICT}), pinned=False)
    walk(run, *CHAIN[:3])
    waive(run, "performance/brier")
    with pytest.raises(GateFailed, match="performance gate: FAIL: auc"):
        walk(run, "performance_gate")
    made = waive(run, "performance/auc", reason="known and accepted")
    walk(run, *CHAIN[3:])
    assert ("performance", "FAIL") in gates_of(run)
    (event,) = run.dossier.events("waiver")
    assert event.facts["id"] == made.id
    _, body = approval.question(replace(run), OWNER)
    assert "**Waived (1):**" in body
    assert "known and accepted" in body
    tags = run.dossier.client.get_model_version(run.folder.policy.model, "1").tags
    assert tags["assay.waiver.performance.auc"].startswith(made.id)
    monkeypatch.setattr(
        "assay.pipeline.run.datetime", SimpleNamespace(now=lambda _: datetime.now(UTC) + timedelta(days=6))
    )
    with pytest.raises(EvidenceError) as raised:
        walk(run, "registration")
    assert "performance: its verdict is FAIL" in raised.value.reasons
    assert any(f"the waiver {made.id} of performance/auc expired on" in each for each in raised.value.reasons)
