"""Local explanation: what one row's score is made of, and what would turn its decision."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.evidence.explain.counterfactual import Cell, Counterfactual, cell, counterfactuals
from assay.evidence.explain.shapley import Columns, Floats, shapley

if TYPE_CHECKING:
    from assay.evidence.judging import Case
    from assay.training.onnx_model import OnnxModel

BACKGROUND = 1_000
"""Most rows of the training data that the row is compared with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """How much one feature moves the row's score.

    Attributes
    ----------
    feature, value
        Its name, and its value in the row; None where the row has none.
    amount
        Shapley value, in probability.
    error
        Standard error of the amount.
    """

    feature: str
    value: Cell
    amount: float
    error: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalExplanation:
    """One row, explained.

    Attributes
    ----------
    model, snapshot
        SHA-256 of the explained bytes, and the id of the data.
    score, threshold, decision
        The model's score, at or above what it decides for the positive class in this row, and the class.
    base
        Mean score of the background rows; with every contribution added it is the score.
    background
        How many of them there are.
    contributions
        The largest first, whatever its sign.
    counterfactuals
        Fewest changes first, then nearest.
    notes
        Why there are no counterfactuals; values of the row that the data do not have.
    """

    model: str
    snapshot: str
    score: float
    threshold: float
    decision: str
    base: float
    background: int
    contributions: Sequence[Contribution]
    counterfactuals: Sequence[Counterfactual]
    notes: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        return asdict(self)


def explain_row(case: "Case", row: Columns) -> LocalExplanation:
    """Explain the score of one row by a case's candidate.

    Parameters
    ----------
    case
        With a candidate.
    row
        Feature name to an array of shape (1, 1), as `assay.evidence.explain.rows` reads it.

    Raises
    ------
    UserError
        When the snapshot does not have the features.
    """
    from assay.data.features import model_inputs
    from assay.evidence.explain.importance import background_of
    from assay.evidence.explain.results import Effort

    model = case.candidate
    observed = model_inputs(case.rows, model.features)
    background = background_of(case, Effort(background=BACKGROUND))
    return explain_inputs(
        model=model,
        row=row,
        background=background,
        observed=observed,
        mutable=case.policy.data.mutable,
        snapshot=case.snapshot.id,
        seed=case.seed,
    )


def explain_inputs(
    *,
    model: "OnnxModel",
    row: Columns,
    background: Columns,
    observed: Columns,
    mutable: Sequence[str],
    snapshot: str,
    seed: int,
) -> LocalExplanation:
    """Explain one row against a background.

    Parameters
    ----------
    model
        The served bytes.
    row, background, observed
        Feature name to an array of shape (1, 1), (b, 1) and (n, 1): the row, the rows that stand for
        the average one, and those that values are taken from. The row has all of the model's inputs,
        the others its features.
    mutable
        Features that a counterfactual may change.
    snapshot
        Id of the data.
    seed
        Makes the sampled orders repeatable.
    """
    threshold, decided = float(model.thresholds(row)[0]), bool(model.decide(row, model.score(row))[0])
    deciding = {name: row[name] for name in model.inputs if name not in model.features}
    row = {name: row[name] for name in model.features}
    background = {name: background[name] for name in model.features}
    size = len(next(iter(background.values())))
    found = shapley(score=model.score, rows=row, background=background, pairs=size, seed=seed)
    score = float(model.score(row)[0])

    def decide(columns: Columns, scores: Floats) -> NDArray[np.bool_]:
        """The row's attributes stay as they are while its features change."""
        return model.decide(
            {**columns, **{name: np.repeat(c, len(scores), axis=0) for name, c in deciding.items()}}, scores
        )

    others = counterfactuals(score=model.score, decide=decide, row=row, observed=observed, mutable=mutable)
    contributions = [
        Contribution(feature=name, value=cell(row[name][0, 0]), amount=float(amount), error=float(error))
        for name, amount, error in zip(row, found.values[0], found.errors[0], strict=True)
    ]
    return LocalExplanation(
        model=model.digest,
        snapshot=snapshot,
        score=score,
        threshold=threshold,
        decision=model.classes[decided],
        base=float(found.base[0]),
        background=size,
        contributions=tuple(sorted(contributions, key=lambda each: -abs(each.amount))),
        counterfactuals=tuple(others),
        notes=(*_unseen(row, observed), *_without(others, mutable)),
    )


def _unseen(row: Columns, observed: Columns) -> list[str]:
    return [
        f"{name}: {column[0, 0]!r} does not occur in the data"
        for name, column in row.items()
        if isinstance(column[0, 0], str) and column[0, 0] not in observed[name][:, 0]
    ]


def _without(others: Sequence[Counterfactual], mutable: Sequence[str]) -> list[str]:
    if others:
        return []
    if not mutable:
        return ["no counterfactuals: the policy's data.mutable names no column that may change"]
    return [f"no counterfactuals: no change of {', '.join(mutable)} that was tried turns the decision"]
