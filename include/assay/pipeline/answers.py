"""Whose answer counts, and what it decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core import Check, Judgement, Outcome, Record, Verdict
from assay.core.text import says_something
from assay.pipeline.approval_text import words
from assay.pipeline.requests import all_requesters
from assay.pipeline.run import Run
from assay.policy import APPROVALS, Role

APPROVE, REJECT = "Approve", "Reject"
LONGEST_REASON = 500
"""Characters of a reason: more of them would push the verdicts out of the reviewer's sight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a person answered.

    Attributes
    ----------
    names
        What the person is known by: the id and the name of Airflow's user.
    who
        The one of these that is shown.
    at
        When, as Airflow says.
    chosen, reason
        The chosen options, and the reason; empty when none was given.
    """

    names: frozenset[str]
    who: str
    at: str
    chosen: tuple[str, ...]
    reason: str

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Answer":
        """Read an answer as Airflow hands it on."""
        user = event.get("responded_by_user") or {}
        return cls(
            names=frozenset(str(user[key]) for key in ("id", "name") if user.get(key)),
            who=str(user.get("name") or user.get("id") or ""),
            at=str(event["responded_at"]),
            chosen=tuple(map(str, event["chosen_options"])),
            reason=_reason(event),
        )

    def facts(self, role: Role) -> dict[str, str]:
        """What the dossier keeps of it."""
        return {"role": role, "who": self.who, "at": self.at, "reason": self.reason}


def timed_out(run: Run) -> Judgement:
    """The judgement when nobody answered in time."""
    hours = run.folder.policy.approval.expires_hours
    return judgement(Outcome.FAIL, f"nobody answered within {hours:g} hours; silence does not approve")


def judge_answer(role: Role, answer: Answer) -> Judgement:
    """Judge an answer that counts: only an approval passes."""
    when = f"{answer.who} at {answer.at}" + (f": {answer.reason}" if answer.reason else "")
    if answer.chosen == (APPROVE,):
        return judgement(Outcome.PASS, f"approved as {words(role)} by {when}", answer.facts(role))
    return judgement(Outcome.FAIL, f"refused by {when}", answer.facts(role))


def invalid(run: Run, role: Role, answer: Answer, records: Sequence[Record]) -> str:
    """Why an answer does not count, so that the question stays open; empty when it counts.

    Only those whom the policy names may answer. Where it names nobody, everybody may whom Airflow lets answer, but
    whoever asked for the run can only withdraw it.
    """
    policy, people = run.folder.policy, run.folder.policy.approval.people(role)
    approves = answer.chosen == (APPROVE,)
    if not answer.names:
        return "names no person"
    if approves and answer.names & set(all_requesters(run)):
        return "asked for this run and so cannot approve it"
    if people and not answer.names & set(people):
        return f"is not named in approval.{role}s of the policy"
    if answer.chosen not in ((APPROVE,), (REJECT,)):
        return f"chose {', '.join(answer.chosen) or 'nothing'} instead of {APPROVE} or {REJECT}"
    if approves and answer.names & _approvers(records, other_than=role):
        return "has approved in another role already; it takes two people"
    if approves and policy.tier.reason_required and not answer.reason:
        return f"gave no reason, which risk tier {policy.risk_tier} asks for"
    return ""


def who_answered(verdict: Verdict) -> dict[str, str]:
    """Who gave an approval, and when."""
    groups = verdict.checks[0].groups or ({},)
    return {key: groups[0].get(key, "") for key in ("who", "at")}


def judgement(outcome: Outcome, reason: str, answer: Mapping[str, str] | None = None) -> Judgement:
    """The judgement of an approval, in the form of every gate's."""
    groups = None if answer is None else (dict(answer),)
    return Judgement(outcome=outcome, checks=[Check(name="approval", outcome=outcome, reason=reason, groups=groups)])


def _approvers(records: Sequence[Record], *, other_than: Role) -> set[str]:
    return {
        who_answered(record)["who"]
        for record in records
        if isinstance(record, Verdict)
        and record.gate in APPROVALS.values()
        and record.gate != APPROVALS[other_than]
        and record.outcome is Outcome.PASS
    }


def _reason(event: Mapping[str, Any]) -> str:
    """The reason; Airflow's REST API holds what triggers a run to the form's schema, but not an answer."""
    given = (event.get("params_input") or {}).get("reason")
    return given.strip()[:LONGEST_REASON] if isinstance(given, str) and says_something(given) else ""
