"""Ranges into which numbers and times are put: of one round width, cut where the contract's limits are."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from assay.core.distribution import LEAST
from assay.gates.contract.distributions.allowed import Allowed

_BINS = 16
_TAIL = 0.005
"""Share of the values beyond either end of the grid: where few values lie, the greatest would tell of one person."""
_FEW = 0.05
"""So few of the data beyond what is usual do not stretch the grid."""
_NEAR = 0.5
"""A limit as near to the values as this, in the width of the half of them, is taken onto the grid."""
_MINUTE, _HOUR, _DAY, _MONTH = 60, 3_600, 86_400, 2_629_746
_TIMES = (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR,
          _DAY, 2 * _DAY, 5 * _DAY, 10 * _DAY)  # fmt: skip
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0
"""Between which times a calendar has dates."""
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Rising bounds of ranges.

    Attributes
    ----------
    edges
        The bounds: a range holds its lower one and not its upper one, but for a limit that is allowed itself.
    counted
        The same, such that a range holds its upper bound and not its lower one, which is how they are counted.
    step
        The width of those that no limit cuts.
    inside
        From which edge to which the contract allows values; None where it is open.
    """

    edges: tuple[float, ...]
    counted: tuple[float, ...]
    step: float
    inside: tuple[float | None, float | None] = (None, None)

    def outside(self, low: float | None, high: float | None) -> bool:
        """Whether the range between two edges lies where the contract allows nothing."""
        least, most = self.inside
        below = least is not None and high is not None and high <= least
        return below or (most is not None and low is not None and low >= most)


def grid(samples: Sequence[NDArray[np.float64]], allowed: Allowed, *, whole: bool, times: bool) -> Grid:
    """A grid over most of the values of all samples.

    Parameters
    ----------
    samples
        Finite values, shape (rows,), of the data and of the reference if there is one; of one of them at least one.
    whole, times
        Whether they are whole numbers; whether they are seconds since 1970.
    """
    least, most = _inside(allowed, whole=whole)
    known = [np.sort(values) for values in samples if len(values)]
    high = _span(known, most)
    low = -_span([-values[::-1] for values in known], None if least is None else -least)
    made, step = _of_times(low, high) if times else _of_numbers(low, high, whole=whole)
    limits = [each for each in (least, most) if each is not None]
    made = [edge for edge in made if (edge > low or low != least) and (edge < high or high != most)]
    kept = [edge for edge in made if all(abs(edge - each) > 1e-6 * step for each in limits)]
    edges = sorted({*kept, *limits})
    return Grid(
        edges=tuple(edges),
        counted=tuple(_counted(edge, allowed, least, most, whole=whole) for edge in edges),
        step=step,
        inside=(least, most),
    )


def _span(known: Sequence[NDArray[np.float64]], limit: float | None) -> float:
    """How far up the grid goes, from the rising values of each table.

    As far as the reference, and as far as the data unless only a few of them lie beyond the reference and
    the limit: those are told together, so that the others can be told apart.
    """
    data, *others = known
    top, reference = _beyond(data, _TAIL), max((_beyond(values, _TAIL) for values in others), default=-math.inf)
    usual = max(reference, -math.inf if limit is None else limit)
    if _beyond(data, _FEW) <= usual:
        top = min(top, usual)
    top = max(top, reference)
    near = _NEAR * (top - min(float(np.median(values)) for values in known))
    return limit if limit is not None and top < limit <= top + near else top


def _beyond(known: NDArray[np.float64], share: float) -> float:
    """The value that this share of all lies beyond, but never only a few."""
    rows = min(max(LEAST, math.ceil(share * len(known))), (len(known) - 1) // 2)
    return float(known[-1 - rows])


def _inside(allowed: Allowed, *, whole: bool) -> tuple[float | None, float | None]:
    """From which edge to which values are allowed; whole numbers up to 90 lie below 91."""
    (low, high), (above, below) = (allowed.low, allowed.high), allowed.strict
    if whole and low is not None:
        low = float(math.floor(low) + 1 if above else math.ceil(low))
    if whole and high is not None:
        high = float(math.ceil(high) if below else math.floor(high) + 1)
    return low, high


def _counted(edge: float, allowed: Allowed, least: float | None, most: float | None, *, whole: bool) -> float:
    """The greatest value of the range below an edge."""
    if not whole and ((edge == most and not allowed.strict[1]) or (edge == least and allowed.strict[0])):
        return edge
    return math.nextafter(edge, -math.inf)


def _of_numbers(low: float, high: float, *, whole: bool) -> tuple[list[float], float]:
    width = (high - low) / _BINS or abs(low) / _BINS or 1.0
    power = 10.0 ** math.floor(math.log10(width))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * width)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [_round(n * step) for n in range(first, last + 1)], step


def _round(value: float) -> float:
    """Without the last digits that a multiplication leaves."""
    return float(f"{value:.12g}")


def _of_times(low: float, high: float) -> tuple[list[float], float]:
    low, high = max(low, _FIRST), min(high, _LAST)
    width = (high - low) / _BINS or 1.0
    step = next((float(each) for each in _TIMES if each >= width), None)
    if step is not None:
        return [n * step for n in range(math.floor(low / step), math.floor(high / step) + 2)], step
    months = next((each for each in _MONTHS if each * _MONTH >= width), _MONTHS[-1])
    return list(_calendar(low, high, months)), float(months * _MONTH)


def _calendar(low: float, high: float, months: int) -> Iterator[float]:
    """The first of every so many months, from before the one time to after the other."""
    first = datetime.fromtimestamp(low, UTC)
    at = (first.year * 12 + first.month - 1) // months * months
    edge = -math.inf
    while edge <= high and at // 12 < datetime.max.year:
        edge = datetime(max(1, at // 12), at % 12 + 1, 1, tzinfo=UTC).timestamp()
        yield edge
        at += months
