"""Judge what only the served model itself can show: how long it takes to answer, and how large it is."""

from collections.abc import Iterator
from dataclasses import replace

from assay.core import TIMED, Check, Limit
from assay.gates.performance.evidence import PerformanceEvidence
from assay.gates.performance.held import Held, held
from assay.gates.performance.names import SIZE
from assay.policy import Latency, Performance
from assay.stats.quantiles import quantile_interval


def budget_checks(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    """A check for each budget."""
    for each in policy.latency:
        for percentile, budget in each.budgets.items():
            yield _latency(evidence, each, percentile, budget, confidence, policy.confidence)
    if policy.size_mb is not None:
        size = evidence.megabytes
        interval = None if size is None else (size, size)
        about = Held(metric=SIZE, compare="level", estimate=size, interval=interval)
        yield held(about, Limit(max=policy.size_mb), "critical", rows=None, confidence=None)


def _latency(
    evidence: PerformanceEvidence, latency: Latency, percentile: int, budget: float, confidence: float, joint: float
) -> Check:
    times = evidence.times.get(latency.rows)
    calls = 0 if times is None else len(times)
    estimate, interval = None, None
    if times is not None and calls:
        estimate, interval = quantile_interval(times, percentile / 100, confidence)
    about = Held(metric=f"latency_p{percentile}_ms", compare=TIMED, estimate=estimate, interval=interval)
    check = held(about, Limit(max=budget), latency.severity, rows=calls, confidence=joint)
    asked = f"{calls:,} calls of {latency.rows:,} row{'' if latency.rows == 1 else 's'} each"
    if estimate is None:
        return replace(check, reason="no call was timed")
    if interval is None:
        reason = f"how sure {estimate:.4g} ms is cannot be told from {asked}: they took too long to make more"
        return replace(check, reason=reason)
    return replace(check, reason=f"{check.reason}; in milliseconds, over {asked}, on the machine that judged")
