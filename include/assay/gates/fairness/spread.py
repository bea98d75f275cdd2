"""Judge: how far the groups lie apart in each metric, against its limit."""

from collections.abc import Sequence

import numpy as np

from assay.core import Check, GroupMetrics, Judgement, Measured, Outcome, decide, judge_interval
from assay.gates import attempted, distinct_names
from assay.gates.fairness.counts import RATES, FairnessEvidence, GroupCounts
from assay.gates.fairness.estimates import Compared, compare, effective_rate
from assay.gates.fairness.joint import confidences
from assay.policy import Fairness, FairnessCheck
from assay.stats.bootstrap import Metric, level_interval
from assay.stats.intervals import normal_quantile, wilson
from assay.stats.power import detectable_rates
from assay.stats.spread import Spread, extreme, range_difference, range_ratio

_NAMED = 20  # groups that a reason names; the others stand in the verdict's `groups`
_SCORES: tuple[Metric, ...] = ("auc", "brier", "log_loss", "ece")


def judge(evidence: FairnessEvidence, policy: Fairness, *, attempt: int | None = None) -> Judgement:
    """Hold, for every attribute, the spread of each metric over its groups against the limit.

    A group that is too small, or lacks the rows that a metric is made of, is never left out in
    silence: it makes the check INCONCLUSIVE, unless the other groups alone already prove the FAIL
    (one more group can only widen a difference, lower a ratio or move an extreme level outwards).

    Parameters
    ----------
    attempt
        How many models, this one counted, were measured on these rows; None where that is not counted.
    """
    level, budget = attempted(policy.confidence, attempt)
    named = {attribute: named_checks(policy, attribute) for attribute in evidence.attributes}
    total = sum(map(len, named.values()))
    checks = []
    for attribute, own in named.items():
        compared = [compare(evidence, attribute, check, policy) for _, check in own]
        levels = confidences(compared, 1 - (1 - level) * len(own) / total) if own else []
        checks += [
            _check(name, attribute, one, each, policy.confidence)
            for (name, _), one, each in zip(own, compared, levels, strict=True)
        ]
    measured = [_metrics(group, policy.confidence) for groups in evidence.attributes.values() for group in groups]
    return Judgement(outcome=decide(checks), checks=tuple(checks), groups=tuple(measured), budget=budget)


def named_checks(policy: Fairness, attribute: str) -> list[tuple[str, FairnessCheck]]:
    """The checks made for an attribute, a column or several joined by ``*``, by their names in a verdict."""
    checks = policy.checks_on(attribute.split("*"))
    return list(zip(distinct_names([check.name for check in checks]), checks, strict=True))


def _check(name: str, attribute: str, compared: Compared, confidence: float, joint: float) -> Check:
    check, usable = compared.check, compared.usable
    spread = _spread(compared, confidence)
    extremes = [] if spread is None else [usable[at] for at in dict.fromkeys([spread.highest, spread.lowest])]
    exists = spread is not None and not np.isnan(spread.estimate)
    estimate = spread.estimate if spread is not None and exists else None
    interval = (spread.low, spread.high) if spread is not None and exists else None
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=check.limit)
    if interval is None:
        reason = _why_nothing(attribute, compared)
    elif outcome is Outcome.INCONCLUSIVE:
        reason += _detectable(compared, extremes, interval, confidence)
    if compared.flaws:
        proven = outcome is Outcome.FAIL and _widens(check, interval)
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        reason += _unmeasured(compared.flaws)
    return Check(
        name=name,
        metric=check.metric,
        compare=check.compare,
        attribute=attribute,
        groups=[group.group for group in extremes] or None,
        estimate=estimate,
        interval=interval,
        confidence=joint,
        limit=check.limit,
        support=min((group.of(compared.whole) for group in extremes), default=None),
        severity=check.severity,
        outcome=outcome,
        reason=reason,
    )


def _unmeasured(flaws: Sequence[tuple[str, GroupCounts]]) -> str:
    """Name the groups that could not be measured, with their sizes, by what they lack."""
    named, more = flaws[:_NAMED], len(flaws) - _NAMED
    parts = []
    for flaw in dict.fromkeys(flaw for flaw, _ in named):
        groups = ", ".join(f"{group} ({group.n} rows)" for its, group in named if its == flaw)
        parts.append(f"; not measured, {flaw}: {groups}")
    return "".join(parts) + (f"; and {more} more groups" if more > 0 else "")


