"""Scores of groups of weighted rows: binned for ranks and calibration, summed for the other metrics."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.stats.calibration import ECE_BINS, noise_lift, score_bins
from assay.stats.counts import effective_size, moments
from assay.stats.estimates import Estimate, level_interval
from assay.stats.influence import FEWEST, Sample, row_losses, unseen

Floats = NDArray[np.float64]

# Scores nearer to each other than this share a bin and count as tied for AUC. Each of the calibration
# error's bins holds a whole number of them.
BINS = ECE_BINS * 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Sums over a group's rows, each row with its weight.

    Attributes
    ----------
    bins
        For each bin that holds rows, in order: the weight of its negatives and of its positives.
    classes
        Effective number of negatives and of positives.
    gaps, noise
        For each of the calibration error's bins, the sums of ``label - score`` and of ``score * (1 - score)``.
    moments
        For each mean its value and the rows' standard deviation: of the score, Brier score and log loss.
    unseen
        For the means of losses, what half a row with the other label adds to the rows' variance, `size` times.
    size
        Effective number of rows.
    """

    bins: tuple[tuple[float, float], ...]
    classes: tuple[float, float]
    gaps: tuple[float, ...]
    noise: tuple[float, ...]
    moments: dict[str, tuple[float, float]]
    unseen: dict[str, float]
    size: float

    def estimate(self, metric: str) -> Estimate | None:
        """The metric with its standard error; None when it cannot exist (AUC with one class).

        Errors follow from each row's influence: for AUC its placement among the other class, for the
        calibration error its own gap, signed as its bin's. They are what the bootstrap's draws
        would show, without drawing; for the calibration error of a calibrated model, whose bins' gaps
        change their signs from draw to draw, somewhat more.

        References
        ----------
        E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson (1988), Comparing the areas under two or more
        correlated receiver operating characteristic curves. Biometrics 44, 837-845.
        """
        if metric == "auc":
            return self._auc()
        if metric == "ece":
            total = sum(map(sum, self.bins))
            value = float(np.abs(self.gaps).sum()) / total
            lift = noise_lift(np.array(self.noise) / total, self.size)
            spread = np.sqrt(max(0.0, self.moments["brier"][0] - value**2))
            return Estimate(value=value, error=_error(float(spread), self.size), lift=lift)
        mean, spread = self.moments[metric]
        error = _error(spread, self.size)
        told = None if error is None else float(np.hypot(error, self.unseen[metric] ** 0.5 / self.size))
        return Estimate(value=mean, error=told)

    def interval(self, metric: str, confidence: float) -> tuple[float, float, float]:
        """The metric with its interval; NaN in place of what does not exist or cannot be told."""
        estimate = self.estimate(metric)
        found = None if estimate is None else level_interval(metric, estimate, confidence)
        return (np.nan if estimate is None else estimate.value, *(found or (np.nan, np.nan)))

    def _auc(self) -> Estimate | None:
        negative, positive = np.array(self.bins).T
        if not (negative.sum() and positive.sum()):
            return None
        negative, positive = negative / negative.sum(), positive / positive.sum()
        beaten = np.cumsum(negative) - negative / 2  # by a positive in the bin; ties count half
        beating = 1 - np.cumsum(positive) + positive / 2
        value = float(positive @ beaten)
        parts = ((negative, beating, self.classes[0]), (positive, beaten, self.classes[1]))
        variance = sum(float(share @ (placed - value) ** 2) / max(size - 1, 1) for share, placed, size in parts)
        told = variance > _ROUNDING and not few(min(self.classes))
        return Estimate(value=value, error=float(np.sqrt(variance)) if told else None)


_ROUNDING = 1e-24
_ON_EDGE = 1e-9  # k / BINS * BINS may come out just below k


def _error(spread: float, size: float) -> float | None:
    return None if few(size) or spread**2 <= _ROUNDING else spread / (size - 1) ** 0.5


def few(size: float) -> bool:
    """Whether so many effective rows are too few for an error to be told."""
    return size < FEWEST - _ON_EDGE


def summarise(
    group: NDArray[np.intp], label: NDArray[np.bool_], score: Floats, weights: Floats | None
) -> list[Scores | None]:
    """What each group's scores come to, by the position of the group; None for one whose rows weigh nothing.

    Parameters
    ----------
    group : ndarray of shape (n,)
        Positions from 0, all of which occur.
    label, score, weights : ndarray of shape (n,)
        Of two classes, a probability, and how much each row counts; 1 without weights.
    """
    weight = np.ones(len(score)) if weights is None else weights
    order = np.lexsort((weight, score, label, group))  # sums must not depend on the rows' order
    group, label, score, weight = group[order], label[order], score[order], weight[order]
    cuts = np.flatnonzero(np.diff(group)) + 1
    parts = zip(*(np.split(column, cuts) for column in (label, score, weight)), strict=True)
    return [_one(*part) if part[2].any() else None for part in parts] if len(group) else []


def _one(label: NDArray[np.bool_], score: Floats, weight: Floats) -> Scores:
    place = np.minimum((score * BINS + _ON_EDGE).astype(np.intp), BINS - 1)
    coarse = score_bins(score, ECE_BINS)
    table = np.bincount(2 * place + label, weights=weight, minlength=2 * BINS).reshape(-1, 2)
    rows = Sample(label=label, score=score)
    means = {"score": score, "brier": row_losses("brier", rows), "log_loss": row_losses("log_loss", rows)}
    sizes = [effective_size(part.sum(), (part**2).sum()) for part in (weight[~label], weight[label], weight)]
    return Scores(
        bins=tuple((low, high) for low, high in table[table.any(axis=1)].tolist()),
        classes=(float(sizes[0]), float(sizes[1])),
        gaps=tuple(np.bincount(coarse, weights=weight * (label - score), minlength=ECE_BINS).tolist()),
        noise=tuple(np.bincount(coarse, weights=weight * score * (1 - score), minlength=ECE_BINS).tolist()),
        moments={name: moments(values, weight) for name, values in means.items()},
        unseen={name: moments(unseen(name, rows), weight)[0] for name in ("brier", "log_loss")},
        size=float(sizes[2]),
    )
