"""What is made of the order of scores: the area under the ROC curve, and average precision."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(label: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    """The share of (positive, negative) pairs in order, ties counting half, and each row's pull on it.

    Parameters
    ----------
    label, score : ndarray of shape (n,)
        At least two rows of each class.

    Returns
    -------
    value, pulls
        In [0, 1], and an array of shape (n,): the rows' placements among the other class about their
        mean, scaled so that ``sum(pulls**2) / (n * (n - 1))`` is DeLong's variance, and the same of
        the difference of two scores' pulls DeLong's variance of a paired difference.

    References
    ----------
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson (1988), Comparing the areas under two or more
    correlated receiver operating characteristic curves. Biometrics 44, 837-845.
    X. Sun, W. Xu (2014), Fast implementation of DeLong's algorithm. IEEE Signal Processing Letters 21,
    1389-1393: the placements from sorting, in place of all pairs.

    Examples
    --------
    >>> value, pulls = auc(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8]))
    >>> value, pulls.round(2).tolist()
    (0.875, [0.31, -0.31, -0.31, 0.31])
    """
    order, n = np.argsort(score), len(label)
    positive = label[order]
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))  # of every run of tied scores
    tied, high = np.diff(starts, append=n), np.add.reduceat(positive, starts, dtype=np.intp)
    positives, negatives = int(high.sum()), n - int(high.sum())
    high_below = np.cumsum(high) - high / 2  # ties count half
    low_below = starts + tied / 2 - high_below
    placed = np.where(positive, np.repeat(low_below / negatives, tied), np.repeat(1 - high_below / positives, tied))
    value = float(placed[positive].mean())
    scale = [(n * (n - 1) / (size * (size - 1))) ** 0.5 for size in (negatives, positives)]
    pulls = np.empty(n)
    pulls[order] = (placed - value) * np.where(positive, scale[1], scale[0])
    return value, pulls


def average_precision(label: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    """The precision at every threshold, weighted by the recall that it adds, and each row's pull on it.

    Parameters
    ----------
    label, score : ndarray of shape (n,)
        At least one positive row.

    Returns
    -------
    value, pulls
        In [0, 1], and an array of shape (n,) with mean 0: by how much n times the value would grow,
        were the row there once more.

    Notes
    -----
    With ``p[k]`` positives at the k-th threshold from above, and ``t[k]`` of the ``n[k]`` rows down to
    it positive, the value is ``sum(p * t / n) / P``. One more row at j moves ``t`` and ``n`` at every
    threshold from j on, and ``p`` at its own.

    Examples
    --------
    >>> value, pulls = average_precision(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8]))
    >>> round(value, 4), abs(round(float(pulls.sum()), 9))
    (0.8333, 0.0)
    """
    distinct, place = np.unique(-score, return_inverse=True)
    added = np.bincount(place, weights=label, minlength=len(distinct))
    true = np.cumsum(added)
    rows = np.cumsum(np.bincount(place, minlength=len(distinct)))
    positives = true[-1]
    precision = true / rows
    value = float(added @ precision / positives)
    # what follows from a row's threshold on: one more positive lifts precision there, one more negative lowers it
    lifted, lowered = (np.cumsum((added * share / rows**2)[::-1])[::-1] / positives for share in (rows - true, true))
    own = (precision - value) / positives
    pulls = len(label) * np.where(label, own[place] + lifted[place], -lowered[place])
    return value, np.asarray(pulls, dtype=np.float64)
