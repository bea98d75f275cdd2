"""A group's errors in predicting numbers: their sizes, their squares and which way they lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from assay.core import Measured
from assay.gates.fairness.members import Members, measured
from assay.stats.counts import effective_size, moments
from assay.stats.intervals import normal_quantile

Floats = NDArray[np.float64]

ERRORS = ("mae", "rmse", "mean_error")
_ROUNDING = 1e-12  # a spread below this part of the mean is rounding
_FAR = 700.0  # on the logarithm: as far as a number reaches


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupErrors(Members):
    """One group's errors, each prediction minus its label.

    Attributes
    ----------
    rows
        How many there are.
    size
        How many rows of equal weight tell as much (Kish); 0 when they weigh nothing.
    moments
        Mean and standard deviation of the errors' absolute values, of their squares, and of themselves.
    """

    rows: int
    size: float
    moments: Mapping[str, tuple[float, float]]

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.rows

    def support(self, metric: str) -> int:
        """Number of rows that a metric is counted among."""
        return self.rows

    def flaw(self, metric: str) -> str | None:
        """Why the group has no such metric, or no interval for it; None when it has both."""
        if not self.size:
            return "no weight"
        return "errors that do not vary" if np.isnan(self.estimate(metric, 0.95)[1]) else None

    def estimate(self, metric: str, confidence: float) -> tuple[float, float, float]:
        """A metric with its interval at `confidence`; NaN in place of what does not exist.

        The mean error's limits are Student's. Those of the mean absolute error, and by the delta method
        of the root mean squared error, are Student's on the logarithm, on which neither falls
        below 0 and their skewness matters less.
        """
        mean, spread = self.moments[metric]
        value = mean**0.5 if metric == "rmse" else mean
        if self.size <= 1 or spread <= _ROUNDING * abs(mean):
            return value, np.nan, np.nan
        half = _student(confidence, self.size - 1) * spread / (self.size - 1) ** 0.5
        if metric == "mean_error":
            return value, mean - half, mean + half
        factor = float(np.exp(min(_FAR, half / mean / (2 if metric == "rmse" else 1))))
        return value, value / factor, value * factor

    def metrics(self, confidence: float) -> dict[str, Measured]:
        """Every metric, each with its own interval at `confidence`."""
        return {name: measured(*self.estimate(name, confidence), self.rows) for name in ERRORS}


def _student(confidence: float, freedom: float) -> float:
    normal_quantile(confidence)  # refuses what is no level
    return float(-stdtrit(freedom, (1 - confidence) / 2))


def summarise_errors(
    found: list[dict[str, str]], group: NDArray[np.intp], error: Floats, weights: Floats | None
) -> list[GroupErrors]:
    """What each group's errors come to.

    Parameters
    ----------
    found
        The groups, all of which occur.
    group : ndarray of shape (n,)
        Each row's position among them.
    error, weights : ndarray of shape (n,)
        Prediction minus label, and how much each row counts.
    """
    weight = np.ones(len(error)) if weights is None else weights
    order = np.lexsort((weight, error, group))  # sums must not depend on the rows' order
    group, error, weight = group[order], error[order], weight[order]
    cuts = np.flatnonzero(np.diff(group)) + 1
    parts = zip(found, np.split(error, cuts), np.split(weight, cuts), strict=True) if found else ()
    return [_summary(*part) for part in parts]


def _summary(group: dict[str, str], error: Floats, weight: Floats) -> GroupErrors:
    values = {"mae": np.abs(error), "rmse": error**2, "mean_error": error}
    size = float(effective_size(weight.sum(), (weight**2).sum()))
    return GroupErrors(
        group=group,
        rows=len(error),
        size=size,
        moments={name: moments(each, weight) if size else (np.nan, np.nan) for name, each in values.items()},
    )
