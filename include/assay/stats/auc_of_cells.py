"""The area under the ROC curve of cells in order, and its interval."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from assay.stats.intervals import normal_quantile

_EDGE = 1e-12


def auc_of_cells(positives: ArrayLike, negatives: ArrayLike) -> float:
    """How often a positive row lies in a higher cell than a negative one, ties counting half.

    Parameters
    ----------
    positives, negatives : array_like of shape (cells,)
        Counts of rows in each cell, the cells in rising order.

    Returns
    -------
    float
        In [0, 1]; NaN without rows of both kinds.

    Examples
    --------
    >>> auc_of_cells([0, 1, 1], [1, 1, 0])
    0.875
    """
    positive, negative = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    pairs = positive.sum() * negative.sum()
    if not pairs:
        return float("nan")
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / pairs)


def auc_interval(auc: float, positives: int, negatives: int, confidence: float) -> tuple[float, float]:
    """Newcombe's score interval, which has a width at 0 and at 1 too.

    Parameters
    ----------
    auc
        The estimate, in [0, 1].
    positives, negatives
        Numbers of rows, each at least 1.
    confidence
        Two-sided level in (0, 1).

    References
    ----------
    R. G. Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic. Part 2: asymptotic methods and evaluation. Statistics in Medicine 25, 559-573, method 5.

    Examples
    --------
    >>> [round(x, 3) for x in auc_interval(1.0, 20, 20, 0.95)]
    [0.899, 1.0]
    """
    z2, many = normal_quantile(confidence) ** 2, (positives + negatives) / 2 - 1

    def surplus(theta: float) -> float:
        shape = 1 + many * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (auc - theta) ** 2 - z2 * theta * (1 - theta) * shape / (positives * negatives)

    inside = min(max(auc, _EDGE), 1 - _EDGE)  # where the surplus is below 0, at the ends too
    low = 0.0 if surplus(_EDGE) <= 0 else float(brentq(surplus, _EDGE, inside))
    high = 1.0 if surplus(1 - _EDGE) <= 0 else float(brentq(surplus, inside, 1 - _EDGE))
    return low, high
