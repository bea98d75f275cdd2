"""Intervals for several means over the same rows that hold all together."""

import numpy as np

from assay.evidence.explain.shapley import Floats

_DRAWS = 20_000
_SEED = 20130101  # the critical value is a property of the data; its draws need no seed of their own
_RIDGE = 1e-9
_NOISE = 1e-12  # a spread below this is rounding


def half_widths(influences: Floats, confidence: float) -> Floats:
    """Half-widths of intervals around k means of n rows that hold all k at once.

    Rows are resampled by Gaussian weights, and the largest deviation of any mean, in standard
    errors, is what the intervals are widened to. Given the rows, such draws are normal with the
    influences' covariance, and are drawn from it directly.

    Parameters
    ----------
    influences : ndarray of shape (n, k)
        How far each row pulls each mean.
    confidence
        In (0, 1), joint over the k means.

    Returns
    -------
    ndarray of shape (k,)
        NaN where the influences do not differ, and so tell nothing about the error.

    References
    ----------
    V. Chernozhukov, D. Chetverikov, K. Kato (2013), Gaussian approximations and multiplier bootstrap
    for maxima of sums of high-dimensional random vectors, Annals of Statistics 41, section 3.

    Examples
    --------
    >>> one = half_widths(np.random.default_rng(0).normal(size=(400, 1)), 0.95)
    >>> ten = half_widths(np.random.default_rng(0).normal(size=(400, 10)), 0.95)
    >>> bool(0.09 < one[0] < 0.11 < ten[0])
    True
    """
    rows, means = influences.shape
    widths = np.full(means, np.nan)
    if rows < 2:
        return widths
    errors = np.sqrt((influences**2).sum(axis=0)) / rows
    told = errors > _NOISE
    if told.any():
        scaled = influences[:, told] / (errors[told] * rows)
        widths[told] = errors[told] * _critical(scaled.T @ scaled, confidence)
    return widths


def _critical(correlation: Floats, confidence: float) -> float:
    """The largest of so many correlated standard normals stays below this with probability `confidence`."""
    root = np.linalg.cholesky(correlation + _RIDGE * np.eye(len(correlation)))
    draws = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(correlation))) @ root.T
    return float(np.quantile(np.abs(draws).max(axis=1), confidence))
