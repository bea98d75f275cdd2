"""Train a candidate again, mitigated as the policy says."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from assay.core import problem
from assay.policy import Constraint, Mitigation, Reweighing, Thresholds
from assay.training.group_thresholds import GroupThresholds
from assay.training.mitigation import reweighing, thresholds
from assay.training.mitigation.cells import Cells, cells_of
from assay.training.mitigation.folds import folds
from assay.training.mitigation.rates import MIN_CASES, Bools, Floats, large_enough
from assay.training.mitigation.task import Kept, Mitigated, Task, Turned, scores
from assay.training.run import takes_validation

__all__ = ["Mitigated", "Rows", "fit_mitigated"]

log = logging.getLogger(__name__)

FOLDS = 5
"""Without validation rows thresholds are chosen on scores of models that have not seen the row: one for each part."""


class Rows(NamedTuple):
    """Features, label, and column name to the value of each row as text, as `fit_mitigated` has them of training."""

    features: pd.DataFrame
    label: pd.Series
    groups: Mapping[str, NDArray[np.object_]]


def fit_mitigated(
    *,
    mitigation: Mitigation,
    module: Path,
    features: pd.DataFrame,
    label: pd.Series,
    groups: Mapping[str, NDArray[np.object_]],
    seed: int,
    parameters: Mapping[str, Any],
    threshold: float,
    validation: Rows | None = None,
) -> Mitigated:
    """Train a mitigated candidate on the training rows; the held-out rows are not to be among them.

    The same rows and seed give the same candidate. Native threads are held to one: some methods train
    dozens of models, and threads that wait for a busy core would take longer than the work.

    Parameters
    ----------
    mitigation
        The method, from the policy.
    module, features, label, seed, parameters
        As for `assay.training.run.fit`.
    groups
        Column name to the value of each row as text, `core.MISSING` where there is none: at least
        the columns of `mitigation.attributes`.
    threshold
        The policy's `training.threshold`.
    validation
        Rows kept from training. A `train` that asks for validation rows gets them with every model; for
        any other, thresholds and the model of a constraint are chosen by them, instead of by parts of
        the training rows.

    Raises
    ------
    UserError
        As `assay.training.run.fit`; when `train` does not take the weights that the method needs;
        when the groups are too few or too small, or no thresholds do what is asked for.
    """
    cells, kept = _sorted(groups, validation, mitigation.attributes)
    watches = kept is not None and takes_validation(module)
    task = Task(
        module=module,
        features=features,
        label=label,
        cells=cells,
        seed=seed,
        parameters=parameters,
        threshold=threshold,
        watched=kept if watches else None,
        apart=None if watches else kept,
    )
    if task.apart is not None and not isinstance(mitigation, Reweighing):
        _require_groups(task.apart)
    with threadpool_limits(limits=1):
        match mitigation:
            case Reweighing():
                return _reweighed(task)
            case Thresholds():
                return _with_thresholds(task, mitigation)
            case Constraint():
                return _under_constraint(task, mitigation)


def _sorted(
    groups: Mapping[str, NDArray[np.object_]], validation: Rows | None, attributes: Sequence[str]
) -> tuple[Cells, Kept | None]:
    """The groups of the training rows and, under the same names, those of the validation rows."""
    if validation is None:
        return cells_of(groups, attributes), None
    both = {name: np.concatenate([groups[name], validation.groups[name]]) for name in attributes}
    cells, all_rows = cells_of(both, attributes), np.arange(len(both[attributes[0]]))
    rows, kept = np.split(all_rows, [len(all_rows) - len(validation.label)])
    return cells.take(rows), Kept(validation.features, validation.label, cells.take(kept))


def _require_groups(kept: Kept) -> None:
    large = large_enough(kept.positive, kept.cells)
    if large.sum() < 2:
        message = f"only {large.sum()} of {len(large)} groups have {MIN_CASES} validation rows of each class"
        raise problem("data.split.validation", message, "keep more rows, or take fewer columns of attributes together")


def _reweighed(task: Task) -> Mitigated:
    label, cells, watched = task.positive, task.cells, task.watched
    like = None
    if watched is not None:
        like = Turned(None, reweighing.weights_like(label, cells, other=watched.positive, others=watched.cells))
    pipeline = task.fit(turned=Turned(None, reweighing.weights(label, cells)), watched=like)
    facts = {"method": "reweighing", "models": 1, "weights": reweighing.facts(label, cells)}
    return Mitigated(pipeline=pipeline, threshold=task.threshold, by_group=None, facts=facts)


def _with_thresholds(task: Task, part: Thresholds) -> Mitigated:
    pipeline = task.fit()
    score, label, cells = _unseen(task, pipeline)
    found = thresholds.curves(score, label, cells, part.target)
    threshold, by_group = task.threshold, None
    if part.awareness == "blind":
        threshold, choice = thresholds.blind(found, max_gap=part.max_gap, plain=threshold)
    else:
        choice = thresholds.aware(found, max_gap=part.max_gap, plain=threshold)
        by_group = GroupThresholds(attributes=cells.attributes, by_group=choice.own)
    compared = np.isin(cells.code, [cells.names.index(name) for name in found.names])
    plain = (score >= task.threshold) == label
    facts = {
        "method": "thresholds",
        "awareness": part.awareness,
        "target": part.target,
        **_chosen_on(task, len(label)),
        "models": FOLDS + 1 if task.apart is None else 1,
        "threshold": threshold,
        "by_group": [{"group": cells.told(name), "threshold": own} for name, own in choice.own.items()],
        "not_compared": [cells.told(name) for name in cells.names if name not in choice.own],
        "gap": choice.gap,
        "accuracy": choice.accuracy,
        "accuracy_before": float(plain[compared].mean()),
    }
    if part.legal_note is not None:
        facts["legal_note"] = part.legal_note
    return Mitigated(pipeline=pipeline, threshold=threshold, by_group=by_group, facts=facts)


def _under_constraint(task: Task, part: Constraint) -> Mitigated:
    from assay.training.mitigation.constrained import constrained  # fairlearn only where it is used

    made = constrained(task, part)
    large = large_enough(task.positive, task.cells)
    facts = {
        "method": "constraint",
        "constraint": part.constraint,
        **_chosen_on(task, made.chosen_on),
        "models": len(made.candidates) + 2,
        "candidates": [asdict(each) for each in made.candidates],
        "not_compared": [task.cells.told(name) for name, each in zip(task.cells.names, large, strict=True) if not each],
        **asdict(made.kept),
        "reached": made.kept.gap <= part.max_gap,
    }
    return Mitigated(pipeline=made.pipeline, threshold=task.threshold, by_group=None, facts=facts)


def _chosen_on(task: Task, rows: int) -> dict[str, Any]:
    return {"chosen_on": "training" if task.apart is None else "validation", "chosen_on_rows": rows}


def _unseen(task: Task, pipeline: Pipeline) -> tuple[Floats, Bools, Cells]:
    """Scores of models that have not seen the row, with labels and groups: of validation rows, or else in parts."""
    if task.apart is not None:
        return scores(pipeline, task.apart.features), task.apart.positive, task.apart.cells
    part = folds(task.positive, task.cells, count=FOLDS, seed=task.seed)
    found = np.empty(len(part))
    for fold in range(FOLDS):
        log.info("training model %d of %d", fold + 2, FOLDS + 1)
        found[part == fold] = scores(task.fit(part != fold), task.features[part == fold])
    return found, task.positive, task.cells
