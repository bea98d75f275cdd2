"""Train under a constraint, by fairlearn's reductions, down to one model that does not answer by lot."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ErrorRate,
    ExponentiatedGradient,
    FalsePositiveRateParity,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from assay.core import problem
from assay.policy import Constraint, Parity
from assay.training.mitigation.folds import folds
from assay.training.mitigation.rates import Bools, Floats, gap, large_enough
from assay.training.mitigation.task import Task, scores

log = logging.getLogger(__name__)

PARTS = 4
"""One part in so many of the training rows is kept back to choose the model by."""

BOUND = 5.0
"""What the multipliers may come to: how many times its size in errors a gap may weigh at most."""

_MOMENTS: Mapping[Parity, Any] = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
    "false_positive_rate_parity": FalsePositiveRateParity,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Constrained:
    """The model that was kept, and how it came about.

    Attributes
    ----------
    pipeline
        Trained on all rows, with the multipliers of the best candidate.
    gap, accuracy
        Of that candidate on the rows kept back: the largest difference between groups, and the share
        of right decisions.
    kept, candidates
        Its place among the candidates, counted from 1, and how many there were.
    models
        How many models were trained in all.
    """

    pipeline: Pipeline
    gap: float
    accuracy: float
    kept: int
    candidates: int
    models: int


def constrained(task: Task, part: Constraint) -> Constrained:
    """Search for multipliers under which the team's own `train` keeps the constraint.

    Multipliers give every row a weight, and now and then the other label; the model that `train`
    makes of them is a candidate. fairlearn's mixture of the candidates would answer by lot, so that
    one of them is kept: of those that keep the gap on rows held back from all of them, the most
    accurate; where none does, that with the smallest gap; the earlier of equals. Its multipliers then
    train the model on all rows.

    Raises
    ------
    UserError
        When fewer than two groups are large enough, or no candidate tells rows apart.

    References
    ----------
    A. Agarwal, A. Beygelzimer, M. Dudik, J. Langford, H. Wallach (2018), A reductions approach to
    fair classification, ICML.
    """
    label, back = task.positive, folds(task.positive, task.cells, count=PARTS, seed=task.seed) == 0
    if large_enough(label[back], task.cells.take(back)).sum() < 2:
        message = f"fewer than two of {len(task.cells.names)} groups have enough rows of both classes to be compared"
        raise problem("mitigation.attributes", message, "take fewer columns together, or give more rows")
    search = _search(task, part, ~back)
    ranked = []
    for place, model in search.predictors_.items():
        if isinstance(model, _Trained):
            decided = model.predict(task.features[back]) == 1
            found = gap(part.constraint, decided, label[back], task.cells.take(back))
            right = float((decided == label[back]).mean())
            log.info("candidate %d: gap %.4f, accuracy %.4f", place + 1, found, right)
            misses = found > part.max_gap
            ranked.append((misses, found if misses else 0.0, -right, place, found))
    if not ranked:
        raise problem("mitigation", "every model found decides all rows alike", "give a larger max_gap")
    _, _, right, place, found = min(ranked)
    return Constrained(
        pipeline=_retrained(task, part, search.lambda_vecs_[place]),
        gap=found,
        accuracy=-right,
        kept=place + 1,
        candidates=len(ranked),
        models=search.n_oracle_calls_ - search.n_oracle_calls_dummy_returned_ + 1,
    )


class _Trained:
    """The team's `train`, in the form that fairlearn asks for."""

    def __init__(self, task: Task, rows: Bools) -> None:
        self.task, self.rows = task, rows

    def __sklearn_clone__(self) -> "_Trained":
        return _Trained(self.task, self.rows)

    def fit(self, features: pd.DataFrame, label: Any, sample_weight: Any) -> "_Trained":
        """Train with labels and weights that follow from the multipliers."""
        label = np.asarray(label) == 1
        self.pipeline = self.task.fit(
            self.rows, label=label, weights=_scaled(np.asarray(sample_weight), label, self.task.threshold)
        )
        return self

    def predict(self, features: pd.DataFrame) -> NDArray[np.intp]:
        """1 for the positive class, 0 for the other."""
        return np.asarray(scores(self.pipeline, features) >= self.task.threshold, dtype=np.intp)


def _search(task: Task, part: Constraint, rows: Bools) -> ExponentiatedGradient:
    """Exponentiated gradient without its linear programs, whose multipliers are extremes that no candidate needs."""
    search = ExponentiatedGradient(
        _Trained(task, rows),
        _moment(part),
        objective=_errors(task),
        eps=1 / BOUND,
        max_iter=part.iterations,
        run_linprog_step=False,
    )
    features, label = task.features[rows].reset_index(drop=True), task.label[rows].reset_index(drop=True)
    return search.fit(features, label, sensitive_features=_groups(task)[rows])


def _retrained(task: Task, part: Constraint, multipliers: pd.Series) -> Pipeline:
    """The model of some multipliers, trained on all rows."""
    moment, errors = _moment(part), _errors(task)
    for each in (moment, errors):
        each.load_data(task.features, task.label, sensitive_features=_groups(task))
    known = multipliers.reindex(moment.index, fill_value=0.0)  # a class may be absent from a small group's part
    signed = np.asarray(errors.signed_weights() + moment.signed_weights(known), dtype=np.float64)
    label = signed > 0
    return task.fit(label=label, weights=_scaled(np.abs(signed), label, task.threshold))


def _moment(part: Constraint) -> Any:
    """The constraint: every group within half the gap of all rows together, so that no two are further apart."""
    return _MOMENTS[part.constraint](difference_bound=part.max_gap / 2)


def _errors(task: Task) -> ErrorRate:
    """The errors to be kept low: those whose cheapest decision is by the task's threshold."""
    return ErrorRate(costs={"fp": 2 * task.threshold, "fn": 2 * (1 - task.threshold)})


def _scaled(weights: Floats, label: Bools, threshold: float) -> Floats:
    """Weights with the costs of errors taken out again, so that scores stay probabilities; of mean 1.

    A model of cost-weighted rows would have to decide at one half. Without multipliers all weights are 1.
    """
    plain = weights / np.where(label, 1 - threshold, threshold)
    return np.asarray(plain / plain.mean(), dtype=np.float64)


def _groups(task: Task) -> NDArray[np.str_]:
    """Each row's group; those too small to be compared are taken together."""
    large = large_enough(task.positive, task.cells)
    return np.where(large[task.cells.code], task.cells.code, -1).astype(str)
