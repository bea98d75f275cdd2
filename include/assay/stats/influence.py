"""Metrics of scores and decisions, their standard errors and those of paired differences, without drawing.

Every metric here is a smooth function of the sample, so that its error follows from how far each row
pulls it (its influence): exactly for means, as DeLong's variance for AUC, by the delta method for the
others. Two models on the same rows differ by the difference of their pulls, row by row.

References
----------
B. Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6: the infinitesimal
jackknife, which is what the bootstrap's error comes to without its draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.stats import auc as ranks
from assay.stats.calibration import ECE_BINS, ece_noise, score_bins
from assay.stats.confusion import CONFUSION, RATES, cells, gradient
from assay.stats.estimates import SMALLER_IS_BETTER, Estimate

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST = 10
"""Below so many rows, of each class where a metric needs both, an error is not told."""

_NOISE = 1e-12  # a spread below this is rounding
_DIGITS = 9  # scores that agree to so many decimals are the same


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows, and what a model made of them.

    Attributes
    ----------
    label : ndarray of shape (n,)
        True for the positive class.
    score : ndarray of shape (n,)
        Probability of the positive class.
    decided : ndarray of shape (n,), optional
        Whether the model decided for the positive class; what metrics of decisions are made of.
    prices
        What a true positive, a false positive, a false negative and a true negative cost.
    """

    label: Flags
    score: Floats
    decided: Flags | None = None
    prices: tuple[float, float, float, float] | None = None
    _pulls: dict[str, "_Pulled | None"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def part(self, rows: NDArray[Any]) -> "Sample":
        """Some of the rows, by position or by a flag each."""
        decided = None if self.decided is None else self.decided[rows]
        return Sample(label=self.label[rows], score=self.score[rows], decided=decided, prices=self.prices)

    @property
    def cells(self) -> NDArray[np.intp]:
        """Each row's cell of the confusion matrix.

        Raises
        ------
        ValueError
            When there are no decisions.
        """
        if self.decided is None:
            raise ValueError("there are no decisions")
        return cells(self.label, self.decided)


class _Pulled(NamedTuple):
    """A metric's value, and how far each row pulls it: ``sum(pulls**2) / (n * (n - 1))`` is its variance."""

    value: float
    pulls: Floats


def row_losses(metric: str, sample: Sample) -> Floats:
    """What each row adds to a metric that is a mean over the rows.

    Parameters
    ----------
    metric
        ``brier``, ``log_loss``, ``accuracy`` (1 where the decision is wrong) or ``cost``.
    """
    if metric == "brier":
        return np.asarray((sample.score - sample.label) ** 2)
    if metric == "log_loss":
        smallest = np.finfo(np.float64).eps  # as scikit-learn clips
        right = np.where(sample.label, sample.score, 1 - sample.score)
        return np.asarray(-np.log(np.clip(right, smallest, 1 - smallest)))
    if metric == "accuracy":
        return np.asarray(sample.label != sample.decided, dtype=np.float64)
    return np.array(sample.prices)[sample.cells]


def unseen(metric: str, sample: Sample) -> Floats:
    """What each row would add to the spread of a mean, did half a row more of each kind not seen stand beside it.

    A loss that is large where a confident score is wrong may be rare without being impossible: rows among
    which it happens not to occur would otherwise pass for proof that it never does. For ``brier`` and
    ``log_loss`` it is half a row in all, like the rows that there are but with the other label; for
    ``cost`` half a row in each cell of the confusion matrix.

    Returns
    -------
    ndarray of shape (n,) or (4,)
        Half the squared distances from the mean loss; divided by the square of n they add to its variance.

    References
    ----------
    The prior of H. Jeffreys (1946), as half a success and half a failure for a rate.
    """
    mean = row_losses(metric, sample).mean()
    if metric == "cost":
        return np.asarray((np.array(sample.prices) - mean) ** 2 * 2)  # a mean over four cells of half a row each
    return np.asarray((row_losses(metric, Sample(label=~sample.label, score=sample.score)) - mean) ** 2 / 2)


def level(metric: str, sample: Sample) -> Estimate | None:
    """A metric with its standard error; None where it does not exist (AUC with one class, no rows).

    Parameters
    ----------
    metric
        Any name of `assay.policy.metrics.METRICS`, or ``cost``.
    """
    found = _pulled(metric, sample)
    if found is None:
        return None
    if metric in RATES:
        return _rate(metric, sample, found)
    error = _smoothed(metric, sample, found.value) if metric in CONFUSION else _spread(found.pulls)
    if error is not None and metric in _LOSSES:
        error = float(np.hypot(error, unseen(_LOSSES[metric], sample).mean() ** 0.5 / len(sample.label)))
    return Estimate(value=found.value, error=error if _enough(metric, sample) else None, lift=_noise(metric, sample))


def excess(metric: str, one: Sample, other: Sample) -> Estimate | None:
    """How much worse `one` is than `other` on the same rows: positive is worse."""
    first, second = _pulled(metric, one), _pulled(metric, other)
    if first is None or second is None:
        return None
    sign = 1.0 if metric in SMALLER_IS_BETTER else -1.0
    value = sign * (first.value - second.value) + 0.0  # never -0
    pulls = first.pulls - second.pulls
    if _alike(metric, one, other):
        return Estimate(value=value, error=0.0)
    error = _discordant(one, other) if RATES.get(metric, ((), ()))[1] == (0, 1, 2, 3) else _spread(pulls)
    told = error if _enough(metric, one) else None
    return Estimate(value=value, error=told, lift=_noise(metric, one), sink=_noise(metric, other))


def _pulled(metric: str, sample: Sample) -> _Pulled | None:
    if metric not in sample._pulls:  # a level and a difference ask for the same
        sample._pulls[metric] = _pull(metric, sample)
    return sample._pulls[metric]


def _pull(metric: str, sample: Sample) -> _Pulled | None:
    positives = int(np.count_nonzero(sample.label))
    if not len(sample.label) or (_two_classes(metric) and not 0 < positives < len(sample.label)):
        return None
    found = _METRICS[metric](sample) if metric in _METRICS else _of_cells(metric, sample)
    return found if found is not None and np.isfinite(found.value) else None


def _two_classes(metric: str) -> bool:
    return metric in _RANKED or metric.startswith("d2_") or metric in CONFUSION


def _enough(metric: str, sample: Sample) -> bool:
    positives = int(np.count_nonzero(sample.label))
    rarer = min(positives, len(sample.label) - positives)
    return (rarer if _two_classes(metric) else len(sample.label)) >= FEWEST


def _spread(pulls: Floats) -> float | None:
    """Standard error; one of 0 tells nothing, for the rows of another sample need not be alike."""
    n = len(pulls)
    # not a product of vectors: BLAS would add in as many parts as there are free cores
    error = float(np.sqrt(np.square(pulls).sum() / (n * (n - 1)))) if n > 1 else 0.0
    return error if np.isfinite(error) and error > _NOISE else None


def _rate(metric: str, sample: Sample, found: _Pulled) -> Estimate:
    whole = RATES[metric][1]
    trials = int(np.isin(sample.cells, whole).sum())
    return Estimate(value=found.value, error=(found.value * (1 - found.value) / trials) ** 0.5, trials=trials)


def _smoothed(metric: str, sample: Sample, value: float) -> float | None:
    """The error with half a row more in each cell: one that no row fell into is rare, not impossible."""
    counts = np.bincount(sample.cells, minlength=4).astype(np.float64) + 0.5
    _, slope = gradient(metric, counts)
    error = float(np.sqrt(counts @ slope**2))
    return error if np.isfinite(error) and value not in (-1.0, 0.0, 1.0) else None


def _discordant(one: Sample, other: Sample) -> float:
    """The error of a paired difference of two shares of right decisions.

    References
    ----------
    D. G. Bonett, R. M. Price (2012), Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data. Journal of Educational and Behavioral Statistics 37, 479-488.
    """
    wrong = row_losses("accuracy", one) - row_losses("accuracy", other)
    n = len(wrong) + 2
    more, fewer = ((np.count_nonzero(wrong == sign) + 1) / n for sign in (1, -1))
    return float(np.sqrt((more + fewer - (more - fewer) ** 2) / n))


def _noise(metric: str, sample: Sample) -> float:
    return ece_noise(sample.score) if metric == "ece" else 0.0


def _alike(metric: str, one: Sample, other: Sample) -> bool:
    """Whether the metric is the same for both on any sample of these rows."""
    if metric in RATES or metric in CONFUSION or metric == "cost":
        return np.array_equal(np.asarray(one.decided), np.asarray(other.decided))
    if np.array_equal(one.score.round(_DIGITS), other.score.round(_DIGITS)):
        return True
    return metric in _RANKED and np.array_equal(_order(one.score), _order(other.score))


def _order(score: Floats) -> NDArray[np.intp]:
    return np.unique(score, return_inverse=True)[1]


def _mean(metric: str, sign: float = 1.0) -> Callable[[Sample], _Pulled]:
    def of(sample: Sample) -> _Pulled:
        values = sign * row_losses(metric, sample)
        mean = float(values.mean())
        return _Pulled(mean, values - mean)

    return of


def _auc(sample: Sample) -> _Pulled | None:
    positives = int(np.count_nonzero(sample.label))
    if min(positives, len(sample.label) - positives) > 1:
        return _Pulled(*ranks.auc(sample.label, sample.score))
    doubled = ranks.auc(np.tile(sample.label, 2), np.tile(sample.score, 2))  # a class of one row has no variance
    return _Pulled(doubled[0], np.zeros(len(sample.label)))


def _ece(sample: Sample) -> _Pulled:
    """Mean over rows of the gap between mean score and share of positives in the row's bin."""
    place, gap = score_bins(sample.score, ECE_BINS), sample.label - sample.score
    sums = np.bincount(place, gap, ECE_BINS)
    value = float(np.abs(sums).sum()) / len(gap)
    return _Pulled(value, np.sign(sums)[place] * gap - value)


def _skill(metric: str) -> Callable[[Sample], _Pulled]:
    """1 minus a mean loss over that of always announcing the share of positives."""

    def of(sample: Sample) -> _Pulled:
        losses, base = row_losses(metric, sample), float(sample.label.mean())
        constant = Sample(label=sample.label, score=np.full(len(losses), base))
        null = row_losses(metric, constant)
        ratio = float(losses.mean() / null.mean())  # the null's own share is its optimum: it does not pull
        return _Pulled(1 - ratio, (ratio * null - losses) / null.mean())

    return of


def _of_cells(metric: str, sample: Sample) -> _Pulled | None:
    place = sample.cells
    counts = np.bincount(place, minlength=4).astype(np.float64)
    if metric in RATES:
        part, whole = (np.isin(np.arange(4), which) for which in RATES[metric])
        trials = counts[whole].sum()
        if not trials:
            return None
        value = float(counts[part].sum() / trials)
        return _Pulled(value, (len(place) / trials * np.where(whole, part - value, 0.0))[place])
    value, slope = gradient(metric, counts)
    return _Pulled(value, (len(place) * np.where(counts > 0, slope, 0.0))[place])


# Metrics that are, but for the sign, means of such losses.
_LOSSES = {
    **{metric: metric for metric in ("log_loss", "brier", "cost")},
    "neg_log_loss": "log_loss",
    "neg_brier_score": "brier",
}
_ROC = ("auc", "roc_auc", "roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted")
_RANKED = frozenset({*_ROC, "average_precision"})
_METRICS: Mapping[str, Callable[[Sample], _Pulled | None]] = {
    **dict.fromkeys(_ROC, _auc),
    "average_precision": lambda sample: _Pulled(*ranks.average_precision(sample.label, sample.score)),
    "log_loss": _mean("log_loss"),
    "brier": _mean("brier"),
    "cost": _mean("cost"),
    "neg_log_loss": _mean("log_loss", -1.0),
    "neg_brier_score": _mean("brier", -1.0),
    "d2_log_loss_score": _skill("log_loss"),
    "d2_brier_score": _skill("brier"),
    "ece": _ece,
}
