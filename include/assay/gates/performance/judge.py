"""Judge: every quantity's whole interval against its limit, all intervals holding together."""

import math
from collections.abc import Iterator
from dataclasses import replace

from assay.core import Check, Judgement, Limit, Severity, decide
from assay.gates import attempted, each_confidence
from assay.gates.performance.budgets import budget_checks
from assay.gates.performance.evidence import PerformanceEvidence
from assay.gates.performance.held import Held, held, unmeasured
from assay.gates.performance.names import SIZE, check_names
from assay.gates.performance.parts import found_groups, reliability_groups, search_checks, slice_checks, slice_groups
from assay.policy import Performance
from assay.stats.estimates import Estimate, excess_interval, level_interval


def judge(evidence: PerformanceEvidence, policy: Performance, *, attempt: int | None = None) -> Judgement:
    """Hold every metric, slice, cost and budget against its limit, and the excess over the champion against the margin.

    Non-inferiority is a check named ``<metric>_vs_champion`` whose estimate says how much worse the
    candidate is; without a champion there is no such check. A check on declared slices is named
    ``<metric>_worst_slice``, its attribute the columns; ``weak_slice`` is about the worst slice that
    the search found.

    Parameters
    ----------
    evidence
        What `measure` gave for the same policy.
    policy
        The gate's part of a policy.
    attempt
        Which model, counted from 1, this gate measured on these data; None where that is not counted.
    """
    level, budget = attempted(policy.confidence, attempt)
    names = check_names(policy, rival=evidence.excesses is not None)
    confidence = each_confidence(level, sum(name != SIZE for name, _ in names))  # a size is known without error
    unnamed = [
        *_levels(evidence, policy, confidence),
        *_versus(evidence, policy, confidence),
        *_costs(evidence, policy, confidence),
        *slice_checks(evidence, policy, confidence),
        *search_checks(evidence, policy, confidence),
        *budget_checks(evidence, policy, confidence),
    ]
    checks = tuple(
        replace(check, name=name, attribute=attribute) for check, (name, attribute) in zip(unnamed, names, strict=True)
    )
    groups = (
        *slice_groups(evidence, policy, confidence),
        *found_groups(evidence, policy, confidence),
        *reliability_groups(evidence, policy.confidence),
    )
    return Judgement(outcome=decide(checks), checks=checks, groups=groups, budget=budget)


def _levels(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    for each in policy.checks:
        estimate = evidence.levels[each.metric]
        interval = None if estimate is None else level_interval(each.metric, estimate, confidence)
        about = Held(metric=each.metric, compare="level", estimate=_value(estimate), interval=interval)
        yield _plain(about, each.limit, each.severity, evidence, policy)


def _versus(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    for each in policy.champion if evidence.excesses is not None else []:
        estimate = (evidence.excesses or {})[each.metric]
        interval = None if estimate is None else excess_interval(estimate, confidence)
        about = Held(metric=each.metric, compare="difference", estimate=_value(estimate), interval=interval)
        yield _plain(about, Limit(max=each.margin), each.severity, evidence, policy)


def _costs(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    cost = policy.cost
    if cost is None:
        return
    if cost.max is not None:
        estimate = evidence.levels["cost"]
        interval = None if estimate is None else level_interval("cost", estimate, confidence)
        about = Held(metric="cost", compare="level", estimate=_value(estimate), interval=interval)
        check = _plain(about, Limit(max=cost.max), cost.severity, evidence, policy)
        verb = "gains" if (check.estimate or 0) < 0 else "costs"
        yield _in_currency(check, f"a decision {verb} {{}} {{}} on average", cost.currency)
    if cost.margin is not None and evidence.excesses is not None:
        estimate = evidence.excesses["cost"]
        interval = None if estimate is None else excess_interval(estimate, confidence)
        about = Held(metric="cost", compare="difference", estimate=_value(estimate), interval=interval)
        check = _plain(about, Limit(max=cost.margin), cost.severity, evidence, policy)
        than = "less" if (check.estimate or 0) < 0 else "more"
        yield _in_currency(check, f"a decision costs {{}} {{}} {than} than the champion's", cost.currency)


def _in_currency(check: Check, words: str, currency: str) -> Check:
    """Say what one decision and what a thousand of them come to."""
    if check.estimate is None or check.interval is None:
        return check
    sign = -1 if check.estimate < 0 else 1
    low, high = sorted(1000 * sign * end for end in check.interval)
    one, thousand = (_amount(times * abs(check.estimate)) for times in (1, 1000))
    said = f"{words.format(one, currency)}, a thousand {thousand} [{_amount(low)}, {_amount(high)}]"
    return replace(check, reason=f"{check.reason}; {said}")


def _amount(value: float) -> str:
    """Four digits at least, and never as a power of ten."""
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(9, max(0, 3 - size))}f}"


def _plain(about: Held, limit: Limit, severity: Severity, evidence: PerformanceEvidence, policy: Performance) -> Check:
    check = held(about, limit, severity, rows=evidence.rows, confidence=policy.confidence)
    if about.interval is not None:
        return check
    return replace(check, reason=unmeasured(about.metric, evidence.rows, evidence.positives, about.estimate))


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value
