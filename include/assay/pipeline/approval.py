"""The approval: what a person is shown, and when an answer counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core import Event, Outcome, Record, Verdict, sha256_json
from assay.pipeline.answers import Answer, invalid, judge_answer, judgement, timed_out, who_answered
from assay.pipeline.approval_text import body, words
from assay.pipeline.requests import all_requesters
from assay.pipeline.run import Run
from assay.pipeline.steps import GATES
from assay.policy import APPROVALS, Role
from assay.registry.dossier import EvidenceError

_REQUEST, _INVALID = "approval_request", "invalid_answer"
MOST_INVALID = 20
"""Answers to one question that may fail to count before the run ends: each takes a task and a record."""

# What may happen beside an approval without taking its ground away.
_HARMLESS = {_REQUEST, _INVALID, *APPROVALS.values(), "card", "rollout", "alias", "canary", "restoration", "expiry"}


def question(run: Run, role: Role) -> tuple[str, str]:
    """What a person is asked about a registered version: subject and body.

    Raises
    ------
    EvidenceError
        When a gate's verdict is missing, or belongs to something else; or the version was retired.
    """
    verdicts = run.require("contract", *GATES)
    if reasons := _retired(run, run.dossier.records()):
        raise EvidenceError(reasons)
    head = run.dossier.head()
    facts = {
        "role": role,
        "head": head,
        "version": run.version,
        "verdicts": {verdict.gate: verdict.digest for verdict in verdicts},
    }
    run.record(_REQUEST, f"{_REQUEST}:{role}:{head}", facts)
    subject = f"Approve {run.folder.policy.model} version {run.version} as {words(role)}?"
    return subject, body(run, verdicts, role)


@dataclass(frozen=True, kw_only=True, slots=True)
class StillOpen:
    """A question whose last answer did not count.

    Attributes
    ----------
    reason
        Why it did not.
    left
        How long the question stays open.
    """

    reason: str
    left: timedelta


def take_answer(run: Run, role: Role, event: Mapping[str, Any]) -> Verdict | StillOpen:
    """Keep an answer in the dossier; it counts for what the person was shown, and nothing else.

    An answer by somebody who may not give it is recorded and decides nothing: else anybody could end the run.

    Raises
    ------
    EvidenceError
        When anything but another approval was recorded since the question was asked, a retirement above all.
    GateFailed
        When the answer does not approve, when time is up, or when `MOST_INVALID` answers did not count.
    """
    run.require("contract", *GATES)
    records = run.dossier.records()
    if reasons := _retired(run, records):
        raise EvidenceError(reasons)
    if reasons := _since(records, len(records), role):
        raise EvidenceError([f"{reason}; clear this task to ask anew" for reason in reasons])
    gate = APPROVALS[role]
    if "error" in event:
        return run.decide(gate, lambda: timed_out(run))
    answer = Answer.of(event)
    why = invalid(run, role, answer, records)
    if not why:
        return run.decide(gate, lambda: judge_answer(role, answer))
    return _turn_away(run, role, answer, why, records)


def _turn_away(run: Run, role: Role, answer: Answer, why: str, records: Sequence[Record]) -> Verdict | StillOpen:
    """Record an answer that does not count, and say how long the question stays open."""
    facts = {**answer.facts(role), "chosen": list(answer.chosen), "why": why}
    run.record(_INVALID, f"{_INVALID}:{sha256_json(facts)}", facts)
    asked = _asked(records, role)[-1]
    count = 1 + sum(
        record.kind == _INVALID and record.facts["role"] == role for record in _events_after(records, asked)
    )
    said = f"{answer.who or 'the answer'} {why}"
    if count >= MOST_INVALID:
        ended = f"{count} answers did not count, the last because {said}"
        return run.decide(APPROVALS[role], lambda: judgement(Outcome.FAIL, ended))
    until = datetime.fromisoformat(asked.at) + timedelta(hours=run.folder.policy.approval.expires_hours)
    left = until - datetime.now(UTC)
    if left <= timedelta(0):
        return run.decide(APPROVALS[role], lambda: timed_out(run))
    return StillOpen(reason=said, left=left)


def require_approvals(run: Run, *, at: str) -> list[dict[str, str]]:
    """Check that the people whom the risk tier asks for approved what is there now.

    Parameters
    ----------
    at
        When the rollout began, or begins: an approval counts for a number of days until then.

    Returns
    -------
    list of dict
        ``role``, ``who`` and ``at`` of each.

    Raises
    ------
    EvidenceError
        Listing every approval that is missing, too old, not about this evidence, or one person's second.
    """
    policy = run.folder.policy
    people: list[dict[str, str]] = []
    records = run.dossier.records()
    reasons = _retired(run, records)
    for role in policy.tier.roles:
        gate = APPROVALS[role]
        verdicts, doubts = run.doubts("contract", *GATES, gate)
        reasons += [doubt for doubt in doubts if doubt not in reasons]
        given = [verdict for verdict in verdicts if verdict.gate == gate and verdict.outcome is Outcome.PASS]
        for verdict in given:
            reasons += _since(records, records.index(verdict), role)
            reasons += _too_old(verdict, at, policy.approval.valid_days)
            people.append({"role": role, **who_answered(verdict)})
    names = [person["who"] for person in people]
    asked = all_requesters(run)
    reasons += [f"{name} approved, but asked for this run" for name in dict.fromkeys(names) if name in asked]
    reasons += [f"{name} approved in more than one role" for name in sorted(set(names)) if names.count(name) > 1]
    if reasons:
        raise EvidenceError(reasons)
    return people


def _retired(run: Run, records: Sequence[Record]) -> list[str]:
    """That the version is not to be used again, if somebody said so: no approval takes that back."""
    return [
        f"version {run.version} was retired by {each.by}: {each.facts['reason']}; trigger a new run"
        for each in records
        if isinstance(each, Event) and each.event == "retirement" and each.facts["version"] == run.version
    ]


def _since(records: Sequence[Record], until: int, role: Role) -> list[str]:
    """What took the ground away from under an answer in this role that stands, or will, at place `until`."""
    asked = _asked(records[:until], role)
    if not asked:
        return [f"{APPROVALS[role]}: nobody was asked"]
    digests = [record.digest for record in records]
    after = records[digests.index(asked[-1].facts["head"]) + 1 :]
    changed = sorted({record.kind for record in after} - _HARMLESS)
    return (
        [f"{APPROVALS[role]}: since the question was asked the dossier gained: {', '.join(changed)}"] if changed else []
    )


def _asked(records: Sequence[Record], role: Role) -> list[Event]:
    """The times that somebody in this role was asked, oldest first."""
    events = (record for record in records if isinstance(record, Event) and record.event == _REQUEST)
    return [event for event in events if event.facts["role"] == role]


def _events_after(records: Sequence[Record], event: Event) -> list[Event]:
    place = [record.digest for record in records].index(event.digest)
    return [record for record in records[place + 1 :] if isinstance(record, Event)]


def _too_old(verdict: Verdict, at: str, days: int) -> list[str]:
    age = datetime.fromisoformat(at) - datetime.fromisoformat(verdict.started_at)
    if age <= timedelta(days=days):
        return []
    return [f"{verdict.gate}: was given {age.days} days before, and counts for {days}"]
