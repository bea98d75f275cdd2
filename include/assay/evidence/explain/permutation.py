"""How much worse a model does when one feature is handed round among the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from assay.evidence.explain.shapley import Columns, Floats, Score

Metric = Literal["auc", "brier"]
METRICS: tuple[Metric, ...] = ("auc", "brier")

SMALLEST_CLASS = 10
"""Rows of either class below which an AUC's influences are too few to tell its error from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """How much worse a metric gets when each of m features is permuted, over some of n rows.

    Attributes
    ----------
    drops : ndarray of shape (m,)
        Positive is worse: AUC lost, Brier score gained.
    influences : ndarray of shape (n, m)
        How far each row pulls each drop; their mean over the n rows is 0, and the variance of a
        drop is the sum of their squares over n squared.
    """

    drops: Floats
    influences: Floats


def permutation_losses(
    *,
    score: Score,
    inputs: Columns,
    label: NDArray[np.bool_],
    populations: Mapping[str, NDArray[np.bool_]],
    repeats: int,
    seed: int,
) -> dict[tuple[str, Metric], Loss | str]:
    """Permute each feature in turn, and see what it does to AUC and Brier score.

    Parameters
    ----------
    score
        Columns to n probabilities of the positive class.
    inputs
        Feature name to an array of shape (n, 1).
    label : ndarray of shape (n,)
        True for the positive class.
    populations
        Name to the rows, as a mask of shape (n,), on which the metric is taken. The values that
        a permuted row gets come from all rows, whatever its population.
    repeats
        How many permutations are averaged.
    seed
        Makes them repeatable.

    Returns
    -------
    dict
        For each population and metric a `Loss`, or why there is none.

    Notes
    -----
    A permuted row's score depends on two rows, its own and the donor of the value, and so does the
    variance: a row's influence counts what it does in both parts. Leaving the donors out would make
    the intervals too narrow for features that few rows decide.

    References
    ----------
    L. Breiman (2001), Random forests, section 10.
    A. Fisher, C. Rudin, F. Dominici (2019), All models are wrong, but many are useful, JMLR 20(177),
    sections 3 and 4.
    E. DeLong, D. DeLong, D. Clarke-Pearson (1988), Comparing the areas under two or more correlated
    receiver operating characteristic curves (the influence of a row on an AUC).
    """
    flaws = {(name, metric): _flaw(metric, label[mask]) for name, mask in populations.items() for metric in METRICS}
    wanted = [key for key, flaw in flaws.items() if flaw is None]
    clean = score(inputs)
    before = {key: _measured(key[1], label, clean, populations[key[0]]) for key in wanted}
    columns: dict[tuple[str, Metric], list[tuple[float, Floats]]] = {key: [] for key in wanted}
    for position, name in enumerate(inputs):
        random = np.random.default_rng([seed, position])
        donors = np.stack([random.permutation(len(label)) for _ in range(repeats)])
        permuted = score(_handed_round(inputs, name, donors)).reshape(donors.shape)
        for key in wanted:
            columns[key].append(_loss(key[1], label, permuted, donors, populations[key[0]], before[key]))
    losses = {
        key: Loss(drops=np.array([drop for drop, _ in found]), influences=np.stack([pull for _, pull in found], axis=1))
        for key, found in columns.items()
    }
    return {key: losses[key] if flaw is None else flaw for key, flaw in flaws.items()}


def _flaw(metric: Metric, label: NDArray[np.bool_]) -> str | None:
    positives = int(label.sum())
    fewest = min(positives, len(label) - positives)
    if len(label) < 2:
        return f"{len(label)} rows"
    if metric == "auc" and fewest < SMALLEST_CLASS:
        return f"{fewest} rows of one class, fewer than {SMALLEST_CLASS}"
    return None


def _handed_round(inputs: Columns, name: str, donors: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """All repeats one below the other, with the feature `name` taken from the donors."""
    stacked = {other: np.tile(column, (len(donors), 1)) for other, column in inputs.items() if other != name}
    return {other: inputs[name][donors.ravel()] if other == name else stacked[other] for other in inputs}


def _loss(
    metric: Metric,
    label: NDArray[np.bool_],
    permuted: Floats,
    donors: NDArray[np.intp],
    mask: NDArray[np.bool_],
    before: tuple[float, Floats],
) -> tuple[float, Floats]:
    changes, pulls, square = [], np.zeros(len(label)), 0.0
    for scores, gave in zip(permuted, donors, strict=True):
        value, pull = _measured(metric, label, scores, mask)
        changes.append(value - before[0])
        change = pull - before[1]  # the row that was there before tells nothing about the donor
        pulls += change
        pulls[gave] += change  # a row pulls once with its own features and once with the value it gave away
        square += float(change @ change)
    sign = -1.0 if metric == "auc" else 1.0
    repeats = len(donors)
    return sign * float(np.mean(changes)), sign * pulls / repeats * _shrunk(pulls / repeats, square / repeats**2)


def _shrunk(pulls: Floats, noise: float) -> float:
    """By how much influences must shrink so that their squares sum to what the drop varies by.

    With few repeats a row's mean over its donors, and a donor's over its rows, still hold the other
    side's effect, which every repeat in truth averages out. In a two-way layout that excess is the
    sum of squares of all single changes over the square of the repeats. The estimate of a small
    variance may fall below it: then no more than half is taken away, all that it can be without
    a variance below that of the chance pairing itself.
    """
    raw = float(pulls @ pulls)
    return np.sqrt(max(raw - noise, raw / 2) / raw) if raw > 0 else 1.0


def _measured(metric: Metric, label: NDArray[np.bool_], score: Floats, mask: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The metric over the masked rows, and the influence of every row on it."""
    value, pull = _INFLUENCES[metric](label[mask], score[mask])
    influence = np.zeros(len(label))
    influence[mask] = pull * (len(label) / len(pull))
    return value, influence


def _brier(label: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    losses = (score - label) ** 2
    return float(losses.mean()), losses - losses.mean()


def _auc(label: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    """Mann-Whitney form; a row's placement is the share of the other class that it stands right with."""
    positives = int(label.sum())
    negatives = len(label) - positives
    ranks = rankdata(score)
    placements = np.empty(len(label))
    placements[label] = (ranks[label] - rankdata(score[label])) / negatives
    placements[~label] = 1 - (ranks[~label] - rankdata(score[~label])) / positives
    value = float(placements[label].mean())
    weights = np.where(label, len(label) / positives, len(label) / negatives)
    return value, (placements - value) * weights


_INFLUENCES: Mapping[Metric, Callable[[NDArray[np.bool_], Floats], tuple[float, Floats]]] = {
    "auc": _auc,
    "brier": _brier,
}
