"""Judge: the spread of each rate over the groups against its limit."""

from collections.abc import Sequence

import numpy as np

from assay.core import Check, GroupMetrics, Judgement, Measured, Outcome, decide, judge_interval
from assay.gates import distinct_names, each_confidence
from assay.gates.fairness.counts import RATES, FairnessEvidence, GroupCounts
from assay.policy import Fairness, FairnessCheck
from assay.stats.intervals import normal_quantile, rates, wilson
from assay.stats.power import detectable_rates
from assay.stats.spread import Spread, comparisons, range_difference, range_ratio

_NAMED = 20  # groups that a reason names; the others stand in the verdict's `groups`


def judge(evidence: FairnessEvidence, policy: Fairness) -> Judgement:
    """Hold, for every attribute, the spread of each rate over its groups against the limit.

    A group that is too small, or lacks the rows that a rate is made of, is never left out in
    silence: it makes the check INCONCLUSIVE, unless the other groups alone already prove the FAIL
    (one more group can only widen a difference and lower a ratio).
    """
    names = distinct_names([f"{check.metric}_{check.compare}" for check in policy.checks])
    confidence = each_confidence(policy.confidence, len(policy.checks) * len(evidence.attributes))
    checks = [
        _check(name, check, attribute, groups, policy, confidence)
        for attribute, groups in evidence.attributes.items()
        for name, check in zip(names, policy.checks, strict=True)
    ]
    measured = [_metrics(group, policy.confidence) for groups in evidence.attributes.values() for group in groups]
    return Judgement(outcome=decide(checks), checks=tuple(checks), groups=tuple(measured))


def _check(
    name: str,
    check: FairnessCheck,
    attribute: str,
    groups: Sequence[GroupCounts],
    policy: Fairness,
    confidence: float,
) -> Check:
    part, whole, _ = RATES[check.metric]
    usable = [group for group in groups if _flaw(group, check.metric, policy.min_group_size) is None]
    spread = _spread(check.compare, usable, part, whole, confidence)
    extremes = [] if spread is None else [usable[spread.highest], usable[spread.lowest]]
    exists = spread is not None and not np.isnan(spread.estimate)
    estimate = spread.estimate if spread is not None and exists else None
    interval = (spread.low, spread.high) if spread is not None and exists else None
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=check.limit)
    flaws = [(flaw, group) for group in groups if (flaw := _flaw(group, check.metric, policy.min_group_size))]
    if interval is None:
        reason = _why_nothing(attribute, groups, usable)
    elif outcome is Outcome.INCONCLUSIVE:
        reason += _detectable(check, extremes, each_confidence(confidence, comparisons(len(usable))))
    if flaws:
        proven = outcome is Outcome.FAIL and _widens(check, interval)
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        reason += _unmeasured(flaws)
    return Check(
        name=name,
        metric=check.metric,
        compare=check.compare,
        attribute=attribute,
        groups=[group.group for group in extremes] or None,
        estimate=estimate,
        interval=interval,
        confidence=policy.confidence,
        limit=check.limit,
        support=min((group.of(whole) for group in extremes), default=None),
        severity=check.severity,
        outcome=outcome,
        reason=reason,
    )


def _flaw(group: GroupCounts, metric: str, smallest: int) -> str | None:
    """Why a group has no such rate, or None when it has."""
    _, whole, kind = RATES[metric]
    if group.n < smallest:
        return f"fewer than {smallest} rows"
    return None if group.of(whole) else f"no {kind}"


def _unmeasured(flaws: Sequence[tuple[str, GroupCounts]]) -> str:
    """Name the groups that could not be measured, with their sizes, by what they lack."""
    named, more = flaws[:_NAMED], len(flaws) - _NAMED
    parts = []
    for flaw in dict.fromkeys(flaw for flaw, _ in named):
        groups = ", ".join(f"{group} ({group.n} rows)" for its, group in named if its == flaw)
        parts.append(f"; not measured, {flaw}: {groups}")
    return "".join(parts) + (f"; and {more} more groups" if more > 0 else "")


def _spread(
    compare: str, groups: Sequence[GroupCounts], part: Sequence[str], whole: Sequence[str], confidence: float
) -> Spread | None:
    if len(groups) < 2:
        return None
    method = range_difference if compare == "difference" else range_ratio
    each = each_confidence(confidence, comparisons(len(groups)))
    return method(rates([group.of(part) for group in groups], [group.of(whole) for group in groups], each))


def _widens(check: FairnessCheck, interval: tuple[float, float] | None) -> bool:
    """Whether the limit is broken on the side to which further groups can only add."""
    if interval is None:
        return False
    if check.compare == "difference":
        return check.max is not None and interval[0] > check.max
    return check.min is not None and interval[1] < check.min


def _why_nothing(attribute: str, groups: Sequence[GroupCounts], usable: Sequence[GroupCounts]) -> str:
    if not groups:
        return "there are no rows to measure on"
    if len(groups) == 1:
        return f"{attribute} has only one group ({groups[0]}, {groups[0].n} rows): there is nothing to compare"
    if len(usable) < 2:
        return f"{len(usable)} of {len(groups)} groups can be measured: there is nothing to compare"
    return "the rate is 0 in every group that can be measured, so a ratio does not exist"


def _detectable(check: FairnessCheck, extremes: Sequence[GroupCounts], confidence: float) -> str:
    """The smallest gap that groups of these sizes show: in every second sample, and in four of five."""
    part, whole, kind = RATES[check.metric]
    sizes = [group.of(whole) for group in extremes]
    common = sum(group.of(part) for group in extremes) / sum(sizes)
    sides = " and ".join(f"{size} {kind} ({group})" for size, group in zip(sizes, extremes, strict=True))
    even, often = (detectable_rates(sizes[0], sizes[1], common, confidence, power) for power in (0.5, 0.8))
    if check.compare == "difference":
        gap, surely = f"a difference above {even[0] - even[1]:.2g}", f"one of {often[0] - often[1]:.2g}"
    else:
        gap, surely = f"a ratio below {even[1] / even[0]:.2g}", f"one of {often[1] / often[0]:.2g}"
    return f". With {sides}, only {gap} can be told from equal rates, and {surely} in 4 of 5 samples"


def _metrics(group: GroupCounts, confidence: float) -> GroupMetrics:
    """Every rate of a group, each with its own Wilson interval at `confidence`."""
    metrics = {name: _rate(group.of(part), group.of(whole), confidence) for name, (part, whole, _) in RATES.items()}
    if group.score is not None:
        mean, deviation = group.score
        half = normal_quantile(confidence) * deviation / group.n**0.5
        interval = (max(0.0, mean - half), min(1.0, mean + half)) if group.n > 1 else None
        metrics["mean_score"] = Measured(estimate=mean, interval=interval, support=group.n)
    return GroupMetrics(group=group.group, n=group.n, metrics=metrics)


def _rate(part: int, whole: int, confidence: float) -> Measured:
    if whole == 0:
        return Measured(estimate=None, interval=None, support=0)
    low, high = wilson(part, whole, confidence)
    return Measured(estimate=part / whole, interval=(float(low), float(high)), support=whole)
