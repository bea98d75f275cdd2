"""Train from stored things alone: snapshot, policy, the team's module and seed.

The pipeline trains through here and so does a replay, months later: there is no second way of training.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import problem
from assay.evidence.judging import Case

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Mitigation
    from assay.training.mitigation.fit import Mitigated, Rows
    from assay.training.onnx_model import Kind

log = logging.getLogger(__name__)

ROWS = ("training_rows", "validation_rows", "holdout_rows")
"""The facts of a training that count the rows of each side."""

_CHOOSING = ("thresholds", "constraint")  # the mitigations that choose by rows that training has not seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What training makes.

    Attributes
    ----------
    onnx, reference
        The served form, and the scikit-learn original in skops' format.
    kinds
        Feature name to kind, in the model's order.
    parity
        Largest difference between both forms' probabilities on the held-out rows.
    training_rows, validation_rows, holdout_rows
        How many rows it was fitted on, how many were kept to choose by, and how many it has not seen.
    validation_for
        What chose by the validation rows: ``train`` or the method of a mitigation; None if nothing did.
    threshold
        The score from which on it decides for the positive class.
    mitigation
        What was done to make it fairer, as plain JSON values; None for a model as trained.
    """

    onnx: bytes
    reference: bytes
    kinds: Mapping[str, "Kind"]
    parity: float
    training_rows: int
    holdout_rows: int
    threshold: float
    validation_rows: int = 0
    validation_for: str | None = None
    mitigation: Mapping[str, Any] | None = None

    @property
    def rows(self) -> dict[str, int]:
        """How many rows there were of each side, as records and MLflow name them."""
        return {name: getattr(self, name) for name in ROWS}


def train(case: Case, module: Path, *, mitigated: bool = False) -> Trained:
    """Train a candidate, export it, and check that both forms agree.

    Parameters
    ----------
    case
        Its candidate, if it has one, is not looked at.
    module
        The team's `train.py`.
    mitigated
        Whether the policy's mitigation has a say in it.

    Raises
    ------
    UserError
        When no row is held out, or the team's code or its pipeline is not what it must be.
    """
    from assay.data.features import kinds, model_inputs, training_frame
    from assay.training.export import check_parity, export, reference
    from assay.training.onnx_model import OnnxModel

    policy, data = case.policy, case.policy.data
    types = kinds(case.rows.schema, data.features)
    seen, kept, unseen = (case.rows.filter(side) for side in (case.trained_on, case.validated_on, case.held_out))
    _require_rows(case, seen, kept, unseen)
    classes = _classes(case)
    use = _use(case, module, kept, mitigated=mitigated)
    made = _fitted(
        case, module, _rows(case, seen, types), _rows(case, kept, types) if use else None, mitigated=mitigated
    )
    onnx = export(
        made.pipeline,
        kinds=types,
        model=policy.model,
        classes=classes,
        threshold=made.threshold,
        by_group=made.by_group,
    )
    model = OnnxModel(onnx)
    parity = check_parity(made.pipeline, model, frame=training_frame(unseen, types), inputs=model_inputs(unseen, types))
    return Trained(
        onnx=onnx,
        reference=reference(made.pipeline),
        kinds=model.inputs,
        parity=parity,
        training_rows=seen.num_rows,
        holdout_rows=unseen.num_rows,
        validation_rows=kept.num_rows,
        validation_for=use,
        threshold=made.threshold,
        mitigation=made.facts if mitigated else None,
    )


def _require_rows(case: Case, seen: "pa.Table", kept: "pa.Table", unseen: "pa.Table") -> None:
    split, total = case.policy.data.split, case.rows.num_rows
    path = "data.holdout" if split is None else "data.split"
    if not (seen.num_rows and unseen.num_rows):
        raise problem(path, f"holds out {unseen.num_rows} of {total} rows", "give more rows")
    if split is not None and split.validation and not kept.num_rows:
        raise problem("data.split.validation", f"keeps none of {total} rows", "give more rows, or leave it out")


def _use(case: Case, module: Path, kept: "pa.Table", *, mitigated: bool) -> str | None:
    """What chooses by the validation rows; rows that nobody uses are told of."""
    from assay.training.run import takes_validation

    if not kept.num_rows:
        return None
    if takes_validation(module):
        return "train"
    method = None if case.policy.mitigation is None else case.policy.mitigation.method
    if method not in _CHOOSING:
        log.warning(
            "%s validation rows are used by nothing, nor are they trained on: let train() in %s take `validation`, "
            "or set data.split.validation to 0",
            f"{kept.num_rows:,}",
            module.name,
        )
        return None
    return method if mitigated else None


def _rows(case: Case, rows: "pa.Table", types: Mapping[str, "Kind"]) -> "Rows":
    """Rows as training has them, and the groups that mitigation goes by."""
    import pandas as pd

    from assay.data.features import encode, positives, training_frame
    from assay.training.mitigation.fit import Rows

    data, mitigation = case.policy.data, case.policy.mitigation
    return Rows(
        features=training_frame(rows, types),
        label=pd.Series(positives(rows[data.label], data.positive).astype(int), name=data.label),
        groups={name: encode(rows[name], "text")[:, 0] for name in (mitigation.attributes if mitigation else ())},
    )


def _fitted(case: Case, module: Path, rows: "Rows", kept: "Rows | None", *, mitigated: bool) -> "Mitigated":
    """A pipeline and how it decides, as trained or as the policy's mitigation makes it."""
    from assay.training.mitigation.fit import Mitigated, fit_mitigated
    from assay.training.run import Validation, fit

    training, parameters = case.policy.training, case.policy.training.parameters
    if not mitigated:
        fitted = fit(
            module=module,
            features=rows.features,
            label=rows.label,
            seed=case.seed,
            parameters=parameters,
            validation=None if kept is None else Validation(kept.features, kept.label),
        )
        return Mitigated(pipeline=fitted, threshold=training.threshold, by_group=None, facts={})
    if case.policy.mitigation is None:
        raise problem("mitigation", "is not in the policy", "name a method")
    _require_words(case.rows, case.policy.mitigation)
    return fit_mitigated(
        mitigation=case.policy.mitigation,
        module=module,
        features=rows.features,
        label=rows.label,
        groups=rows.groups,
        seed=case.seed,
        parameters=parameters,
        threshold=training.threshold,
        validation=kept,
    )


def _require_words(rows: "pa.Table", mitigation: "Mitigation") -> None:
    """Refuse thresholds by a number: a request may write 1 for what the data hold as 1.0, and be of no group."""
    from assay.data.features import kinds
    from assay.policy import Thresholds

    if not isinstance(mitigation, Thresholds) or mitigation.awareness != "aware":
        return
    numbers = [name for name, kind in kinds(rows.schema, mitigation.attributes).items() if kind == "number"]
    if numbers:
        message = f"groups by numbers: {', '.join(numbers)}"
        raise problem("mitigation.attributes", message, "derive a column of text that holds the group")


def _classes(case: Case) -> tuple[str, str]:
    """The negative and the positive class, as text."""
    import pyarrow.compute as pc

    from assay.data.features import encode, positives

    data = case.policy.data
    found = encode(pc.unique(case.rows[data.label]), "text")[:, 0]
    positive = positives(found, data.positive)
    if len(found) != 2 or positive.sum() != 1:
        raise problem(
            data.label, f"has the classes {', '.join(map(repr, found))}", "a label has two, one being `positive`"
        )
    return str(found[~positive][0]), str(found[positive][0])
