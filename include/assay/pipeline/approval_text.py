"""What the reviewer of a version reads, as Markdown."""

import re
from collections.abc import Sequence

from assay.core import Check, Outcome, Verdict, describe_estimate
from assay.evidence.requests import requests
from assay.evidence.waivers import Waiver
from assay.pipeline.run import Run
from assay.policy import APPROVALS, Role

COMPARED = ("_gained", "accuracy_paid")
"""How the names of the checks end that compare a mitigated model with the one as trained."""


def body(run: Run, verdicts: Sequence[Verdict], role: Role) -> str:
    """What the reviewer reads: each verdict, then every check that is not a clean pass."""
    policy = run.folder.policy
    lines = [
        f"**{policy.model} version {run.version}** (risk tier {policy.risk_tier}, owner {policy.owner}) "
        f"was asked for by {_asked(run)}",
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
        f"You are asked as **{words(role)}**{_named(run, role)}. Approving starts the rollout: shadow, then "
        f"{policy.rollout.stages[0]} % of the traffic. Nobody who asked for the run can approve it.",
    ]
    if policy.tier.reason_required:
        lines.append("Risk tier " + policy.risk_tier + " needs a reason.")
    return "\n".join(lines)


def _asked(run: Run) -> str:
    """Everybody who triggered the run, and why; the reason is the same for all of them."""
    asked = [each.facts for each in requests(run.seen)]
    names = [f"**{_plain(each['requester'] or 'the schedule')}**" for each in asked]
    reason = asked[0]["reason"]
    return ", then again by ".join(names) + (f": {_plain(reason)}" if reason else ".")


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


def words(role: Role) -> str:
    """A role as people write it."""
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
