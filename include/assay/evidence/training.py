"""Train from stored things alone: snapshot, policy, the files of the model's folder and seed.

The pipeline trains through here and so does a replay, months later: there is no second way of training. The team's
code runs in a box and is not trusted: `prepare` writes what the box gets, `run_job` runs it, and `collect` checks what
it gave back and measures it.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import problem
from assay.evidence.decision_rule import read_rule
from assay.evidence.judging import Case

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from assay.policy import Mitigation
    from assay.training.job import JobFolder, Spec
    from assay.training.onnx_model import Kind

log = logging.getLogger(__name__)

ROWS = ("training_rows", "validation_rows", "holdout_rows")
"""The facts of a training that count the rows of each side."""

_CHOOSING = ("thresholds", "constraint")  # the mitigations that choose by rows that training has not seen
_TEMPORARY = "assay-training-"
_ROUNDING = 1e-6  # by which a probability in float32 may pass 0 or 1


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
        What was done to make it fairer, as plain JSON values; None for a model as trained. The box says so: it is
        shown, and nothing is decided by it.
    isolation
        How the team's code was kept apart; see `assay.isolation.Level`.
    """

    onnx: bytes
    reference: bytes
    kinds: Mapping[str, "Kind"]
    parity: float
    training_rows: int
    holdout_rows: int
    threshold: float
    isolation: str
    validation_rows: int = 0
    validation_for: str | None = None
    mitigation: Mapping[str, Any] | None = None

    @property
    def rows(self) -> dict[str, int]:
        """How many rows there were of each side, as records and MLflow name them."""
        return {name: getattr(self, name) for name in ROWS}


def train(
    case: Case,
    model_files: Mapping[str, bytes],
    *,
    mitigated: bool = False,
    folder: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Trained:
    """Train a candidate in a box, check what comes out, and see that its ONNX form agrees with scikit-learn.

    Parameters
    ----------
    case
        Its candidate, if it has one, is not looked at.
    model_files
        The files of the model's folder; see `assay.policy.read_model_files`.
    mitigated
        Whether the policy's mitigation has a say in it.
    folder
        Where the job is laid out; a temporary folder by default. Whatever is there is deleted, before and after.
    report
        Gets every line that the team's code prints; the log by default.

    Raises
    ------
    UserError
        When no row is held out, when the team's code, its pipeline or its model is not what it must be or used more
        than it may, or when this machine cannot isolate it as the settings and the risk tier ask for.
    """
    from assay.training.job import JobFolder
    from assay.training.relay import log_printed, run_job
    from assay.training.stale_jobs import remove_stale_jobs

    remove_stale_jobs(Path(tempfile.gettempdir()), f"{_TEMPORARY}*/job")
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY) as scratch:
        Path(scratch).chmod(0o711)  # another account may run the box; the job's own folder keeps all others out
        job = JobFolder(folder or Path(scratch) / "job")
        try:
            prepare(case, model_files, job, mitigated=mitigated)
            run_job(job, report=report or log_printed)
            return collect(case, job, mitigated=mitigated)
        finally:
            job.remove()


def prepare(case: Case, model_files: Mapping[str, bytes], job: "JobFolder", *, mitigated: bool = False) -> None:
    """Lay out a training job: the model's files, the training rows, and what the box gets later.

    The labels of held-out rows are never written.

    Raises
    ------
    UserError
        When no row is held out, or the policy's mitigation does not fit the columns.
    """
    from assay.data.features import encode, kinds, model_inputs, positives
    from assay.training.job import HELD_OUT, TRAINING, VALIDATION, write_rows

    data, mitigation = case.policy.data, case.policy.mitigation
    seen, kept, unseen = _sides(case)
    _require_rows(case, seen, kept, unseen)
    if mitigated:
        if mitigation is None:
            raise problem("mitigation", "is not in the policy", "name a method")
        _require_words(case.rows, mitigation)
    types = kinds(case.rows.schema, data.features)
    spec = _spec(case, types, validation=kept.num_rows > 0, mitigated=mitigated)
    job.create(spec, model_files)
    for place, rows in ((job.rows / TRAINING, seen), (job.withheld / VALIDATION, kept)):
        write_rows(
            place,
            features=model_inputs(rows, types),
            label=positives(rows[data.label], data.positive).astype(int),
            groups={name: encode(rows[name], "text")[:, 0] for name in spec.groups},
        )
    write_rows(job.withheld / HELD_OUT, features=model_inputs(unseen, types))


