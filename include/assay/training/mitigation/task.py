"""What every method starts from, and what it ends with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from assay.core import problem
from assay.training.group_thresholds import GroupThresholds
from assay.training.mitigation.cells import Cells
from assay.training.mitigation.rates import Bools, Floats
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The training rows and how models are made of them; see `assay.training.mitigation.fit.fit_mitigated`."""

    module: Path
    features: pd.DataFrame
    label: pd.Series
    cells: Cells
    seed: int
    parameters: Mapping[str, Any]
    threshold: float

    @property
    def positive(self) -> Bools:
        """Which rows are of the positive class."""
        return np.asarray(self.label == 1, dtype=np.bool_)

    def fit(self, rows: Bools | None = None, *, label: Bools | None = None, weights: Floats | None = None) -> Pipeline:
        """Train on some of the rows.

        Parameters
        ----------
        rows
            Which of the n rows; None: all.
        label, weights : ndarray of as many as there are rows chosen
            In place of the rows' own labels, and of weights that are all alike.
        """
        features, own = self.features, self.label
        if rows is not None:
            features, own = features[rows].reset_index(drop=True), own[rows].reset_index(drop=True)
        return fit(
            module=self.module,
            features=features,
            label=own if label is None else pd.Series(label.astype(int), index=own.index, name=own.name),
            seed=self.seed,
            parameters=self.parameters,
            weights=None if weights is None else pd.Series(weights, index=own.index, name="weight"),
        )


def scores(pipeline: Pipeline, features: pd.DataFrame) -> Floats:
    """The probability of the positive class, by a model that has not seen the rows.

    Raises
    ------
    UserError
        When the pipeline cannot score rows that were not among those it was trained on.
    """
    try:
        return np.asarray(pipeline.predict_proba(features)[:, 1], dtype=np.float64)
    except Exception as error:  # a team's steps raise what they like
        message = f"on rows kept from training raised {type(error).__name__}: {error}"
        raise problem("predict_proba", message, "accept values that were not seen in training") from error
