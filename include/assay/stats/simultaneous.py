"""Many intervals that hold together, and one budget of error over many attempts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.stats.intervals import SUREST, normal_quantile

Floats = NDArray[np.float64]
_SURE = 1.645  # the quantile is not underestimated in 95 % of sets of draws
_TAIL = 10  # fewer draws than this beyond a quantile do not tell where it is


def max_t(draws: ArrayLike, confidence: float) -> float:
    """How many standard errors all intervals must reach to hold together, from joint draws.

    Parameters
    ----------
    draws : array_like of shape (draws, m)
        The m estimates in each bootstrap sample. Estimates that do not vary ask for nothing.
    confidence
        Two-sided level in (0, 1) at which all m hold.

    Returns
    -------
    float
        The quantile of the largest studentised deviation; never below that of one interval, never
        above that of `m` unrelated ones (Bonferroni), which also serves where the draws are too few to
        tell.

    References
    ----------
    P. H. Westfall, S. S. Young (1993), Resampling-Based Multiple Testing.
    F. Bretz, T. Hothorn, P. Westfall (2010), Multiple Comparisons Using R: simultaneous intervals
    from the maximum.

    Examples
    --------
    >>> same = np.random.default_rng(0).normal(size=(10_000, 1)) @ np.ones((1, 20))
    >>> float(round(max_t(same, 0.95), 1))  # what always moves together asks for no correction
    2.0
    """
    table = np.asarray(draws, dtype=np.float64)
    spread = table.std(axis=0, ddof=1)
    varying = spread > 0
    bound = normal_quantile(min(SUREST, 1 - (1 - confidence) / max(1, int(varying.sum()))))
    if (1 - confidence) * len(table) < _TAIL or varying.sum() < 2:
        return bound
    deviation = np.abs(table[:, varying] - table[:, varying].mean(axis=0)) / spread[varying]
    # what the draws leave open about their own quantile is charged to it
    share = confidence + _SURE * np.sqrt(confidence * (1 - confidence) / len(table))
    found = float(np.quantile(deviation.max(axis=1), min(1.0, share)))
    return min(bound, max(found, normal_quantile(confidence)))


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted for how many there are, without any assumption on how they depend on each other.

    Parameters
    ----------
    p_values : array_like of shape (m,)

    Returns
    -------
    ndarray of shape (m,)
        Refusing those at most alpha keeps the chance of any false refusal at most alpha.

    References
    ----------
    S. Holm (1979), A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def attempt_alpha(alpha: float, attempt: int) -> float:
    """What the k-th attempt may spend of one budget of error, so that no number of attempts exceeds it.

    Parameters
    ----------
    alpha
        The whole budget, in (0, 1).
    attempt
        k, counted from 1.

    Returns
    -------
    float
        ``alpha * 6 / (pi * k)**2``. All attempts together spend `alpha`, so by the union bound the
        chance that any of them errs is at most `alpha`, however the attempts depend on each other
        and whenever one stops.

    References
    ----------
    D. P. Foster, R. A. Stine (2008), Alpha-investing: a procedure for sequential control of expected
    false discoveries. JRSS B 70, 429-444, which sets it beside alpha-spending over a sequence of
    tests. The sequence is the scaled one of L. Euler's sum of the reciprocal squares.

    Raises
    ------
    ValueError
        When `alpha` is not inside (0, 1) or `attempt` is below 1.

    Examples
    --------
    >>> [round(attempt_alpha(0.05, k), 4) for k in (1, 2, 10)]
    [0.0304, 0.0076, 0.0003]
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be inside (0, 1), got {alpha}")
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, got {attempt}")
    return float(alpha * 6 / (np.pi * attempt) ** 2)
