"""Train a candidate again, mitigated as the policy says."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from assay.policy import Constraint, Mitigation, Reweighing, Thresholds
from assay.training.group_thresholds import GroupThresholds
from assay.training.mitigation import reweighing, thresholds
from assay.training.mitigation.cells import cells_of
from assay.training.mitigation.folds import folds
from assay.training.mitigation.rates import Floats, large_enough
from assay.training.mitigation.task import Mitigated, Task, scores

__all__ = ["Mitigated", "fit_mitigated"]

log = logging.getLogger(__name__)

FOLDS = 5
"""Thresholds are chosen on scores of models that have not seen the row: one for each of so many parts."""


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

    Raises
    ------
    UserError
        As `assay.training.run.fit`; when `train` does not take the weights that the method needs;
        when the groups are too few or too small, or no thresholds do what is asked for.
    """
    cells = cells_of(groups, mitigation.attributes)
    task = Task(
        module=module,
        features=features,
        label=label,
        cells=cells,
        seed=seed,
        parameters=parameters,
        threshold=threshold,
    )
    with threadpool_limits(limits=1):
        match mitigation:
            case Reweighing():
                return _reweighed(task)
            case Thresholds():
                return _with_thresholds(task, mitigation)
            case Constraint():
                return _under_constraint(task, mitigation)


def _reweighed(task: Task) -> Mitigated:
    pipeline = task.fit(weights=reweighing.weights(task.positive, task.cells))
    facts = {"method": "reweighing", "models": 1, "weights": reweighing.facts(task.positive, task.cells)}
    return Mitigated(pipeline=pipeline, threshold=task.threshold, by_group=None, facts=facts)


def _with_thresholds(task: Task, part: Thresholds) -> Mitigated:
    score, label = _unseen_scores(task), task.positive
    found = thresholds.curves(score, label, task.cells, part.target)
    threshold, by_group = task.threshold, None
    if part.awareness == "blind":
        threshold, choice = thresholds.blind(found, max_gap=part.max_gap, plain=threshold)
    else:
        choice = thresholds.aware(found, max_gap=part.max_gap, plain=threshold)
        by_group = GroupThresholds(attributes=task.cells.attributes, by_group=choice.own)
    compared = np.isin(task.cells.code, [task.cells.names.index(name) for name in found.names])
    plain = (score >= task.threshold) == label
    facts = {
        "method": "thresholds",
        "awareness": part.awareness,
        "target": part.target,
        "models": FOLDS + 1,
        "threshold": threshold,
        "by_group": [{"group": task.cells.told(name), "threshold": own} for name, own in choice.own.items()],
        "not_compared": [task.cells.told(name) for name in task.cells.names if name not in choice.own],
        "gap": choice.gap,
        "accuracy": choice.accuracy,
        "accuracy_before": float(plain[compared].mean()),
    }
    if part.legal_note is not None:
        facts["legal_note"] = part.legal_note
    return Mitigated(pipeline=task.fit(), threshold=threshold, by_group=by_group, facts=facts)


def _under_constraint(task: Task, part: Constraint) -> Mitigated:
    from assay.training.mitigation.constrained import constrained  # fairlearn only where it is used

    made = constrained(task, part)
    large = large_enough(task.positive, task.cells)
    facts = {
        "method": "constraint",
        "constraint": part.constraint,
        "models": len(made.candidates) + 2,
        "candidates": [asdict(each) for each in made.candidates],
        "not_compared": [task.cells.told(name) for name, each in zip(task.cells.names, large, strict=True) if not each],
        **asdict(made.kept),
        "reached": made.kept.gap <= part.max_gap,
    }
    return Mitigated(pipeline=made.pipeline, threshold=task.threshold, by_group=None, facts=facts)


def _unseen_scores(task: Task) -> Floats:
    """Each row's score by a model of the other parts."""
    part = folds(task.positive, task.cells, count=FOLDS, seed=task.seed)
    found = np.empty(len(part))
    for fold in range(FOLDS):
        log.info("training model %d of %d", fold + 1, FOLDS + 1)
        found[part == fold] = scores(task.fit(part != fold), task.features[part == fold])
    return found
