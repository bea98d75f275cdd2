"""Train under a constraint, by fairlearn's reductions, down to one model that does not answer by lot."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ErrorRate,
    FalsePositiveRateParity,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from assay.core import problem
from assay.policy import Constraint, Parity
from assay.training.mitigation.cells import Cells
from assay.training.mitigation.folds import folds
from assay.training.mitigation.rates import Bools, Floats, gap, large_enough
from assay.training.mitigation.task import Kept, Task, Turned, scores

log = logging.getLogger(__name__)

PARTS = 4
"""Without validation rows one part in so many of the training rows is kept back to choose the model by."""

BOUND = 1.2
"""The heaviest multipliers, where 1 are those that outweigh some row's own label."""

_MOMENTS: Mapping[Parity, Any] = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A model that was tried.

    Attributes
    ----------
    weight
        How heavy its multipliers are; 0 is the model as trained, from 1 on some labels are turned.
    gap, accuracy
        On the rows kept back: the largest difference between groups, and the share of right decisions.
    """

    weight: float
    gap: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Constrained:
    """The model that was kept, and how it came about.

    Attributes
    ----------
    pipeline
        Trained on all rows, with the multipliers of the best candidate.
    kept
        That candidate.
    candidates
        All that were tried, in the order of their weights.
    chosen_on
        How many rows they were compared on.
    """

    pipeline: Pipeline
    kept: Candidate
    candidates: tuple[Candidate, ...]
    chosen_on: int


def constrained(task: Task, part: Constraint) -> Constrained:
    """Train the team's own `train` towards the constraint, as far as it takes and no further.

    Multipliers of a constraint give every row a weight, and now and then the other label; the model
    that `train` makes of them is a candidate. They are taken along one ray, on which each group
    weighs by how far the model as trained is from the constraint in it: half of the iterations in
    equal steps, the other half before the first candidate that keeps the gap, or around the one that
    comes nearest.

    A mixture of the candidates, as fairlearn would make it, answers by lot. One of them is kept: of
    those that keep the gap, on rows held back from all of them, the most accurate; where none does,
    that with the smallest gap; the lighter of equals. Its multipliers then train the model on all
    training rows. What is held back are the validation rows that `train` does not ask for, or a part
    of the training rows.

    Raises
    ------
    UserError
        When fewer than two groups are large enough.

    References
    ----------
    A. Agarwal, A. Beygelzimer, M. Dudik, J. Langford, H. Wallach (2018), A reductions approach to
    fair classification, ICML: the weights of a multiplier, and the search over a grid of them.
    """
    rows, back = _held_back(task)
    if large_enough(back.positive, back.cells).sum() < 2:
        message = f"fewer than two of {len(back.cells.names)} groups have enough rows of both classes to be compared"
        raise problem("mitigation.attributes", message, "take fewer columns together, or give more rows")
    ray = _ray(task, part, rows)

    def tried(weight: float) -> Candidate:
        decided = _decided(task, _trained(task, part, weight * ray, rows), back.features)
        found = Candidate(
            weight=weight,
            gap=gap(part.constraint, decided, back.positive, back.cells),
            accuracy=float((decided == back.positive).mean()),
        )
        log.info("multipliers of %.3f: gap %.4f, accuracy %.4f", weight, found.gap, found.accuracy)
        return found

    candidates = [tried(weight) for weight in (0.0, *_steps(0, BOUND, part.iterations - part.iterations // 2))]
    candidates += [tried(weight) for weight in _closer(candidates, part)]
    kept = min(candidates, key=lambda each: _rank(each, part.max_gap))
    return Constrained(
        pipeline=_trained(task, part, kept.weight * ray),
        kept=kept,
        candidates=tuple(sorted(candidates, key=lambda each: each.weight)),
        chosen_on=len(back.label),
    )


def _held_back(task: Task) -> tuple[Bools | None, Kept]:
    """The training rows that candidates are trained on (None: all), and the rows that they are compared on."""
    if task.apart is not None:
        return None, task.apart
    back = folds(task.positive, task.cells, count=PARTS, seed=task.seed) == 0
    return ~back, Kept(task.features[back], task.label[back], task.cells.take(back))


def _rank(candidate: Candidate, max_gap: float) -> tuple[bool, float, float, float]:
    misses = candidate.gap > max_gap
    return misses, candidate.gap if misses else 0.0, -candidate.accuracy, candidate.weight


def _steps(low: float, high: float, count: int) -> Iterator[float]:
    """So many weights above `low`, equally far apart, the last of them `high`."""
    return (low + (high - low) * step / count for step in range(1, count + 1))


def _closer(candidates: list[Candidate], part: Constraint) -> list[float]:
    """The other half of the iterations: before the first candidate that keeps the gap, or else around the nearest."""
    gaps = [each.gap for each in candidates]
    place = next((place for place, found in enumerate(gaps) if found <= part.max_gap), None)
    if place == 0:
        return []
    nearest = int(np.argmin(gaps))
    low, high = (place - 1, place) if place else (max(nearest - 1, 0), min(nearest + 1, len(gaps) - 1))
    steps = _steps(candidates[low].weight, candidates[high].weight, part.iterations // 2 + 1)
    return list(steps)[:-1]  # the last of them is there already


def _ray(task: Task, part: Constraint, rows: Bools | None) -> pd.Series:
    """How far the model as trained is from each constraint that it does not keep, in multipliers of weight 1."""
    chosen = _chosen(task, rows)
    moment = _loaded(_moment(part), chosen, _large(task))
    plain = task.fit(rows)
    beyond: pd.Series = moment.gamma(lambda features: _decided(task, plain, features).astype(int)).clip(lower=0)
    heaviest = float(moment.signed_weights(beyond).abs().max())
    return beyond / heaviest if heaviest > 0 else beyond


def _trained(task: Task, part: Constraint, multipliers: pd.Series, rows: Bools | None = None) -> Pipeline:
    """The model of some multipliers."""
    watched = None if task.watched is None else _turned(task, part, multipliers, task.watched)
    return task.fit(rows, turned=_turned(task, part, multipliers, _chosen(task, rows)), watched=watched)


def _turned(task: Task, part: Constraint, multipliers: pd.Series, rows: Kept) -> Turned:
    """The labels and weights that multipliers give rows."""
    large = _large(task)
    moment, errors = _loaded(_moment(part), rows, large), _loaded(_errors(task), rows, large)
    known = multipliers.reindex(moment.index, fill_value=0.0)  # a small group may lack a class in some of the rows
    signed = np.asarray(errors.signed_weights() + moment.signed_weights(known), dtype=np.float64)
    label = signed > 0
    return Turned(label, _scaled(np.abs(signed), label, task.threshold))


def _chosen(task: Task, rows: Bools | None) -> Kept:
    every = np.ones(len(task.label), dtype=np.bool_) if rows is None else rows
    return Kept(task.features[every], task.label[every], task.cells.take(every))


def _decided(task: Task, pipeline: Pipeline, features: pd.DataFrame) -> Bools:
    return np.asarray(scores(pipeline, features) >= task.threshold, dtype=np.bool_)


def _loaded(moment: Any, rows: Kept, large: Bools) -> Any:
    features, label = rows.features.reset_index(drop=True), rows.label.reset_index(drop=True)
    moment.load_data(features, label, sensitive_features=_groups(rows.cells, large))
    return moment


def _groups(cells: Cells, large: Bools) -> NDArray[np.str_]:
    """Each row's group; those too small to be compared are taken together."""
    return np.where(large[cells.code], cells.code, -1).astype(str)


def _moment(part: Constraint) -> Any:
    return _MOMENTS[part.constraint](difference_bound=part.max_gap)  # the bound has no say in the weights


def _errors(task: Task) -> ErrorRate:
    """The errors to be kept low: those whose cheapest decision is by the task's threshold."""
    return ErrorRate(costs={"fp": 2 * task.threshold, "fn": 2 * (1 - task.threshold)})


def _scaled(weights: Floats, label: Bools, threshold: float) -> Floats:
    """Weights with the costs of errors taken out again, so that scores stay probabilities; of mean 1.

    A model of cost-weighted rows would have to decide at one half. Without multipliers all weights are 1.
    """
    plain = weights / np.where(label, 1 - threshold, threshold)
    return np.asarray(plain / plain.mean(), dtype=np.float64)


def _large(task: Task) -> Bools:
    """Which groups are compared: those with enough training rows."""
    return large_enough(task.positive, task.cells)
