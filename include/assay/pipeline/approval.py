"""The approval: what a person is shown, and when an answer counts."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from assay.core import Check, Event, Judgement, Outcome, Record, Verdict, describe_estimate
from assay.core.text import says_something
from assay.evidence.waivers import Waiver
from assay.pipeline.run import Run
from assay.pipeline.steps import GATES
from assay.policy import APPROVALS, Role
from assay.registry.dossier import EvidenceError

APPROVE, REJECT = "Approve", "Reject"
LONGEST_REASON = 500
"""Characters of a reason: more of them would push the verdicts out of the reviewer's sight."""

_REQUEST = "approval_request"
COMPARED = ("_gained", "accuracy_paid")
"""How the names of the checks end that compare a mitigated model with the one as trained."""
# What may happen beside an approval without taking its ground away.
_HARMLESS = {_REQUEST, *APPROVALS.values(), "card", "rollout", "alias", "canary", "restoration", "expiry"}


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
    subject = f"Approve {run.folder.policy.model} version {run.version} as {_words(role)}?"
    return subject, body(run, verdicts, role)


def take_answer(run: Run, role: Role, event: Mapping[str, Any]) -> Verdict:
    """Keep an answer in the dossier; it counts for what the person was shown, and nothing else.

    Raises
    ------
    EvidenceError
        When anything but another approval was recorded since the question was asked, a retirement above all.
    GateFailed
        When the answer does not approve.
    """
    run.require("contract", *GATES)
    records = run.dossier.records()
    if reasons := _retired(run, records):
        raise EvidenceError(reasons)
    if reasons := _since(records, len(records), role):
        raise EvidenceError([f"{reason}; clear this task to ask anew" for reason in reasons])
    return run.decide(APPROVALS[role], lambda: judge_answer(run, role, event, records))


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
            people.append({"role": role, **_who(verdict)})
    names = [person["who"] for person in people]
    reasons += [f"{name} approved in more than one role" for name in sorted(set(names)) if names.count(name) > 1]
    if reasons:
        raise EvidenceError(reasons)
    return people


def body(run: Run, verdicts: Sequence[Verdict], role: Role) -> str:
    """What the reviewer reads, as Markdown: each verdict, then every check that is not a clean pass."""
    policy, asked = run.folder.policy, run.latest("request").facts
    lines = [
        f"**{policy.model} version {run.version}** (risk tier {policy.risk_tier}, owner {policy.owner}) "
        f"was asked for by **{_plain(asked['requester'] or 'the schedule')}**"
        + (f": {_plain(asked['reason'])}" if asked["reason"] else "."),
        "",
        "| gate | outcome | checks | worst check | estimate | limit |",
        "|---|---|---|---|---|---|",
        *map(_row, verdicts),
        "",
    ]
    doubtful = [(v.gate, c) for v in verdicts for c in v.checks if c.outcome is not Outcome.PASS]
    if doubtful:
        lines += ["**Not a clean pass:**", ""]
        lines += [f"- **{c.outcome}** {gate}: {_name(c)} ({c.severity}): {_plain(c.reason)}" for gate, c in doubtful]
        lines.append("")
    lines += _mitigated(run, verdicts)
    lines += _waivers(run, verdicts)
    lines += _given(run)
    lines += [
        f"Snapshot `{run.snapshot_id}` · model `{run.candidate.digest[:16]}` · "
        f"policy `{run.folder.policy_sha256[:16]}` · dossier `{run.dossier.run_id}`",
        "",
        f"You are asked as **{_words(role)}**{_named(run, role)}. Approving starts the rollout: shadow, then "
        f"{policy.rollout.stages[0]} % of the traffic. Whoever asked for the run cannot approve it.",
    ]
    if policy.tier.reason_required:
        lines.append("Risk tier " + policy.risk_tier + " needs a reason.")
    return "\n".join(lines)


def judge_answer(run: Run, role: Role, event: Mapping[str, Any], records: Sequence[Record]) -> Judgement:
    """Judge a person's answer: only an approval passes, by somebody who may give it in this role."""
    policy = run.folder.policy
    if "error" in event:
        hours = policy.approval.expires_hours
        return _judgement(Outcome.FAIL, f"nobody answered within {hours:g} hours; silence does not approve")
    user = event.get("responded_by_user") or {}
    names = {str(user[key]) for key in ("id", "name") if user.get(key)}
    who = str(user.get("name") or user.get("id") or "")
    said = _said(event)
    answer = {"role": role, "who": who, "at": str(event["responded_at"]), "reason": said}
    if not names:
        return _judgement(Outcome.FAIL, "the answer names no person")
    when = f"{who} at {answer['at']}" + (f": {said}" if said else "")
    if list(event["chosen_options"]) != [APPROVE]:
        return _judgement(Outcome.FAIL, f"refused by {when}", answer)
    refusal = _may_not(run, role, names, said, records)
    if refusal:
        return _judgement(Outcome.FAIL, f"{who} {refusal}", answer)
    return _judgement(Outcome.PASS, f"approved as {_words(role)} by {when}", answer)


def _said(event: Mapping[str, Any]) -> str:
    """The reason; Airflow's REST API holds what triggers a run to the form's schema, but not an answer."""
    given = (event.get("params_input") or {}).get("reason")
    return given.strip()[:LONGEST_REASON] if isinstance(given, str) and says_something(given) else ""


