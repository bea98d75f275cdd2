"""Intervals for one rate, and for the difference or the ratio of two."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper limits, of one shape."""

    low: Floats
    high: Floats


SUREST = 1 - 2**-50
"""The highest level that intervals are made at: nearer to 1, rounding would make it 1, at which they say nothing."""


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


def confidence_of(quantile: float) -> float:
    """The two-sided level of an interval that reaches so many standard deviations: undoes `normal_quantile`.

    Examples
    --------
    >>> round(confidence_of(normal_quantile(0.95)), 12)
    0.95
    """
    return float(1 - 2 * ndtr(-quantile))


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


def jeffreys(successes: ArrayLike, trials: ArrayLike, confidence: float) -> Interval:
    """Jeffreys' interval for a rate: the middle of the posterior from a Beta(1/2, 1/2) prior.

    Parameters, result and errors are those of `wilson`. Its misses are shared more evenly between
    both sides than Wilson's when a rate is near 0 or 1.

    References
    ----------
    L. D. Brown, T. T. Cai, A. DasGupta (2001), Interval estimation for a binomial proportion.
    Statistical Science 16, 101-133.

    Examples
    --------
    >>> low, high = jeffreys(1, 10, 0.95)
    >>> float(low.round(4)), float(high.round(4))
    (0.011, 0.3813)
    """
    count, total = _counts(successes, trials)
    tail = _tail(confidence)
    none = np.where(total == 0, np.nan, 0.0)  # no trials tell nothing, whatever the prior says
    low = np.where(count == 0, 0.0, betaincinv(count + 0.5, total - count + 0.5, tail))
    high = np.where(count == total, 1.0, betaincinv(count + 0.5, total - count + 0.5, 1 - tail))
    return Interval(low + none, high + none)


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
    return mover_difference(rates(successes_1, trials_1, confidence), rates(successes_2, trials_2, confidence))


def koopman_ratio(
    successes_1: ArrayLike, trials_1: ArrayLike, successes_2: ArrayLike, trials_2: ArrayLike, confidence: float
) -> Interval:
    """Score interval for the ratio of two independent rates, first over second.

    Parameters
    ----------
    successes_1, trials_1, successes_2, trials_2
        Counts, broadcast against each other.
    confidence
        Two-sided level in (0, 1).

    Returns
    -------
    Interval
        Limits in [0, inf]: the lower is 0 where the first side has no success, the upper infinite
        where the second has none; both are NaN where either side has no trials.

    Notes
    -----
    A limit is where the score statistic, with both rates at their most likely values under that
    ratio, reaches the squared normal quantile. It is found by halving on the ratio's logarithm.

    References
    ----------
    P. A. R. Koopman (1984), Confidence intervals for the ratio of two binomial proportions.
    Biometrics 40, 513-517.

    Examples
    --------
    >>> low, high = koopman_ratio(36, 40, 16, 80, 0.95)
    >>> float(low.round(2)), float(high.round(2))
    (2.94, 7.15)
    """
    x1, n1, x2, n2 = np.broadcast_arrays(*_counts(successes_1, trials_1), *_counts(successes_2, trials_2))
    limit = normal_quantile(confidence) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        start = np.log(np.maximum(x1, 0.5) / n1) - np.log(np.maximum(x2, 0.5) / n2)
        low = _where_score_is(limit, x1, n1, x2, n2, start, -_FAR)
        high = _where_score_is(limit, x1, n1, x2, n2, start, _FAR)
    none = np.where((n1 == 0) | (n2 == 0), np.nan, 0.0)
    return Interval(np.where(x1 == 0, 0.0, low) + none, np.where(x2 == 0, np.inf, high) + none)


def _where_score_is(limit: float, x1: Floats, n1: Floats, x2: Floats, n2: Floats, start: Floats, far: float) -> Floats:
    """The ratio between `start` and `far` beyond it, both logarithms, at which the statistic is `limit`."""
    near, beyond = start, start + far
    for _ in range(_HALVINGS):
        middle = (near + beyond) / 2
        inside = _ratio_score(np.exp(middle), x1, n1, x2, n2) < limit
        near, beyond = np.where(inside, middle, near), np.where(inside, beyond, middle)
    ratio: Floats = np.exp(beyond)
    return ratio


