"""Train a candidate again, mitigated as the policy says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from assay.policy import Mitigation, Reweighing
from assay.training.group_thresholds import GroupThresholds
from assay.training.mitigation import reweighing
from assay.training.mitigation.cells import Cells, cells_of
from assay.training.run import fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Mitigated:
    """A mitigated candidate.

    Attributes
    ----------
    pipeline
        Fitted, with probabilities for the classes 0 and 1.
    threshold
        A score at or above it decides for the positive class, where `by_group` says nothing else.
    by_group
        The thresholds of the groups that have their own; None where there are none.
    facts
        What was done, as plain JSON.
    """

    pipeline: Pipeline
    threshold: float
    by_group: GroupThresholds | None
    facts: Mapping[str, Any]


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
        when the method finds nothing that meets what it was asked for.
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
    if isinstance(mitigation, Reweighing):
        return _reweighed(task)
    raise NotImplementedError(mitigation.method)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What every method starts from; see `fit_mitigated`."""

    module: Path
    features: pd.DataFrame
    label: pd.Series
    cells: Cells
    seed: int
    parameters: Mapping[str, Any]
    threshold: float


def _reweighed(task: Task) -> Mitigated:
    positive = task.label.to_numpy() == 1
    weights = pd.Series(reweighing.weights(positive, task.cells), index=task.label.index, name="weight")
    pipeline = fit(
        module=task.module,
        features=task.features,
        label=task.label,
        seed=task.seed,
        parameters=task.parameters,
        weights=weights,
    )
    facts = {"method": "reweighing", "models": 1, "weights": reweighing.facts(positive, task.cells)}
    return Mitigated(pipeline=pipeline, threshold=task.threshold, by_group=None, facts=facts)
