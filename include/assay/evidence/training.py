"""Train from stored things alone: snapshot, policy, the team's module and seed.

The pipeline trains through here and so does a replay, months later: there is no second way of training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import problem
from assay.evidence.judging import Case

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Mitigation
    from assay.training.mitigation.fit import Mitigated
    from assay.training.onnx_model import Kind


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
    training_rows, holdout_rows
        How many rows it saw, and how many it did not.
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
    mitigation: Mapping[str, Any] | None = None


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
    seen, unseen = case.rows.filter(case.trained_on), case.rows.filter(case.held_out)
    if not (seen.num_rows and unseen.num_rows):
        raise problem("data.holdout", f"holds out {unseen.num_rows} of {case.rows.num_rows} rows", "give more rows")
    classes = _classes(case)
    made = _fitted(case, module, seen, types, mitigated=mitigated)
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
        threshold=made.threshold,
        mitigation=made.facts if mitigated else None,
    )


def _fitted(case: Case, module: Path, seen: "pa.Table", types: Mapping[str, "Kind"], *, mitigated: bool) -> "Mitigated":
    """A pipeline and how it decides, as trained or as the policy's mitigation makes it."""
    import pandas as pd

    from assay.data.features import encode, positives, training_frame
    from assay.training.mitigation.fit import Mitigated, fit_mitigated
    from assay.training.run import fit

    policy, data = case.policy, case.policy.data
    label = pd.Series(positives(seen[data.label], data.positive).astype(int), name=data.label)
    features, threshold = training_frame(seen, types), policy.training.threshold
    parameters = policy.training.parameters
    if not mitigated:
        fitted = fit(module=module, features=features, label=label, seed=case.seed, parameters=parameters)
        return Mitigated(pipeline=fitted, threshold=threshold, by_group=None, facts={})
    if policy.mitigation is None:
        raise problem("mitigation", "is not in the policy", "name a method")
    _require_words(seen, policy.mitigation)
    return fit_mitigated(
        mitigation=policy.mitigation,
        module=module,
        features=features,
        label=label,
        groups={column: encode(seen[column], "text")[:, 0] for column in policy.mitigation.attributes},
        seed=case.seed,
        parameters=parameters,
        threshold=threshold,
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
