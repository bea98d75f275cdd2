"""Judge a stored verdict under another policy, from the numbers in it alone.

A limit or a severity may differ freely: an interval does not know what it will be held against. What
an interval does depend on, its confidence and how many others it must hold together with, must be
the same, and so must all that the policy says of slices, costs and budgets: those checks are carried
over. Fairness is freer: the groups' counts are in the verdict, and from them every rate of these groups
follows; what is made of scores does not, nor what is compared within strata.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core import Check, GroupMetrics, Judgement, Limit, Measured, Severity, Verdict, decide, judge_interval
from assay.policy import Fairness, Performance, Policy, Robustness
from assay.policy.contract import Contract

if TYPE_CHECKING:
    from assay.gates.fairness import GroupCounts

Key = tuple[str | float, ...]
Held = tuple[Limit, Severity]


def restate(verdict: Verdict, old: Policy, new: Policy) -> Judgement | None:
    """Judge what a verdict holds under a new policy.

    Parameters
    ----------
    verdict
        As recorded under `old`.
    old, new
        Whole policies; only the gate's own part is looked at, so the data must be the same.

    Returns
    -------
    Judgement or None
        None when the verdict does not hold what the new policy asks for: measure again.
    """
    if any(check.name == verdict.gate for check in verdict.checks):  # nothing was measured, it broke
        return None
    before, after = dict(old.gates).get(verdict.gate), dict(new.gates).get(verdict.gate)
    if before is None or after is None or isinstance(after, Contract):
        same = Judgement(
            outcome=verdict.outcome, checks=verdict.checks, groups=verdict.groups, distributions=verdict.distributions
        )
        # what a contract measures hangs on its own part, and on what the fairness gate asks of the groups' sizes
        return same if (before, old.gates.fairness) == (after, new.gates.fairness) else None
    if isinstance(after, Fairness):
        return _fairness(verdict, before, after)
    if before.confidence != after.confidence:
        return None
    if isinstance(after, Robustness):
        return _held(verdict, _falls(before), _falls(after))
    rival = any(check.compare == "difference" for check in verdict.checks)
    if after.compares and not (rival or before.compares):  # whether there was a champion then, it does not say
        return None
    if _other_parts(before) != _other_parts(after):
        return None
    return _held(verdict, _levels(before, rival=rival), _levels(after, rival=rival))


def _other_parts(policy: Performance) -> dict[str, Any]:
    """All but the limits that are held against numbers of all rows: what is said of slices, costs and budgets."""
    return policy.model_dump(exclude={"checks", "champion", "draws", "on_inconclusive"})


def _levels(policy: Performance, *, rival: bool) -> list[tuple[Key, Held]]:
    """What each check measures, and what it is held against, in the order of the gate's checks."""
    levels: list[tuple[Key, Held]]
    levels = [(("level", each.metric), (each.limit, each.severity)) for each in policy.checks]
    if rival:
        levels += [(("difference", each.metric), (Limit(max=each.margin), each.severity)) for each in policy.champion]
    return levels


def _falls(policy: Robustness) -> list[tuple[Key, Held]]:
    return [
        ((each.scenario, each.share, each.metric), (Limit(max=each.max_drop), each.severity)) for each in policy.checks
    ]


def _held(verdict: Verdict, before: Sequence[tuple[Key, Held]], after: Sequence[tuple[Key, Held]]) -> Judgement | None:
    """The first checks under new limits, the others as they are."""
    held, kept = verdict.checks[: len(before)], verdict.checks[len(before) :]
    if len(held) != len(before):
        return None
    measured = {key: check for (key, _), check in zip(before, held, strict=True)}
    if len(before) != len(after) or any(key not in measured for key, _ in after):
        return None
    checks = [*(_against(measured[key], limit, severity) for key, (limit, severity) in after), *kept]
    return Judgement(outcome=decide(checks), checks=checks, groups=verdict.groups, budget=verdict.budget)


def _against(check: Check, limit: Limit, severity: Severity) -> Check:
    if check.interval is None:  # why it has none does not depend on the limit
        return replace(check, limit=limit, severity=severity)
    outcome, reason = judge_interval(estimate=check.estimate, interval=check.interval, limit=limit)
    return replace(check, limit=limit, severity=severity, outcome=outcome, reason=reason)


def _fairness(verdict: Verdict, before: Fairness, after: Fairness) -> Judgement | None:
    from assay.gates import fairness

    if after.scored or after.strata or before.edges != after.edges:  # of these the verdict holds no counts
        return None
    if any(check.name == "accuracy_paid" for check in verdict.checks):  # nor of two models' decisions together
        return None
    tables: dict[frozenset[str], list[GroupMetrics]]
    tables = {frozenset(attribute): [] for attribute in before.attributes}
    for group in verdict.groups:
        tables.setdefault(frozenset(group.group), []).append(group)
    if any(frozenset(attribute) not in tables for attribute in after.attributes):
        return None
    counted = {
        "*".join(columns): [_counts(group, columns) for group in tables[frozenset(columns)]]
        for columns in after.attributes
    }
    attempt = None if verdict.budget is None else verdict.budget.attempt
    return fairness.judge(fairness.FairnessEvidence(attributes=counted), after, attempt=attempt)


def _counts(group: GroupMetrics, columns: Sequence[str]) -> "GroupCounts":
    """A group's counts, which its rates and their supports give exactly."""
    from assay.gates.fairness import GroupCounts

    tp, positives = _part(group.metrics["tpr"])
    fp, negatives = _part(group.metrics["fpr"])
    named = {column: group.group[column] for column in columns}
    return GroupCounts(group=named, tp=tp, fp=fp, fn=positives - tp, tn=negatives - fp)


def _part(rate: Measured) -> tuple[int, int]:
    return round((rate.estimate or 0) * rate.support), rate.support
