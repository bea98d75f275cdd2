"""Score intervals for rates, their differences and ratios, and for the spread over many groups."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper limits, of one shape."""

    low: Floats
    high: Floats


def normal_quantile(confidence: float) -> float:
    """Half-width, in standard deviations, of a two-sided normal interval.

    Raises
    ------
    ValueError
        When `confidence` is not inside (0, 1).

    Examples
    --------
    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be inside (0, 1), got {confidence}")
    return float(-ndtri((1 - confidence) / 2))


def wilson(successes: ArrayLike, trials: ArrayLike, confidence: float) -> Interval:
    """Wilson's score interval for a rate.

    Parameters
    ----------
    successes, trials
        Counts of one shape, ``0 <= successes <= trials``.
    confidence
        Two-sided level in (0, 1).

    Returns
    -------
    Interval
        Limits in [0, 1]; NaN where `trials` is 0, since no trials tell nothing.

    Raises
    ------
    ValueError
        When a count is negative or there are more successes than trials.

    References
    ----------
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.
    R. G. Newcombe (1998), Two-sided confidence intervals for the single proportion, method 3.

    Examples
    --------
    >>> low, high = wilson(81, 263, 0.95)
    >>> float(low.round(4)), float(high.round(4))
    (0.2553, 0.3662)
    """
    count, total = _counts(successes, trials)
    z2 = normal_quantile(confidence) ** 2
    with np.errstate(invalid="ignore"):  # 0 / 0 where there were no trials is the NaN that we want
        centre = (count + z2 / 2) / (total + z2)
        half = np.sqrt(z2 * (count * (total - count) / total + z2 / 4)) / (total + z2)
    # at the ends the limit is the end itself; rounding must not push it inside
    low = np.where(count == 0, 0.0 * half, centre - half)
    high = np.where(count == total, 1.0 + 0.0 * half, centre + half)
    return Interval(low, high)


def newcombe_difference(
    successes_1: ArrayLike, trials_1: ArrayLike, successes_2: ArrayLike, trials_2: ArrayLike, confidence: float
) -> Interval:
    """Hybrid score interval for the difference of two independent rates, first minus second.

    Parameters
    ----------
    successes_1, trials_1, successes_2, trials_2
        Counts, broadcast against each other.
    confidence
        Two-sided level in (0, 1).

    Returns
    -------
    Interval
        Limits in [-1, 1]; NaN where either side has no trials.

    References
    ----------
    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods. Statistics in Medicine 17, 873-890, method 10.

    Examples
    --------
    >>> low, high = newcombe_difference(56, 70, 48, 80, 0.95)
    >>> float(low.round(4)), float(high.round(4))
    (0.0524, 0.3339)
    """
    p1, (l1, u1) = _rate(successes_1, trials_1), wilson(successes_1, trials_1, confidence)
    p2, (l2, u2) = _rate(successes_2, trials_2), wilson(successes_2, trials_2, confidence)
    return Interval(p1 - p2 - np.hypot(p1 - l1, u2 - p2), p1 - p2 + np.hypot(u1 - p1, p2 - l2))


def mover_ratio(
    successes_1: ArrayLike, trials_1: ArrayLike, successes_2: ArrayLike, trials_2: ArrayLike, confidence: float
) -> Interval:
    """MOVER-R interval for the ratio of two independent rates, first over second.

    Parameters
    ----------
    successes_1, trials_1, successes_2, trials_2
        Counts, broadcast against each other.
    confidence
        Two-sided level in (0, 1).

    Returns
    -------
    Interval
        Limits in [0, inf]; the upper one is infinite where the second rate may be 0, and both
        are NaN where either side has no trials.

    Notes
    -----
    The limits are the roots `R` at which the interval for ``p1 - R * p2``, recovered from the
    two Wilson intervals, has 0 as its end. The lower one is written with its numerator
    rationalised, so that it also holds where the published form divides by zero.

    References
    ----------
    A. Donner, G. Y. Zou (2012), Closed-form confidence intervals for functions of the normal mean
    and standard deviation. Statistical Methods in Medical Research 21, 347-359, equation for a ratio.

    Examples
    --------
    >>> low, high = mover_ratio(48, 80, 56, 70, 0.95)
    >>> float(low.round(3)), float(high.round(3))
    (0.601, 0.927)
    """
    p1, (l1, u1) = _rate(successes_1, trials_1), wilson(successes_1, trials_1, confidence)
    p2, (l2, u2) = _rate(successes_2, trials_2), wilson(successes_2, trials_2, confidence)
    product = p1 * p2
    low_numerator, high_denominator = l1 * (2 * p1 - l1), l2 * (2 * p2 - l2)
    # negative only by rounding
    low_root = np.sqrt(np.maximum(product**2 - low_numerator * u2 * (2 * p2 - u2), 0))
    high_root = np.sqrt(np.maximum(product**2 - high_denominator * u1 * (2 * p1 - u1), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(low_numerator == 0, low_numerator, low_numerator / (product + low_root))
        high = np.where(high_denominator == 0, np.inf, (product + high_root) / high_denominator)
    return Interval(low, high)


class Spread(NamedTuple):
    """How far apart the rates of several groups lie: estimate, limits and the two extreme groups."""

    estimate: float
    low: float
    high: float
    highest: int
    lowest: int


def range_difference(successes: ArrayLike, trials: ArrayLike, confidence: float) -> Spread:
    """Interval for the largest minus the smallest of k rates.

    Parameters
    ----------
    successes, trials : array_like of shape (k,)
        Counts per group; at least two groups, every one with trials.
    confidence
        Two-sided level in (0, 1) of the result.

    Returns
    -------
    Spread
        Limits in [0, 1].

    Raises
    ------
    ValueError
        With fewer than two groups or a group without trials.

    Notes
    -----
    By Bonferroni over the ``k (k - 1) / 2`` pairs, with probability `confidence` every pairwise
    interval holds its own difference at once. On that event each pairwise low is at most its
    difference and so at most the range; and the range is itself one of the differences, hence at
    most the greatest pairwise high. So ``[max of lows, max of highs]`` holds the range, without
    having to know which groups are the extreme ones. A range is never negative: low is clipped.

    Examples
    --------
    >>> spread = range_difference([56, 48], [70, 80], 0.95)
    >>> round(spread.estimate, 2), round(spread.low, 4), round(spread.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    count, total = _groups(successes, trials)
    low, high = _pairwise(newcombe_difference, count, total, confidence)
    rate = count / total
    highest, lowest = int(rate.argmax()), int(rate.argmin())
    return Spread(
        float(rate[highest] - rate[lowest]), max(0.0, float(np.nanmax(low))), float(np.nanmax(high)), highest, lowest
    )


def range_ratio(successes: ArrayLike, trials: ArrayLike, confidence: float) -> Spread:
    """Interval for the smallest over the largest of k rates.

    Parameters
    ----------
    successes, trials : array_like of shape (k,)
        Counts per group; at least two groups, every one with trials.
    confidence
        Two-sided level in (0, 1) of the result.

    Returns
    -------
    Spread
        Limits in [0, 1]; the estimate is NaN when every rate is 0.

    Raises
    ------
    ValueError
        With fewer than two groups or a group without trials.

    Notes
    -----
    As for `range_difference`, over ordered pairs: the wanted ratio is the least of all
    ``p_i / p_j``, so ``[min of lows, min of highs]`` holds it whenever every pairwise interval
    holds its own ratio. One interval serves both orders of a pair, since the limits of
    ``p_j / p_i`` are the reciprocals of those of ``p_i / p_j``; so pairs are counted once. The
    ratio never exceeds 1: high is clipped.

    Examples
    --------
    >>> spread = range_ratio([56, 48], [70, 80], 0.95)
    >>> round(spread.estimate, 2), round(spread.low, 3), round(spread.high, 3)
    (0.75, 0.601, 0.927)
    """
    count, total = _groups(successes, trials)
    low, high = _pairwise(mover_ratio, count, total, confidence)
    rate = count / total
    highest, lowest = int(rate.argmax()), int(rate.argmin())
    estimate = float(rate[lowest] / rate[highest]) if count.any() else float("nan")
    return Spread(estimate, float(np.nanmin(low)), min(1.0, float(np.nanmin(high))), highest, lowest)


def pair_confidence(groups: int, confidence: float) -> float:
    """Level of each pairwise interval such that all pairs of `groups` hold together at `confidence`."""
    return 1 - (1 - confidence) / (groups * (groups - 1) // 2)


def _pairwise(method: Callable[..., Interval], count: Floats, total: Floats, confidence: float) -> Interval:
    """Intervals of every ordered pair as (k, k) matrices, NaN on the diagonal."""
    each = pair_confidence(len(count), confidence)
    low, high = method(count[:, None], total[:, None], count[None, :], total[None, :], each)
    np.fill_diagonal(low, np.nan)
    np.fill_diagonal(high, np.nan)
    return Interval(low, high)


def _groups(successes: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats]:
    count, total = _counts(successes, trials)
    if count.ndim != 1 or len(count) < 2:
        raise ValueError("a spread needs at least two groups")
    if not total.all():
        raise ValueError("a group without trials has no rate")
    return count, total


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats]:
    count, total = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if not (np.all(count >= 0) and np.all(count <= total)):
        raise ValueError("counts must satisfy 0 <= successes <= trials")
    return count, total


def _rate(successes: ArrayLike, trials: ArrayLike) -> Floats:
    count, total = _counts(successes, trials)
    with np.errstate(invalid="ignore"):
        return count / total