def collect(case: Case, job: "JobFolder", *, mitigated: bool = False) -> Trained:
    """Check what a job that was run gave back: the bytes, the decision rule, and the parity of both forms.

    Raises
    ------
    UserError
        What the box said went wrong; or everything that is wrong with what it gave back.
    JobError
        When the job was not run to its end.
    """
    from assay.data.features import kinds, model_inputs
    from assay.training.job import ONNX, REFERENCE, RESULT
    from assay.training.onnx_check import sealed
    from assay.training.onnx_model import OnnxModel

    done = job.done()
    types = kinds(case.rows.schema, case.policy.data.features)
    result = read_rule(job.output(RESULT), case.policy, mitigated=mitigated)
    content = sealed(
        job.output(ONNX),
        kinds=types,
        model=case.policy.model,
        classes=_classes(case),
        threshold=result.threshold,
        by_group=result.by_group,
    )
    model = OnnxModel(content)
    seen, kept, unseen = _sides(case)
    use = done["validation_for"]
    if use is None:
        _warn_of_unused(case, kept)
    return Trained(
        onnx=content,
        reference=job.output(REFERENCE),
        kinds=model.inputs,
        parity=_parity(job, model.score(model_inputs(unseen, types))),
        training_rows=seen.num_rows,
        holdout_rows=unseen.num_rows,
        validation_rows=kept.num_rows,
        validation_for=use,
        threshold=result.threshold,
        mitigation=result.facts if mitigated else None,
        isolation=done["isolation"],
    )


def _sides(case: Case) -> "tuple[pa.Table, pa.Table, pa.Table]":
    """The rows for training, for validation and for the gates."""
    seen, kept, unseen = (case.rows.filter(side) for side in (case.trained_on, case.validated_on, case.held_out))
    return seen, kept, unseen


def _spec(case: Case, types: "Mapping[str, Kind]", *, validation: bool, mitigated: bool) -> "Spec":
    from assay.training.job import Spec

    policy, mitigation = case.policy, case.policy.mitigation if mitigated else None
    return Spec(
        model=policy.model,
        features=types,
        label=policy.data.label,
        classes=_classes(case),
        groups=tuple(mitigation.attributes) if mitigation else (),
        seed=case.seed,
        parameters=policy.training.parameters,
        threshold=policy.training.threshold,
        mitigation=None if mitigation is None else mitigation.model_dump(mode="json"),
        validation=validation,
        limits=policy.training.limits.for_box(),
        tier=policy.risk_tier,
    )


def _parity(job: "JobFolder", found: "NDArray[np.float64]") -> float:
    """The largest difference between the original's scores of the held-out rows, as the box says, and ours."""
    import numpy as np

    from assay.training.export_parity import PARITY, parity_gap
    from assay.training.job import SCORES

    expected = np.frombuffer(job.output(SCORES), dtype="<f8")
    gap = parity_gap(expected, found) if expected.shape == found.shape else float("nan")
    if not gap <= PARITY:  # NaN must not pass
        message = f"scores of held-out rows differ by up to {gap:.2g} between sklearn and ONNX, more than {PARITY:g}"
        raise problem("model.onnx", message, "train on float32, and avoid steps whose ONNX form rounds differently")
    if found.min() < -_ROUNDING or found.max() > 1 + _ROUNDING:
        raise problem("model.onnx", "scores rows outside of 0 to 1", "return calibrated probabilities of both classes")
    return gap


def _warn_of_unused(case: Case, kept: "pa.Table") -> None:
    """Say that validation rows are used by nobody, unless mitigation may still choose by them."""
    method = None if case.policy.mitigation is None else case.policy.mitigation.method
    if kept.num_rows and method not in _CHOOSING:
        log.warning(
            "%s validation rows are used by nothing, nor are they trained on: let train() in train.py take "
            "`validation`, or set data.split.validation to 0",
            f"{kept.num_rows:,}",
        )


def _require_rows(case: Case, seen: "pa.Table", kept: "pa.Table", unseen: "pa.Table") -> None:
    split, total = case.policy.data.split, case.rows.num_rows
    path = "data.holdout" if split is None else "data.split"
    if not (seen.num_rows and unseen.num_rows):
        raise problem(path, f"holds out {unseen.num_rows} of {total} rows", "give more rows")
    if split is not None and split.validation and not kept.num_rows:
        raise problem("data.split.validation", f"keeps none of {total} rows", "give more rows, or leave it out")


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
