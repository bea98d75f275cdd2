"""Judge parts of the rows: declared slices, weak slices that were found, and bins of the score."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from assay.core import Check, GroupMetrics, Limit, Measured, Outcome
from assay.gates import each_confidence
from assay.gates.performance.evidence import Found, PerformanceEvidence, Slice
from assay.gates.performance.held import Held, held, unmeasured
from assay.policy import Floor, Performance
from assay.stats.estimates import excess_interval, level_interval
from assay.stats.intervals import Estimates
from assay.stats.spread import extreme

Interval = tuple[float, float]

FOUND, SCORE = "slice", "score"
"""What stands for a column's name in the groups of slices that were found, and of bins of the score."""

_NAMED = 20  # slices that a reason names; the others stand in the verdict's groups


def slice_checks(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    """For each attribute and floor, the worst slice."""
    for slices in evidence.slices.values():
        for floor in policy.floors:
            yield _worst(slices, floor, policy, _each(slices, policy, confidence))


def _each(slices: Sequence[Slice], policy: Performance, confidence: float) -> float:
    """Level of each slice's interval; those too small to be judged take no part."""
    return each_confidence(confidence, sum(part.rows >= policy.min_slice_size for part in slices))


def _worst(slices: Sequence[Slice], floor: Floor, policy: Performance, confidence: float) -> Check:
    intervals = [_interval(each, floor.metric, confidence) for each in slices]
    flaws = [
        _flaw(each, floor.metric, found, policy.min_slice_size) for each, found in zip(slices, intervals, strict=True)
    ]
    usable = [at for at, flaw in enumerate(flaws) if flaw is None]
    estimate, interval, worst = None, None, None
    if usable:
        table = np.array([(_value(slices[at], floor.metric), *(intervals[at] or ())) for at in usable]).T
        spread = extreme(Estimates(*table), highest=floor.max is not None)
        estimate, interval, worst = spread.estimate, (spread.low, spread.high), slices[usable[spread.highest]]
    about = Held(metric=floor.metric, compare="level", estimate=estimate, interval=interval)
    rows = None if worst is None else worst.rows
    check = held(about, floor.limit, floor.severity, rows=rows, confidence=policy.confidence)
    reason = check.reason if worst is not None else "no slice can be measured" if slices else "there are no rows"
    if worst is not None:
        reason += f"; the worst of {len(usable)} is {worst}"
    unusable = [(flaw, each) for flaw, each in zip(flaws, slices, strict=True) if flaw is not None]
    # one more slice can only be worse: what fails without it fails with it
    outcome = check.outcome if not unusable or check.outcome is Outcome.FAIL else Outcome.INCONCLUSIVE
    groups = None if worst is None else [worst.group]
    return replace(check, outcome=outcome, groups=groups, reason=reason + _left_out(unusable))


def _interval(part: Slice, metric: str, confidence: float) -> Interval | None:
    estimate = part.levels[metric]
    return None if estimate is None else level_interval(metric, estimate, confidence)


def _value(part: Slice, metric: str) -> float:
    estimate = part.levels[metric]
    return float("nan") if estimate is None else estimate.value


def _flaw(part: Slice, metric: str, interval: Interval | None, smallest: int) -> str | None:
    """Why a slice cannot be judged, or None when it can."""
    if part.rows < smallest:
        return f"fewer than {smallest} rows"
    if interval is not None:
        return None
    estimate = part.levels[metric]
    return unmeasured(metric, part.rows, part.positives, None if estimate is None else estimate.value)


def _left_out(unusable: Sequence[tuple[str, Slice]]) -> str:
    named, more = unusable[:_NAMED], len(unusable) - _NAMED
    parts = []
    for flaw in dict.fromkeys(flaw for flaw, _ in named):
        slices = ", ".join(f"{each} ({each.rows} rows)" for its, each in named if its == flaw)
        parts.append(f"; not measured, {flaw}: {slices}")
    return "".join(parts) + (f"; and {more} more slices" if more > 0 else "")


def slice_groups(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[GroupMetrics]:
    """Every slice with the policy's metrics, at the confidence at which its attribute's slices hold together."""
    for slices in evidence.slices.values():
        each = _each(slices, policy, confidence)
        for part in slices:
            metrics = {
                metric: Measured(
                    estimate=None if estimate is None else estimate.value,
                    interval=None if estimate is None else level_interval(metric, estimate, each),
                    support=part.rows,
                )
                for metric, estimate in part.levels.items()
            }
            yield GroupMetrics(group=part.group, n=part.rows, metrics=metrics)


def search_checks(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[Check]:
    """The worst of the slices that the search found, on the rows that it did not see."""
    wanted, search = policy.weak_slices, evidence.search
    if wanted is None or search is None:
        return
    each = each_confidence(confidence, len(search.found))
    intervals = [None if one.excess is None else excess_interval(one.excess, each) for one in search.found]
    told = [at for at, interval in enumerate(intervals) if interval is not None]
    estimate, interval, worst = None, None, None
    if told:
        table = np.array([(search.found[at].excess.value, *(intervals[at] or ())) for at in told]).T  # type: ignore[union-attr]  # it has an interval
        spread = extreme(Estimates(*table), highest=True)
        estimate, interval, worst = spread.estimate, (spread.low, spread.high), search.found[told[spread.highest]]
    about = Held(metric=wanted.metric, compare="excess", estimate=estimate, interval=interval)
    rows = search.judged if worst is None else worst.rows
    check = held(about, Limit(max=wanted.max_excess), wanted.severity, rows=rows, confidence=policy.confidence)
    if worst is None:
        small = (
            f"no slice of {wanted.min_size} rows was found in {search.searched} rows, to be judged on {search.judged}"
        )
        yield replace(check, reason=f"{small}: too few rows, or losses and columns that do not vary")
        return
    lost = "" if len(told) == len(search.found) else f"; {len(search.found) - len(told)} others have too few rows here"
    outcome = check.outcome if not lost or check.outcome is Outcome.FAIL else Outcome.INCONCLUSIVE
    called = "share of wrong decisions" if wanted.metric == "accuracy" else f"mean {wanted.metric}"
    reason = (
        f"{check.reason}; where {worst.words} ({worst.rows} rows), the {called} is {worst.loss:.4g}: so much is it "
        f"above that of all other rows; found in {search.searched} rows, judged on the other {search.judged}{lost}"
    )
    yield replace(check, outcome=outcome, groups=[{FOUND: worst.words}], reason=reason)


def found_groups(evidence: PerformanceEvidence, policy: Performance, confidence: float) -> Iterator[GroupMetrics]:
    """Every slice that the search found, its mean loss and how far that is above the rest."""
    search = evidence.search
    if policy.weak_slices is None or search is None:
        return
    each = each_confidence(confidence, len(search.found))
    loss = "error_rate" if policy.weak_slices.metric == "accuracy" else policy.weak_slices.metric
    for one in search.found:
        yield GroupMetrics(group={FOUND: one.words}, n=one.rows, metrics=_found(one, loss, each))


def _found(one: Found, loss: str, confidence: float) -> dict[str, Measured]:
    interval = None if one.excess is None else excess_interval(one.excess, confidence)
    return {
        loss: Measured(estimate=one.loss, interval=None, support=one.rows),
        "excess": Measured(
            estimate=None if one.excess is None else one.excess.value, interval=interval, support=one.rows
        ),
    }


def reliability_groups(evidence: PerformanceEvidence, confidence: float) -> Iterator[GroupMetrics]:
    """The reliability diagram: what the scores of each bin announce and what came true, bands that hold together."""
    each = each_confidence(confidence, 2 * len(evidence.bins))
    for one in evidence.bins:
        score, base = one.bands(each)
        closed = "]" if one.high == 1 else ")"
        metrics = {
            "mean_score": Measured(estimate=one.mean_score, interval=score, support=one.rows),
            "base_rate": Measured(estimate=one.positives / one.rows, interval=base, support=one.rows),
        }
        yield GroupMetrics(group={SCORE: f"[{one.low:g}, {one.high:g}{closed}"}, n=one.rows, metrics=metrics)
