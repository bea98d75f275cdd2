"""Metrics of probabilities against labels, and how far they vary from sample to sample."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from assay.stats.intervals import normal_quantile

Floats = NDArray[np.float64]
Metric = Literal["auc", "log_loss", "brier", "ece"]
LARGER_IS_BETTER: Mapping[Metric, bool] = {"auc": True, "log_loss": False, "brier": False, "ece": False}

# Guo et al. (2017), On calibration of modern neural networks, section 3, use 15 bins of equal width.
ECE_BINS = 15

_BUDGET = 32 << 20  # bytes of row weights held at once; the work on them takes about as much again


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A bootstrapped quantity.

    Attributes
    ----------
    value
        What the sample itself shows.
    error
        Standard deviation of the draws; None when the draws tell nothing about it (a class was
        absent from a draw, or all draws were alike though another sample need not be).
    lift, sink
        The most by which sampling noise raises or lowers `value` on average; 0 for unbiased metrics.
    """

    value: float
    error: float | None
    lift: float = 0.0
    sink: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampled:
    """Every metric of every score, on the sample and on the same draws of its rows."""

    scores: Mapping[str, Floats]
    values: Mapping[tuple[str, Metric], float]
    draws: Mapping[tuple[str, Metric], Floats]

    def level(self, score: str, metric: Metric) -> Estimate | None:
        """The metric of one score; None when it cannot exist (AUC with one class, no rows)."""
        value = self.values[score, metric]
        if np.isnan(value):
            return None
        error = _spread(self.draws[score, metric], certain=False)
        return Estimate(value=value, error=error, lift=self._noise(score, metric))

    def excess(self, score: str, reference: str, metric: Metric) -> Estimate | None:
        """How much worse `score` is than `reference` on the same rows: positive is worse."""
        sign = -1.0 if LARGER_IS_BETTER[metric] else 1.0
        value = sign * (self.values[score, metric] - self.values[reference, metric])
        if np.isnan(value):
            return None
        draws = sign * (self.draws[score, metric] - self.draws[reference, metric])
        if self._always_equal(score, reference, metric):
            return Estimate(value=value, error=_spread(draws, certain=True))
        error, lift, sink = _spread(draws, certain=False), self._noise(score, metric), self._noise(reference, metric)
        return Estimate(value=value, error=error, lift=lift, sink=sink)

    def _noise(self, score: str, metric: Metric) -> float:
        return ece_noise(self.scores[score]) if metric == "ece" else 0.0

    def _always_equal(self, one: str, other: str, metric: Metric) -> bool:
        """Whether the metric is the same for both scores on any sample of these rows."""
        first, second = self.scores[one], self.scores[other]
        if metric == "auc" and np.array_equal(_ranks(first), _ranks(second)):
            return True
        return np.array_equal(first.round(_DIGITS), second.round(_DIGITS))


def bootstrap(
    *,
    label: NDArray[np.bool_],
    scores: Mapping[str, Floats],
    metrics: Sequence[Metric],
    draws: int,
    seed: int,
) -> Resampled:
    """Resample rows with replacement, the same rows for every score.

    Parameters
    ----------
    label : ndarray of shape (n,)
        True for the positive class.
    scores
        Name to probabilities of the positive class, shape (n,), finite and in [0, 1].
    metrics
        Which metrics to compute.
    draws
        Number of bootstrap samples.
    seed
        Same seed and same rows, in whatever order, give the same draws.

    Returns
    -------
    Resampled
        A value is NaN where the metric does not exist, as AUC does not with one class.

    References
    ----------
    A. C. Davison, D. V. Hinkley (1997), Bootstrap Methods and their Application, sections 2.3 and 5.2.
    """
    order = np.lexsort([label, *scores.values()])  # one order for the same rows, however they came
    label, scores = label[order], {name: score[order] for name, score in scores.items()}
    prepared = {(name, metric): _PREPARE[metric](label, score) for name, score in scores.items() for metric in metrics}
    ones = np.ones((1, len(label)))
    values = {key: float(compute(ones)[0]) for key, compute in prepared.items()}
    collected: dict[tuple[str, Metric], list[Floats]] = {key: [] for key in prepared}
    for weights in _weights(len(label), draws, seed):
        for key, compute in prepared.items():
            collected[key].append(compute(weights))
    joined = {key: np.concatenate(parts) for key, parts in collected.items()}
    return Resampled(scores=scores, values=values, draws=joined)


