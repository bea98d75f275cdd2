"""Estimates of a model's metrics with their standard errors, and the intervals that follow from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from assay.stats.intervals import normal_quantile, wilson

SMALLER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "cost"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A quantity and how much it varies from sample to sample.

    Attributes
    ----------
    value
        What the sample itself shows.
    error
        Standard error; None when the sample tells nothing about it (a class is too rare, or all
        rows are alike though those of another sample need not be).
    lift, sink
        The most by which sampling noise raises or lowers `value` on average; 0 for unbiased metrics.
    trials
        Of a rate: the number of rows that it is counted among.
    """

    value: float
    error: float | None
    lift: float = 0.0
    sink: float = 0.0
    trials: float | None = None


class _Scale(NamedTuple):
    """A scale on which a metric is unbounded; `slope` is its derivative."""

    to: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


_SHARE = _Scale(logit, expit, lambda v: 1 / (v * (1 - v)))
_ABOVE_ZERO = _Scale(np.log, np.exp, lambda v: 1 / v)
_BELOW_ZERO = _Scale(lambda v: -np.log(-v), lambda s: -np.exp(-s), lambda v: -1 / v)
_BELOW_ONE = _Scale(lambda v: -np.log1p(-v), lambda s: -np.expm1(-s), lambda v: 1 / (1 - v))
_CORRELATION = _Scale(np.arctanh, np.tanh, lambda v: 1 / (1 - v * v))
_ITSELF = _Scale(lambda v: v, lambda s: s, lambda v: 1.0)

_SCALES: Mapping[str, _Scale] = {
    **dict.fromkeys(("log_loss", "brier", "positive_likelihood_ratio"), _ABOVE_ZERO),
    **dict.fromkeys(("neg_log_loss", "neg_brier_score", "neg_negative_likelihood_ratio"), _BELOW_ZERO),
    **dict.fromkeys(("d2_log_loss_score", "d2_brier_score"), _BELOW_ONE),
    "matthews_corrcoef": _CORRELATION,
    "cost": _ITSELF,
}


def level_interval(metric: str, estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Interval for a metric's level.

    A rate has Wilson's interval. Otherwise the limits are normal, on a scale on which the metric is unbounded
    and its spread more even: the logit for what lies between 0 and 1, the logarithm for log loss and
    Brier score, Fisher's z for a correlation. In simulation this holds its level where percentiles of
    a bootstrap do not, and it reaches the far tails that simultaneous intervals ask for. Calibration
    error stays on its own scale, see `assay.stats.calibration.ece_noise`.

    Returns
    -------
    low, high
        None when the error is not known.

    References
    ----------
    A. C. Davison, D. V. Hinkley (1997), Bootstrap Methods and their Application, section 5.2.1.

    Examples
    --------
    >>> low, high = level_interval("auc", Estimate(value=0.9, error=0.02), 0.95)
    >>> round(low, 3), round(high, 3)
    (0.853, 0.933)
    """
    value = estimate.value
    if estimate.trials is not None:
        low, high = wilson(value * estimate.trials, estimate.trials, confidence)
        return float(low), float(high)
    if estimate.error is None:
        return None
    half = normal_quantile(confidence) * estimate.error
    if metric == "ece":
        return max(0.0, value - estimate.lift - half), value + half
    to, back, slope = _SCALES.get(metric, _SHARE)
    half *= slope(value)
    return float(back(to(value) - half)), float(back(to(value) + half))


def excess_interval(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Normal interval for a paired difference.

    Returns
    -------
    low, high
        None when the error is not known.
    """
    if estimate.error is None:
        return None
    half = normal_quantile(confidence) * estimate.error
    return estimate.value - estimate.lift - half, estimate.value + estimate.sink + half
