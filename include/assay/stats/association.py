"""How closely two columns go together, and how much of that is left elsewhere: from counts of their cells alone.

What one table of counts says of two columns is their pattern: which pairs of cells come together more often than
by chance. How closely other rows follow that pattern is linear in their counts. So where a share s of one column's
values has been dealt anew among the rows, exactly 1 - s of it is left, and the sum over many partners has the variance
of a mean over rows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from assay.stats.intervals import normal_quantile

Floats = NDArray[np.float64]

_HALF = 0.5  # added to each cell, so that one of two rare values is no pattern yet


def pattern(counts: Floats) -> Floats:
    """How much more often each pair of cells comes together than by chance.

    Parameters
    ----------
    counts : ndarray of shape (cells, others)
        Rows in each pair of cells.

    Returns
    -------
    ndarray of shape (cells, others)
        Observed over expected count, less 1: 0 where the columns have nothing to do with each other. Its square,
        weighted by the expected shares, sums to Pearson's mean square contingency.

    References
    ----------
    M. J. Greenacre (1984), Theory and Applications of Correspondence Analysis, chapter 4: the contingency ratios.

    Examples
    --------
    >>> pattern(np.array([[99.5, 99.5], [99.5, 99.5]])).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    shares = (counts + _HALF) / (counts + _HALF).sum()
    found: Floats = shares / np.outer(shares.sum(axis=1), shares.sum(axis=0)) - 1
    return found


def follows(counts: Floats, weights: Floats) -> tuple[float, Floats]:
    """How closely rows follow a pattern, and each row's pull on that, by its pair of cells.

    Parameters
    ----------
    counts : ndarray of shape (cells, others)
        Rows in each pair of cells, at least one; not the rows that the pattern was made from.
    weights : ndarray of shape (cells, others)
        The pattern.

    Returns
    -------
    value, pulls
        The pattern's mean over the rows less its mean over unrelated columns with the same shares: 0 where the columns
        have nothing to do with each other. The pulls have mean 0 over the rows, and their variance over the
        number of rows is the value's.

    Examples
    --------
    >>> whole = np.array([[80.0, 20.0], [20.0, 80.0]])
    >>> half_dealt_anew = np.array([[65.0, 35.0], [35.0, 65.0]])
    >>> weights = pattern(whole)
    >>> round(follows(half_dealt_anew, weights)[0] / follows(whole, weights)[0], 9)
    0.5
    """
    shares = counts / counts.sum()
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    by_row, by_column = weights @ columns, rows @ weights
    chance = float(rows @ by_row)
    value = float((shares * weights).sum()) - chance
    pulls: Floats = weights - by_row[:, None] - by_column[None, :] + chance - value
    return value, pulls


def ratio_interval(
    above: float, its_error: float, below: float, belows_error: float, confidence: float
) -> tuple[float, float] | None:
    """Fieller's interval for the ratio of two unrelated means.

    Parameters
    ----------
    above, its_error, below, belows_error
        Estimates and their standard errors.
    confidence
        Two-sided level in (0, 1).

    Returns
    -------
    low, high
        None where `below` may be 0 or negative: then the ratio may be anything.

    References
    ----------
    E. C. Fieller (1954), Some problems in interval estimation. JRSS B 16, 175-185.

    Examples
    --------
    >>> [round(end, 3) for end in ratio_interval(0.5, 0.01, 1.0, 0.01, 0.95)]
    [0.478, 0.522]
    """
    z2 = normal_quantile(confidence) ** 2
    square = below**2 - z2 * belows_error**2
    if below <= 0 or not square > 0:
        return None
    product = above * below
    half = math.sqrt(max(0.0, product**2 - square * (above**2 - z2 * its_error**2)))
    return (product - half) / square, (product + half) / square