def level_interval(metric: Metric, estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Interval for a metric's level.

    The limits are normal, with the bootstrap's standard error, on a scale on which the metric is
    unbounded and its spread more even: the logit for AUC, the logarithm for log loss and Brier.
    In simulation this holds its level where percentiles do not (a third to a fifth of their misses
    in the tail that matters), and it needs no more draws for the far tails that simultaneous
    intervals ask for. Calibration error stays on its own scale, see `ece_noise`.

    Returns
    -------
    low, high
        None when the draws tell nothing about the error.

    References
    ----------
    A. C. Davison, D. V. Hinkley (1997), Bootstrap Methods and their Application, section 5.2.1.
    """
    if estimate.error is None:
        return None
    value, half = estimate.value, normal_quantile(confidence) * estimate.error
    if metric == "ece":
        return max(0.0, value - estimate.lift - half), value + half
    if metric == "auc":
        half /= value * (1 - value)
        return float(expit(logit(value) - half)), float(expit(logit(value) + half))
    return float(value * np.exp(-half / value)), float(value * np.exp(half / value))


def excess_interval(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Interval for a paired difference: normal, with the bootstrap's standard error.

    Returns
    -------
    low, high
        None when the draws tell nothing about the error.
    """
    if estimate.error is None:
        return None
    half = normal_quantile(confidence) * estimate.error
    return estimate.value - estimate.lift - half, estimate.value + estimate.sink + half


def ece_noise(score: Floats) -> float:
    """The calibration error that sampling noise alone would show on average, were there none.

    A bin's gap is an absolute value, so noise raises it, and most where the true gap is 0: there
    by the mean of a half-normal variable, ``sqrt(2 / pi)`` standard deviations. That much is the
    bound on the upward bias of an estimated calibration error. The bootstrap does not see it,
    since it resamples gaps that the noise has already opened.
    """
    variance = np.bincount(_bins(score), score * (1 - score), ECE_BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / max(1, len(score)))


def _spread(draws: Floats, *, certain: bool) -> float | None:
    """Standard deviation of the draws; one of 0 is believed only when it is `certain`."""
    error = float(draws.std(ddof=1))
    return error if np.isfinite(error) and (certain or error > _NOISE) else None


def _ranks(score: Floats) -> NDArray[np.intp]:
    return np.unique(score, return_inverse=True)[1]


_NOISE = 1e-12  # a spread below this is rounding
_DIGITS = 9  # scores that agree to so many decimals are the same


def _weights(rows: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each row is in each draw: matrices of shape (some draws, rows) within the budget."""
    random = np.random.default_rng(seed)
    if rows == 0:
        yield np.zeros((draws, 0))
        return
    at_once = max(1, _BUDGET // (8 * rows))
    for start in range(0, draws, at_once):
        weights = np.empty((min(at_once, draws - start), rows))
        for line in weights:
            line[:] = np.bincount(random.integers(rows, size=rows), minlength=rows)
        yield weights


_Compute = Callable[[Floats], Floats]


def _auc(label: NDArray[np.bool_], score: Floats) -> _Compute:
    """Mann-Whitney form: the share of (positive, negative) pairs in order, ties counting half."""
    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], label[order]
    negatives, positives = order[~positive], order[positive]
    # how many negatives lie strictly below, and at or below, each positive
    below = np.searchsorted(ordered[~positive], ordered[positive], side="left")
    upto = np.searchsorted(ordered[~positive], ordered[positive], side="right")

    def compute(weights: Floats) -> Floats:
        result = np.empty(len(weights))
        for draw, line in enumerate(weights):
            weight = line[positives]
            running = np.concatenate([[0.0], np.cumsum(line[negatives])])
            pairs = weight.sum() * running[-1]
            wins = weight @ (running[below] + running[upto]) / 2
            result[draw] = wins / pairs if pairs else np.nan
        return result

    return compute


def _mean_of(losses: Floats) -> _Compute:
    def compute(weights: Floats) -> Floats:
        return _per_row(weights @ losses, weights)

    return compute


def _per_row(sums: Floats, weights: Floats) -> Floats:
    rows = weights.sum(axis=1)
    means: Floats = np.divide(sums, rows, out=np.full(len(sums), np.nan), where=rows > 0)
    return means


def _log_loss(label: NDArray[np.bool_], score: Floats) -> _Compute:
    smallest = np.finfo(np.float64).eps  # as scikit-learn clips
    likelihood = np.clip(np.where(label, score, 1 - score), smallest, 1 - smallest)
    return _mean_of(-np.log(likelihood))


def _brier(label: NDArray[np.bool_], score: Floats) -> _Compute:
    return _mean_of((score - label) ** 2)


def _ece(label: NDArray[np.bool_], score: Floats) -> _Compute:
    """Mean over rows of the gap between mean score and share of positives in the row's bin."""
    gaps = np.zeros((len(label), ECE_BINS))
    gaps[np.arange(len(label)), _bins(score)] = label - score

    def compute(weights: Floats) -> Floats:
        return _per_row(np.abs(weights @ gaps).sum(axis=1), weights)

    return compute


def _bins(score: Floats) -> NDArray[np.intp]:
    return np.minimum((score * ECE_BINS).astype(np.intp), ECE_BINS - 1)


_PREPARE: Mapping[Metric, Callable[[NDArray[np.bool_], Floats], _Compute]] = {
    "auc": _auc,
    "log_loss": _log_loss,
    "brier": _brier,
    "ece": _ece,
}
