"""What every method starts from, and what it ends with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from assay.core import problem
from assay.training.group_thresholds import GroupThresholds
from assay.training.mitigation.cells import Cells
from assay.training.mitigation.rates import Bools, Floats
from assay.training.run import Validation, fit


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


class Kept(NamedTuple):
    """Validation rows: features, label, and groups of the same names as the training rows'."""

    features: pd.DataFrame
    label: pd.Series
    cells: Cells

    @property
    def positive(self) -> Bools:
        """Which rows are of the positive class."""
        return _positive(self.label)


class Turned(NamedTuple):
    """What rows are trained on in place of their own labels (None: those), and how much each counts."""

    label: Bools | None
    weights: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The training rows and how models are made of them; see `assay.training.mitigation.fit.fit_mitigated`.

    Validation rows do one thing: either `train` asks for them, or the method chooses by them.

    Attributes
    ----------
    watched
        Validation rows that `train` gets with every model.
    apart
        Validation rows that no model has seen in any way.
    """

    module: Path
    features: pd.DataFrame
    label: pd.Series
    cells: Cells
    seed: int
    parameters: Mapping[str, Any]
    threshold: float
    watched: Kept | None = None
    apart: Kept | None = None

    @property
    def positive(self) -> Bools:
        """Which rows are of the positive class."""
        return _positive(self.label)

    def fit(
        self, rows: Bools | None = None, *, turned: Turned | None = None, watched: Turned | None = None
    ) -> Pipeline:
        """Train on some of the rows.

        Parameters
        ----------
        rows
            Which of the n rows; None: all.
        turned
            For as many rows as are chosen.
        watched
            The same for the validation rows that `train` gets, if it does.
        """
        features, label = self.features, self.label
        if rows is not None:
            features, label = features[rows].reset_index(drop=True), label[rows].reset_index(drop=True)
        label, weights = _as_turned(label, turned)
        validation = None
        if self.watched is not None:
            validation = Validation(self.watched.features, *_as_turned(self.watched.label, watched))
        return fit(
            module=self.module,
            features=features,
            label=label,
            seed=self.seed,
            parameters=self.parameters,
            weights=weights,
            validation=validation,
        )


def _positive(label: pd.Series) -> Bools:
    return np.asarray(label == 1, dtype=np.bool_)


def _as_turned(own: pd.Series, turned: Turned | None) -> tuple[pd.Series, pd.Series | None]:
    if turned is None:
        return own, None
    label = own if turned.label is None else pd.Series(turned.label.astype(int), index=own.index, name=own.name)
    return label, pd.Series(turned.weights, index=own.index, name="weight")


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
