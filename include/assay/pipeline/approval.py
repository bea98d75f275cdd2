"""The approval: what a person is shown, and when an answer counts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from assay.core import Check, Judgement, Outcome, Verdict, describe_estimate
from assay.pipeline.run import Run
from assay.pipeline.steps import GATES
from assay.registry.dossier import EvidenceError

APPROVE, REJECT = "Approve", "Reject"
LONGEST_REASON = 500
"""Characters of a reason: more of them would push the verdicts out of the reviewer's sight."""

_ASKED_ON = "assay.asked_on"


def question(run: Run) -> tuple[str, str]:
    """What a person is asked about a registered version: subject and body.

    Raises
    ------
    EvidenceError
        When a gate's verdict is missing, or belongs to something else.
    """
    verdicts = run.require("contract", *GATES)
    version = str(run.version)
    run.dossier.tag({_ASKED_ON: verdicts[-1].digest})
    return f"Approve {run.folder.policy.model} version {version}?", body(run, verdicts, version)


def take_answer(run: Run, event: Mapping[str, Any]) -> Verdict:
    """Keep an answer in the dossier; it counts for the verdicts that the person was shown, and no others.

    Raises
    ------
    EvidenceError
        When a gate has judged again since the question was asked.
    GateFailed
        When the answer does not approve.
    """
    last = run.require("contract", *GATES)[-1]  # no gate's verdict is newer than this one
    if run.dossier.tags().get(_ASKED_ON) != last.digest:
        raise EvidenceError(["a gate has judged again since the question was asked; clear this task to ask anew"])
    return run.decide("approval", lambda: judge_answer(run, event))


def body(run: Run, verdicts: Sequence[Verdict], version: str) -> str:
    """What the reviewer reads, as Markdown: each verdict, then every check that is not a clean pass."""
    policy = run.folder.policy
    lines = [
        f"**{policy.model} version {version}** (risk tier {policy.risk_tier}, owner {policy.owner}) "
        f"was asked for by **{_plain(run.requester or 'the schedule')}**"
        + (f": {_plain(run.reason)}" if run.reason else "."),
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
    lines += [
        f"Snapshot `{run.snapshot_id}` · model `{run.candidate.digest[:16]}` · "
        f"policy `{run.folder.policy_sha256[:16]}` · dossier `{run.dossier.run_id}`",
        "",
        f"Approving starts the rollout: shadow, then {policy.rollout.stages[0]} % of the traffic. "
        "Whoever asked for the run cannot approve it.",
    ]
    return "\n".join(lines)


def judge_answer(run: Run, event: Mapping[str, Any]) -> Judgement:
    """Judge a person's answer: only an approval by somebody other than the requester passes."""
    if "error" in event:
        hours = run.folder.policy.approval.expires_hours
        return _judgement(Outcome.FAIL, f"nobody answered within {hours:g} hours; silence does not approve")
    user = event.get("responded_by_user") or {}
    names = {str(user[key]) for key in ("id", "name") if user.get(key)}
    who = str(user.get("name") or user.get("id") or "")
    # Airflow's REST API holds what triggers a run to the form's schema, but not an answer
    said = str((event.get("params_input") or {}).get("reason") or "").strip()[:LONGEST_REASON]
    when = f"{who} at {event['responded_at']}" + (f": {said}" if said else "")
    if not names:
        return _judgement(Outcome.FAIL, "the answer names no person")
    if list(event["chosen_options"]) != [APPROVE]:
        return _judgement(Outcome.FAIL, f"refused by {when}")
    if run.requester is not None and run.requester in names:
        return _judgement(Outcome.FAIL, f"{who} asked for this run and so cannot approve it")
    return _judgement(Outcome.PASS, f"approved by {when}")


def _judgement(outcome: Outcome, reason: str) -> Judgement:
    return Judgement(outcome=outcome, checks=[Check(name="approval", outcome=outcome, reason=reason)])


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
