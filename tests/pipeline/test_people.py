"""People's answers and waivers in a run's dossier, against a real MLflow server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from tests.pipeline.support import CHAIN, POLICY, STRICT, answer, approve, gates_of, make_folder, make_run, waive, walk

from assay.core import Outcome, utc_now
from assay.pipeline import approval
from assay.pipeline.run import GateFailed
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack
OWNER, OFFICER = "model_owner", "risk_officer"


def test_an_answer_counts_for_the_verdicts_that_were_shown(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path), pinned=False)
    walk(run)
    subject, body = approval.question(replace(run), OWNER)
    assert subject == f"Approve {run.folder.policy.model} version 1 as model owner?"
    assert "| robustness | **PASS** |" in body
    with pytest.raises(GateFailed, match="engineer asked for this run"):
        approval.take_answer(replace(run), OWNER, answer("engineer"))
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
    with pytest.raises(GateFailed, match="officer has approved in another role already; it takes two people"):
        approve(run, "officer", OWNER)
    with pytest.raises(GateFailed, match=r"stranger is not named in approval.model_owners of the policy"):
        approve(run, "stranger", OWNER)
    approval.question(replace(run), OWNER)
    with pytest.raises(GateFailed, match="gave no reason, which risk tier high asks for"):
        approval.take_answer(replace(run), OWNER, answer(reason=" "))
    approve(run, "reviewer", OWNER)
    people = approval.require_approvals(replace(run), at=utc_now())
    assert [(each["role"], each["who"]) for each in people] == [(OWNER, "reviewer"), (OFFICER, "officer")]


def test_two_answers_of_one_person_at_once_do_not_make_two_people(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path, **HIGH), pinned=False)
    walk(run)
    monkeypatch.setattr(approval, "_may_not", lambda *_: "")  # as if neither task had seen the other's answer
    approve(run, "officer", OWNER)
    approve(run, "officer", OFFICER)
    with pytest.raises(EvidenceError, match="officer approved in more than one role"):
        approval.require_approvals(replace(run), at=utc_now())


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
