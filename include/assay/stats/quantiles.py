"""A quantile and its interval, whatever the distribution."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Floats = NDArray[np.float64]


def quantile_interval(values: Floats, share: float, confidence: float) -> tuple[float, tuple[float, float] | None]:
    """A quantile of independent values, and its interval between two of them.

    How many values lie below the true quantile is binomial, whatever they are values of: so two of the ordered
    values enclose it with a known probability.

    Parameters
    ----------
    values : ndarray of shape (n,)
        At least one, in any order.
    share
        Which quantile, in (0, 1).
    confidence
        Two-sided level in (0, 1); what is missing to 1 is divided evenly between both sides.

    Returns
    -------
    estimate, (low, high)
        None in place of the interval when so few values do not enclose the quantile at that level.

    References
    ----------
    H. A. David, H. N. Nagaraja (2003), Order Statistics, 3rd edition, section 7.1.

    Examples
    --------
    >>> estimate, interval = quantile_interval(np.arange(1.0, 101.0), 0.5, 0.95)
    >>> estimate, interval
    (50.0, (40.0, 61.0))
    """
    ordered, n = np.sort(values), len(values)
    tail = (1 - confidence) / 2
    upto = bdtr(np.arange(n), n, share)  # chance that at most so many values lie below the quantile
    lowest, highest = np.flatnonzero(upto <= tail), np.flatnonzero(1 - upto <= tail)
    estimate = float(ordered[max(0, int(np.ceil(share * n)) - 1)])
    if not len(lowest) or not len(highest):
        return estimate, None
    return estimate, (float(ordered[lowest[-1]]), float(ordered[highest[0]]))
