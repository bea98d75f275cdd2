"""How far apart several groups lie: the greatest difference, the least ratio, the extreme level."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.stats.intervals import Estimates, Interval, mover_difference, mover_ratio

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Estimate and limits, and the positions of the two groups that the estimate is made of."""

    estimate: float
    low: float
    high: float
    highest: int
    lowest: int


def range_difference(groups: Estimates, reference: int | None = None) -> Spread:
    """Interval for the largest minus the smallest of k quantities, or the largest distance to one of them.

    Parameters
    ----------
    groups : Estimates of shape (k,)
        At least two, none NaN. Their intervals' level is that at which all pairs hold together,
        see `comparisons` and `assay.stats.simultaneous`.
    reference
        Position of the group that all others are compared with; without it, all pairs are.

    Returns
    -------
    Spread
        Limits are never negative.

    Raises
    ------
    ValueError
        With fewer than two groups or a group that has no estimate.

    Notes
    -----
    Suppose that every pairwise interval holds its own difference. Then each pairwise low is at
    most its difference and so at most the range; and the range is itself one of the differences,
    hence at most the greatest pairwise high. So ``[max of lows, max of highs]`` holds the range,
    without having to know which groups are the extreme ones. A range is never negative: low is clipped.

    Examples
    --------
    >>> from assay.stats.intervals import rates
    >>> spread = range_difference(rates([56, 48], [70, 80], 0.95))
    >>> round(spread.estimate, 2), round(spread.low, 4), round(spread.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    (low, high), gap = _pairwise(mover_difference, groups, reference), groups.value[:, None] - groups.value[None, :]
    highest, lowest = _at(np.where(np.isnan(low), -np.inf, gap).argmax(), len(gap))
    return Spread(float(gap[highest, lowest]), max(0.0, float(np.nanmax(low))), float(np.nanmax(high)), highest, lowest)


def range_ratio(groups: Estimates, reference: int | None = None) -> Spread:
    """Interval for the smallest over the largest of k quantities, none of which is negative.

    Parameters, errors and reasoning are those of `range_difference`, over ordered pairs: the
    wanted ratio is the least of all ``p_i / p_j``, so ``[min of lows, min of highs]`` holds it. One
    interval serves both orders of a pair, since the limits of ``p_j / p_i`` are the reciprocals of
    those of ``p_i / p_j``; so pairs are counted once. The ratio never exceeds 1: high is clipped.

    Returns
    -------
    Spread
        Limits in [0, 1]; the estimate is NaN when every quantity is 0.

    Examples
    --------
    >>> from assay.stats.intervals import rates
    >>> spread = range_ratio(rates([56, 48], [70, 80], 0.95))
    >>> round(spread.estimate, 2), round(spread.low, 3), round(spread.high, 3)
    (0.75, 0.601, 0.927)
    """
    low, high = _pairwise(mover_ratio, groups, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = groups.value[:, None] / groups.value[None, :]
    wanted = np.where(np.isnan(low) | np.isnan(ratio), np.inf, ratio)
    lowest, highest = _at(wanted.argmin(), len(ratio))
    estimate = float(ratio[lowest, highest]) if groups.value.any() else float("nan")
    return Spread(estimate, float(np.nanmin(low)), min(1.0, float(np.nanmin(high))), highest, lowest)


def extreme(groups: Estimates, *, highest: bool) -> Spread:
    """Interval for the largest, or else the smallest, of k quantities.

    When every interval holds its own quantity, ``[max of lows, max of highs]`` holds the largest.

    Raises
    ------
    ValueError
        Without a group, or with one that has no estimate.

    Examples
    --------
    >>> from assay.stats.intervals import rates
    >>> spread = extreme(rates([81, 15], [263, 148], 0.95), highest=True)
    >>> round(spread.low, 4), round(spread.high, 4), spread.highest
    (0.2553, 0.3662, 0)
    """
    _check(groups, 1)
    pick, at = (np.max, int(groups.value.argmax())) if highest else (np.min, int(groups.value.argmin()))
    return Spread(float(groups.value[at]), float(pick(groups.low)), float(pick(groups.high)), at, at)


def fall_of_largest(before: Floats, after: Floats, half: Floats) -> tuple[float, float, float]:
    """Estimate and interval for by how much the largest of several quantities fell.

    Parameters
    ----------
    before, after : ndarray of shape (k,) and (m,)
        Estimates of the quantities before and after.
    half : ndarray of shape (k, m)
        Half-widths of intervals for every ``before[i] - after[j]`` that hold together. What does not
        vary between the two, such as the same rows, is in them.

    Notes
    -----
    Let ``F`` be the largest before less the largest after. For every `i`, ``F`` is at least the least
    over `j` of ``before[i] - after[j]``; for every `j` it is at most the greatest over `i` of the same.
    So if all intervals hold, ``[max of min of lows, min of max of highs]`` holds ``F``, without having to
    know which quantities are the largest.

    Examples
    --------
    >>> same = np.array([[0.01, 0.1], [0.1, 0.01]])  # each quantity is known better against itself
    >>> [round(each, 2) for each in fall_of_largest(np.array([0.3, 0.1]), np.array([0.25, 0.1]), same)]
    [0.05, 0.04, 0.06]
    """
    gaps = before[:, None] - after[None, :]
    low, high = float((gaps - half).min(axis=1).max()), float((gaps + half).max(axis=0).min())
    return float(before.max() - after.max()), low, high


def comparisons(groups: int, *, reference: bool = False) -> int:
    """How many intervals a range over so many groups asks to hold together.

    Examples
    --------
    >>> comparisons(4), comparisons(4, reference=True)
    (6, 3)
    """
    return groups - 1 if reference else groups * (groups - 1) // 2


def _pairwise(method: Callable[[Estimates, Estimates], Interval], groups: Estimates, reference: int | None) -> Interval:
    """Intervals of every ordered pair as (k, k) matrices, NaN where a pair is not compared."""
    _check(groups, 2)
    first, second = (Estimates(*(part[index] for part in groups)) for index in ((..., None), (None, ...)))
    low, high = method(first, second)
    unwanted = np.eye(len(groups.value), dtype=np.bool_)
    if reference is not None:
        unwanted |= ~_with(reference, len(unwanted))
    return Interval(np.where(unwanted, np.nan, low), np.where(unwanted, np.nan, high))


def _with(reference: int, groups: int) -> NDArray[np.bool_]:
    one = np.arange(groups) == reference
    found: NDArray[np.bool_] = one[:, None] | one[None, :]
    return found


def _at(flat: np.intp, groups: int) -> tuple[int, int]:
    return divmod(int(flat), groups)


def _check(groups: Estimates, least: int) -> None:
    if groups.value.ndim != 1 or len(groups.value) < least:
        raise ValueError(f"a spread needs at least {'two groups' if least == 2 else 'one group'}")
    if np.isnan(groups.value).any() or np.isnan(groups.low).any():
        raise ValueError("a group without trials has no rate")