def _spread(compared: Compared, confidence: float) -> Spread | None:
    check = compared.check
    if not compared.intervals or compared.lost:
        return None
    estimates = compared.estimates(confidence)
    if check.compare == "level":
        return extreme(estimates, highest=check.max is not None)
    method = range_difference if check.compare == "difference" else range_ratio
    return method(estimates, compared.reference)


def _widens(check: FairnessCheck, interval: tuple[float, float] | None) -> bool:
    """Whether the limit is broken on the side to which further groups can only add."""
    if interval is None:
        return False
    above, below = (
        (check.max is not None and interval[0] > check.max),
        (check.min is not None and interval[1] < check.min),
    )
    return {"difference": above, "ratio": below, "level": above or below}[check.compare]


def _why_nothing(attribute: str, compared: Compared) -> str:
    groups, usable = compared.groups, compared.usable
    if not groups:
        return "there are no rows to measure on"
    if compared.check.compare == "level":
        return "no group can be measured"
    if compared.lost:
        return f"the reference group {compared.lost} cannot be measured or does not occur: there is nothing to compare"
    if len(groups) == 1:
        return f"{attribute} has only one group ({groups[0]}, {groups[0].n} rows): there is nothing to compare"
    if len(usable) < 2:
        return f"{len(usable)} of {len(groups)} groups can be measured: there is nothing to compare"
    return "the rate is 0 in every group that can be measured, so a ratio does not exist"


def _detectable(
    compared: Compared, extremes: Sequence[GroupCounts], interval: tuple[float, float], confidence: float
) -> str:
    """The smallest gap that groups of these sizes show: in every second sample, and in four of five."""
    sides = " and ".join(f"{group.of(compared.whole)} {compared.kind} ({group})" for group in extremes)
    if not compared.plain or compared.check.compare == "level":
        return f". With {sides}, it is known to within {max(interval) - min(interval):.2g}"
    rates = [effective_rate(group, compared.check.metric) for group in extremes]
    sizes = [size for _, size in rates]
    common = sum(successes for successes, _ in rates) / sum(sizes)
    even, often = (detectable_rates(sizes[0], sizes[1], common, confidence, power) for power in (0.5, 0.8))
    if compared.check.compare == "difference":
        gap, surely = f"a difference above {even[0] - even[1]:.2g}", f"one of {often[0] - often[1]:.2g}"
    else:
        gap, surely = f"a ratio below {even[1] / even[0]:.2g}", f"one of {often[1] / often[0]:.2g}"
    return f". With {sides}, only {gap} can be told from equal rates, and {surely} in 4 of 5 samples"


def _metrics(group: GroupCounts, confidence: float) -> GroupMetrics:
    """Every metric of a group, each with its own interval at `confidence`."""
    metrics = {name: _rate(group, name, confidence) for name in RATES}
    if group.scores is not None:
        mean, deviation = group.scores.moments["score"]
        half = normal_quantile(confidence) * deviation / group.scores.size**0.5
        interval = (max(0.0, mean - half), min(1.0, mean + half)) if group.n > 1 else None
        metrics["mean_score"] = Measured(estimate=mean, interval=interval, support=group.n)
        for name in _SCORES:
            estimate = group.scores.estimate(name)
            metrics[name] = Measured(
                estimate=None if estimate is None else estimate.value,
                interval=None if estimate is None else level_interval(name, estimate, confidence),
                support=group.n,
            )
    return GroupMetrics(group=group.group, n=group.n, metrics=metrics)


def _rate(group: GroupCounts, metric: str, confidence: float) -> Measured:
    successes, trials = effective_rate(group, metric)
    if trials == 0:
        return Measured(estimate=None, interval=None, support=group.of(RATES[metric][1]))
    low, high = wilson(successes, trials, confidence)
    return Measured(estimate=successes / trials, interval=(float(low), float(high)), support=group.of(RATES[metric][1]))
