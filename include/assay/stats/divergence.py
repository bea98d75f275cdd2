"""How far a distribution has moved, from the counts of its cells on both sides alone.

Cells are bins of a number in their order, or categories; counting them is the caller's. Everything
here takes two arrays of shape (cells,), the reference first, and looks at no row.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

_HALF = 0.5  # added to each cell, as if half a row more had been seen there: the logarithm of nothing is no distance
_NORMAL = 1e6  # from here on the non-central chi-squared variable is as good as normal, and its inverse fails at last
_FEWEST = 5  # rows that a cell must be expected to hold for the chi-squared approximation


def psi(reference: ArrayLike, current: ArrayLike) -> float:
    """Population stability index: the sum over cells of (q - p) ln(q / p), p and q being the two sides' shares.

    0 when the shares are equal. By the convention of credit scoring up to 0.1 is no shift worth a
    look, from 0.25 on a large one; the convention knows nothing of the number of rows, see
    `psi_interval`.

    Raises
    ------
    ValueError
        When the sides differ in their cells, a count is negative, or a side has no rows.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards. It is Jeffreys' divergence: Kullback and Leibler (1951), On
    Information and Sufficiency.

    Examples
    --------
    >>> round(psi([50, 50], [50, 50]), 3), round(psi([500, 500], [300, 700]), 3)
    (0.0, 0.169)
    """
    p, q = (_shares(each) for each in _pair(reference, current))
    return float(np.sum((q - p) * np.log(q / p)))


def psi_interval(reference: ArrayLike, current: ArrayLike, confidence: float) -> tuple[float, float]:
    """Where the index would lie with endless rows on both sides.

    With finitely many rows the index is above 0 also where nothing moved: about (cells - 1) (1/n + 1/m).
    Divided by (1/n + 1/m) it is close to a non-central chi-squared variable with cells - 1 degrees of
    freedom whose non-centrality is the true index, so divided; the interval is what that test does not
    reject. Its lower end is exactly 0 where chance explains the data well enough. That holds for cells
    that are not too rare: see `pooled`.

    Raises
    ------
    ValueError
        As `psi`, and when `confidence` is not in (0, 1).

    References
    ----------
    Yurdakul and Naranjo (2020), Statistical Properties of the Population Stability Index, Journal of
    Risk Model Validation: the distribution without shift.

    Examples
    --------
    >>> low, high = psi_interval([500, 500], [520, 480], 0.95)
    >>> low, round(high, 3)
    (0.0, 0.016)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    one, other = _pair(reference, current)
    unit = float(1 / one.sum() + 1 / other.sum())
    freedom, found, tail = max(1, len(one) - 1), psi(one, other) / unit, (1 - confidence) / 2
    return unit * _noncentrality(found, freedom, 1 - tail), unit * _noncentrality(found, freedom, tail)


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """The largest difference between the two cumulative shares over cells in their order, and its p-value.

    Exact in the statistic where each distinct value has a cell of its own. With wider bins the true
    difference may be larger, so the p-value is never too small. The p-value is the asymptotic one.

    Raises
    ------
    ValueError
        As `psi`.

    References
    ----------
    Smirnov (1948), Table for Estimating the Goodness of Fit of Empirical Distributions.

    Examples
    --------
    >>> statistic, p = kolmogorov_smirnov([50, 50, 0], [25, 50, 25])
    >>> statistic, round(p, 4)
    (0.25, 0.0039)
    """
    one, other = _pair(reference, current)
    n, m = one.sum(), other.sum()
    statistic = float(np.max(np.abs(np.cumsum(one) / n - np.cumsum(other) / m)))
    return statistic, float(special.kolmogorov(statistic * np.sqrt(n * m / (n + m))))


def chi_squared(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Pearson's test that both sides have the same shares of categories: Cramér's V in [0, 1], and the p-value.

    Cells too rare for the approximation are counted as one.

    Raises
    ------
    ValueError
        As `psi`.

    References
    ----------
    Cramér (1946), Mathematical Methods of Statistics. Cochran (1954), Some Methods for Strengthening
    the Common Chi-Squared Tests: how rare is too rare.

    Examples
    --------
    >>> effect, p = chi_squared([60, 40], [40, 60])
    >>> round(effect, 3), round(p, 4)
    (0.2, 0.0047)
    """
    table = np.vstack(pooled(reference, current))
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return float(np.sqrt(statistic / table.sum())), float(special.chdtrc(table.shape[1] - 1, statistic))


def pooled(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """The same counts with the cells too rare for a chi-squared approximation counted as one.

    A cell is too rare when, were both sides alike, fewer than 5 rows of the smaller one would lie in it. Cells
    empty on both sides are left out: they tell nothing, and have no degree of freedom.

    Raises
    ------
    ValueError
        As `psi`.

    References
    ----------
    Cochran (1954), Some Methods for Strengthening the Common Chi-Squared Tests.

    Examples
    --------
    >>> [side.tolist() for side in pooled([50, 40, 3, 0, 1], [45, 44, 1, 0, 2])]
    [[50.0, 40.0, 4.0], [45.0, 44.0, 3.0]]
    """
    one, other = _pair(reference, current)
    table = np.vstack([one, other])
    share = min(one.sum(), other.sum()) / table.sum()
    rare = table.sum(axis=0) * share < _FEWEST
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    return table[0], table[1]


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """The share of rows that would have to change their cell to make both sides alike; in [0, 1].

    Raises
    ------
    ValueError
        As `psi`.

    Examples
    --------
    >>> total_variation([50, 50], [25, 75])
    0.25
    """
    one, other = _pair(reference, current)
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


def _noncentrality(found: float, freedom: int, level: float) -> float:
    """The non-centrality under which `found` is the quantile at `level`; 0 where it is too small for any."""
    if special.gammainc(freedom / 2, found / 2) <= level:
        return 0.0
    if found > _NORMAL:
        return float(found - freedom - special.ndtri(level) * 2 * np.sqrt(found))
    return float(special.chndtrinc(found, freedom, level))


def _pair(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    one, other = (np.asarray(each, dtype=np.float64) for each in (reference, current))
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise ValueError(f"both sides must have the same cells, got shapes {one.shape} and {other.shape}")
    if not (np.isfinite(one).all() and np.isfinite(other).all()) or (one < 0).any() or (other < 0).any():
        raise ValueError("a count must be finite and not negative")
    if not (one.sum() and other.sum()):
        raise ValueError("a side has no rows")
    return one, other


def _shares(counts: Floats) -> Floats:
    smoothed: Floats = (counts + _HALF) / (counts.sum() + _HALF * len(counts))
    return smoothed