def _ratio_score(ratio: Floats, x1: Floats, n1: Floats, x2: Floats, n2: Floats) -> Floats:
    """Koopman's statistic: Pearson's of both sides, at their likeliest rates under the ratio."""
    linear = ratio * (n1 + x2) + x1 + n2
    root = np.sqrt(np.maximum(linear**2 - 4 * ratio * (n1 + n2) * (x1 + x2), 0))
    p1 = 2 * ratio * (x1 + x2) / (linear + root)  # the smaller root, written so that nothing cancels
    return _pearson(x1, n1, p1) + _pearson(x2, n2, p1 / ratio)


def _pearson(count: Floats, total: Floats, rate: Floats) -> Floats:
    """The squared deviation from a rate, in variances; nothing where there is none, even at the rates 0 and 1."""
    gap = count - total * rate
    return np.where(np.abs(gap) < _ROUNDING * total, 0.0, gap**2 / (total * rate * (1 - rate)))


_ROUNDING = 1e-12
_FAR = 30.0  # a ratio is not looked for beyond e**30 times its estimate
_HALVINGS = 60


class Estimates(NamedTuple):
    """Estimates of several independent quantities, each with its own interval; all of one shape."""

    value: Floats
    low: Floats
    high: Floats


def rates(successes: ArrayLike, trials: ArrayLike, confidence: float) -> Estimates:
    """Rates with their Wilson intervals; NaN where there are no trials."""
    count, total = _counts(successes, trials)
    with np.errstate(invalid="ignore"):
        return Estimates(count / total, *wilson(count, total, confidence))


def mover_difference(first: Estimates, second: Estimates) -> Interval:
    """Interval for a difference, recovered from the intervals of its two independent sides.

    References
    ----------
    G. Y. Zou, A. Donner (2008), Construction of confidence limits about effect measures: a general
    approach. Statistics in Medicine 27, 1693-1702.
    """
    (p1, l1, u1), (p2, l2, u2) = first, second
    return Interval(p1 - p2 - np.hypot(p1 - l1, u2 - p2), p1 - p2 + np.hypot(u1 - p1, p2 - l2))


def mover_ratio(first: Estimates, second: Estimates) -> Interval:
    """MOVER-R interval for the ratio of two independent quantities that are not negative.

    Returns
    -------
    Interval
        Limits in [0, inf]; the upper one is infinite where the second quantity may be 0, and both
        are NaN where either side is.

    Notes
    -----
    The limits are the roots `R` at which the interval for ``p1 - R * p2``, recovered from the two
    sides' own intervals, has 0 as its end. The lower one is written with its numerator
    rationalised, so that it also holds where the published form divides by zero.

    References
    ----------
    A. Donner, G. Y. Zou (2012), Closed-form confidence intervals for functions of the normal mean
    and standard deviation. Statistical Methods in Medical Research 21, 347-359, equation for a ratio.

    Examples
    --------
    >>> low, high = mover_ratio(rates(48, 80, 0.95), rates(56, 70, 0.95))
    >>> float(low.round(3)), float(high.round(3))
    (0.601, 0.927)
    """
    (p1, l1, u1), (p2, l2, u2) = first, second
    product = p1 * p2
    low_numerator, high_denominator = l1 * (2 * p1 - l1), l2 * (2 * p2 - l2)
    # negative only by rounding
    low_root = np.sqrt(np.maximum(product**2 - low_numerator * u2 * (2 * p2 - u2), 0))
    high_root = np.sqrt(np.maximum(product**2 - high_denominator * u1 * (2 * p1 - u1), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(low_numerator == 0, low_numerator, low_numerator / (product + low_root))
        high = np.where(high_denominator == 0, np.inf, (product + high_root) / high_denominator)
    none = 0 * (product + l1 + l2)
    return Interval(low + none, high + none)


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[Floats, Floats]:
    count, total = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if not (np.all(count >= 0) and np.all(count <= total)):
        raise ValueError("counts must satisfy 0 <= successes <= trials")
    return count, total


def _tail(confidence: float) -> float:
    normal_quantile(confidence)  # refuses what is no level
    return (1 - confidence) / 2