def _may_not(run: Run, role: Role, names: set[str], said: str, records: Sequence[Record]) -> str:
    """Why this person's yes does not count; empty when it does."""
    policy = run.folder.policy
    requester = run.latest("request").facts["requester"]
    others = {
        _who(record)["who"]: record.gate
        for record in records
        if isinstance(record, Verdict)
        and record.gate in APPROVALS.values()
        and record.gate != APPROVALS[role]
        and record.outcome is Outcome.PASS
    }
    people = policy.approval.people(role)
    if requester is not None and requester in names:
        return "asked for this run and so cannot approve it"
    if people and not names & set(people):
        return f"is not named in approval.{role}s of the policy"
    if names & others.keys():
        return "has approved in another role already; it takes two people"
    if policy.tier.reason_required and not said:
        return f"gave no reason, which risk tier {policy.risk_tier} asks for"
    return ""


def _retired(run: Run, records: Sequence[Record]) -> list[str]:
    """That the version is not to be used again, if somebody said so: no approval takes that back."""
    return [
        f"version {run.version} was retired by {each.by}: {each.facts['reason']}; trigger a new run"
        for each in records
        if isinstance(each, Event) and each.event == "retirement" and each.facts["version"] == run.version
    ]


def _since(records: Sequence[Record], until: int, role: Role) -> list[str]:
    """What took the ground away from under an answer in this role that stands, or will, at place `until`."""
    asked = [
        record
        for record in records[:until]
        if isinstance(record, Event) and record.event == _REQUEST and record.facts["role"] == role
    ]
    if not asked:
        return [f"{APPROVALS[role]}: nobody was asked"]
    digests = [record.digest for record in records]
    after = records[digests.index(asked[-1].facts["head"]) + 1 :]
    changed = sorted({record.kind for record in after} - _HARMLESS)
    return (
        [f"{APPROVALS[role]}: since the question was asked the dossier gained: {', '.join(changed)}"] if changed else []
    )


def _too_old(verdict: Verdict, at: str, days: int) -> list[str]:
    age = datetime.fromisoformat(at) - datetime.fromisoformat(verdict.started_at)
    if age <= timedelta(days=days):
        return []
    return [f"{verdict.gate}: was given {age.days} days before, and counts for {days}"]


def _who(verdict: Verdict) -> dict[str, str]:
    groups = verdict.checks[0].groups or ({},)
    return {key: groups[0].get(key, "") for key in ("who", "at")}


def _judgement(outcome: Outcome, reason: str, answer: Mapping[str, str] | None = None) -> Judgement:
    groups = None if answer is None else (dict(answer),)
    return Judgement(outcome=outcome, checks=[Check(name="approval", outcome=outcome, reason=reason, groups=groups)])


def _given(run: Run) -> list[str]:
    """Who has approved already."""
    given = [
        f"- {verdict.gate}: {_plain(verdict.checks[0].reason)}"
        for verdict in run.dossier.verdicts()
        if verdict.gate in APPROVALS.values() and verdict.outcome is Outcome.PASS
    ]
    return ["**Approved so far:**", "", *given, ""] if given else []


def _mitigated(run: Run, verdicts: Sequence[Verdict]) -> list[str]:
    """That this is not the model as trained, what was gained by that, and what it cost."""
    made = [event for event in run.dossier.events("mitigation") if event.facts["to"] == run.candidate.digest]
    if not made:
        return []
    note = getattr(run.folder.policy.mitigation, "legal_note", None)
    compared = [check for verdict in verdicts for check in verdict.checks if check.name.endswith(COMPARED)]
    lines = [f"- {_name(check)}: {_plain(check.reason)}" for check in compared]
    lines += [f"- It decides by {_plain(', '.join(made[-1].facts['attributes']))}: {_plain(note)}"] if note else []
    method = _plain(str(made[-1].facts["method"]))
    return [f"**Mitigated by {method}**, since the model as trained failed the fairness gate:", "", *lines, ""]


def _waivers(run: Run, verdicts: Sequence[Verdict]) -> list[str]:
    digests = {verdict.digest for verdict in verdicts}
    used = {
        event.facts["id"]: Waiver.from_dict(event.facts)
        for event in run.dossier.events("waiver")
        if event.facts["verdict"] in digests
    }
    if not used:
        return []
    lines = [
        f"- {_plain(each.address)} until {each.expires}, for which **{_plain(each.owner)}** answers: "
        f"{_plain(each.reason)}"
        for each in used.values()
    ]
    return [f"**Waived ({len(used)}):**", "", *lines, ""]


def _named(run: Run, role: Role) -> str:
    people = run.folder.policy.approval.people(role)
    return f" ({', '.join(map(_plain, people))})" if people else ""


def _words(role: Role) -> str:
    return role.replace("_", " ")


def _row(verdict: Verdict) -> str:
    check = verdict.worst_check
    counts = f"{verdict.passed} of {len(verdict.checks)} pass"
    head = f"| {verdict.gate} | **{verdict.outcome}** | {counts} |"
    if check is None:
        return f"{head} | | |"
    estimate = "" if check.estimate is None else describe_estimate(check.estimate, check.interval)
    bounds = [] if check.limit is None else [("≥", check.limit.min), ("≤", check.limit.max)]
    limit = " ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    return f"{head} {_name(check)} | {estimate} | {limit} |"


def _name(check: Check) -> str:
    return _plain(check.name + (f" by {check.attribute}" if check.attribute else ""))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: data and requesters must not be able to draw a verdict of their own."""
    return re.sub(r"([\\`*_{}\[\]()#+|<>!~])", r"\\\1", " ".join(text.split()))
