"""Calibration: how far scores lie from the shares of positives that they announce."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.stats.intervals import normal_quantile, wilson

Floats = NDArray[np.float64]

# Guo et al. (2017), On calibration of modern neural networks, section 3, use 15 bins of equal width.
ECE_BINS = 15


def score_bins(score: Floats, bins: int) -> NDArray[np.intp]:
    """Which of so many bins of equal width each score lies in; 1 lies in the last."""
    return np.minimum((score * bins).astype(np.intp), bins - 1)


def ece_noise(score: Floats) -> float:
    """The calibration error that sampling noise alone would show on average, were there none.

    A bin's gap is an absolute value, so noise raises it, and most where the true gap is 0: there
    by the mean of a half-normal variable, ``sqrt(2 / pi)`` standard deviations. That much is the
    bound on the upward bias of an estimated calibration error.
    """
    rows = max(1, len(score))
    return noise_lift(np.bincount(score_bins(score, ECE_BINS), score * (1 - score), ECE_BINS) / rows, rows)


def noise_lift(variances: Floats, size: float) -> float:
    """As `ece_noise`, from each bin's part of the mean of ``score * (1 - score)`` and the number of rows."""
    return float(np.sqrt(2 / np.pi * variances / size).sum())


class Bin(NamedTuple):
    """One bar of a reliability diagram: scores from `low` up to `high`, and what came of them."""

    low: float
    high: float
    rows: int
    positives: int
    mean_score: float
    deviation: float

    def bands(self, confidence: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Intervals of the mean score and of the share of positives, each at `confidence`."""
        half = normal_quantile(confidence) * self.deviation / self.rows**0.5
        base_low, base_high = wilson(self.positives, self.rows, confidence)
        score = (max(self.low, self.mean_score - half), min(self.high, self.mean_score + half))
        return score, (float(base_low), float(base_high))


def reliability(label: NDArray[np.bool_], score: Floats, bins: int = 10) -> tuple[Bin, ...]:
    """The bins that hold scores, from the lowest up.

    Examples
    --------
    >>> for each in reliability(np.array([False, True, True]), np.array([0.1, 0.2, 0.9]), bins=2):
    ...     print(each.low, each.high, each.rows, each.positives, round(each.mean_score, 2))
    0.0 0.5 2 1 0.15
    0.5 1.0 1 1 0.9
    """
    place = score_bins(score, bins)
    rows, positives = np.bincount(place, minlength=bins), np.bincount(place[label], minlength=bins)
    used = np.flatnonzero(rows)
    mean = np.bincount(place, score, bins)[used] / rows[used]
    around = np.zeros(bins)
    around[used] = mean
    spread = np.bincount(place, (score - around[place]) ** 2, bins)[used] / np.maximum(rows[used] - 1, 1)
    return tuple(
        Bin(float(at / bins), float((at + 1) / bins), int(rows[at]), int(positives[at]), float(m), float(d))
        for at, m, d in zip(used, mean, np.sqrt(spread), strict=True)
    )
