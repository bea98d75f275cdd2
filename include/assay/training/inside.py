"""What runs inside the box: call the team's `train`, mitigate, export. Nothing that it says is believed unchecked.

It talks in lines of JSON with `assay.training.relay`. Rows and models pass as files.

=========================  ==============================================================================
relay                      inside
=========================  ==============================================================================
``{"job": FOLDER}``        ``{"asks": "train"}``, a mitigation's method, or null: who wants validation rows
``{"go": true}``           ``{"made": true}``: the ONNX, the original and `result.json` lie in scratch
``{"held_out": true}``     ``{"scored": true}``: what the original makes of the held-out features
=========================  ==============================================================================

Instead of any of these it may say ``{"error": {"subject": ..., "problems": [...]}}`` and end.
"""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import UserError, canonical_json
from assay.training.job import (
    HELD_OUT,
    ONNX,
    REFERENCE,
    RESULT,
    SCORES,
    TRAINING,
    VALIDATION,
    JobFolder,
    Spec,
    feature_frame,
    feature_inputs,
    group_texts,
    label_series,
    read_rows,
)
from assay.training.onnx_model import OnnxModel

if TYPE_CHECKING:
    from assay.policy import Mitigation
    from assay.training.mitigation.fit import Mitigated, Rows

CHOOSING = ("thresholds", "constraint")
"""The mitigations that choose by rows that training has not seen."""

Receive = Callable[[], str]
Send = Callable[[str], None]


def main(receive: Receive, send: Send) -> None:
    """Do the job that the relay names, and say what went wrong as data."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    try:
        for answer in _steps(receive):
            send(json.dumps(answer))
    except UserError as error:
        send(json.dumps({"error": {"subject": error.subject, "problems": [asdict(each) for each in error.problems]}}))
    except MemoryError:
        found = {"path": "train.py", "message": "ran out of memory", "mend": "raise training.limits.memory_gb"}
        send(json.dumps({"error": {"subject": "training", "problems": [found]}}))


def _steps(receive: Receive) -> "Any":
    job = JobFolder(Path(json.loads(receive())["job"]))
    spec = job.spec
    module = job.model / spec.model / "train.py"
    use = _use(spec, module)
    yield {"asks": use}
    receive()
    rows = _rows(spec, read_rows(job.rows / TRAINING))
    kept = None if use is None else _rows(spec, read_rows(job.rows / VALIDATION))
    made = _fitted(spec, module, rows, kept)
    content = _export(spec, made, rows)
    _write(job, made, content)
    yield {"made": True}
    receive()
    _score_held_out(spec, job, made, content)
    yield {"scored": True}


def _use(spec: Spec, module: Path) -> str | None:
    """Who chooses by the validation rows, where there are some."""
    from assay.training.run import takes_validation

    watches = takes_validation(module)
    if not spec.validation:
        return None
    if watches:
        return "train"
    method = None if spec.mitigation is None else str(spec.mitigation["method"])
    return method if method in CHOOSING else None


def _rows(spec: Spec, table: Any) -> "Rows":
    from assay.training.mitigation.fit import Rows

    return Rows(
        features=feature_frame(table, spec.features),
        label=label_series(table, spec.label),
        groups=group_texts(table, spec.groups),
    )


def _fitted(spec: Spec, module: Path, rows: "Rows", kept: "Rows | None") -> "Mitigated":
    """A pipeline and how it decides, as trained or as the policy's mitigation makes it."""
    from assay.training.mitigation.fit import Mitigated, fit_mitigated
    from assay.training.run import Validation, fit

    if spec.mitigation is None:
        fitted = fit(
            module=module,
            features=rows.features,
            label=rows.label,
            seed=spec.seed,
            parameters=spec.parameters,
            validation=None if kept is None else Validation(kept.features, kept.label),
        )
        return Mitigated(pipeline=fitted, threshold=spec.threshold, by_group=None, facts={})
    return fit_mitigated(
        mitigation=_mitigation(spec.mitigation),
        module=module,
        features=rows.features,
        label=rows.label,
        groups=rows.groups,
        seed=spec.seed,
        parameters=spec.parameters,
        threshold=spec.threshold,
        validation=kept,
    )


def _mitigation(written: Any) -> "Mitigation":
    from pydantic import TypeAdapter

    from assay.policy import Mitigation

    found: Mitigation = TypeAdapter(Mitigation).validate_python(written)
    return found


def _export(spec: Spec, made: "Mitigated", rows: "Rows") -> bytes:
    """The ONNX bytes, whose scores of the training rows are scikit-learn's."""
    from assay.training.export import check_parity, export

    content = export(
        made.pipeline,
        kinds=spec.features,
        model=spec.model,
        classes=spec.classes,
        threshold=made.threshold,
        by_group=made.by_group,
    )
    inputs = {name: rows.features[name].to_numpy().reshape(-1, 1) for name in spec.features}
    check_parity(made.pipeline, OnnxModel(content), frame=rows.features, inputs=inputs)
    return content


def _write(job: JobFolder, made: "Mitigated", content: bytes) -> None:
    from assay.training.export import reference

    own = None if made.by_group is None else json.loads(made.by_group.to_json())
    result = {"threshold": made.threshold, "by_group": own, "facts": made.facts}
    (job.scratch / REFERENCE).write_bytes(reference(made.pipeline))
    (job.scratch / RESULT).write_bytes(canonical_json(result))
    (job.scratch / ONNX).write_bytes(content)


def _score_held_out(spec: Spec, job: JobFolder, made: "Mitigated", content: bytes) -> None:
    """Leave what scikit-learn makes of the held-out features; they have no labels, and the bytes are fixed."""
    from assay.training.export import check_parity, predicted

    table = read_rows(job.rows / HELD_OUT)
    frame = feature_frame(table, spec.features)
    inputs = feature_inputs(table, spec.features)
    expected = predicted(made.pipeline, frame)
    check_parity(made.pipeline, OnnxModel(content), frame=frame, inputs=inputs, expected=expected)
    expected.astype("<f8").tofile(job.scratch / SCORES)
