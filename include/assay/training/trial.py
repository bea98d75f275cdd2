"""Try ONNX bytes that untrusted code made, in a box of their own: check, load and score them as the task is about to.

What passes here within the limits passes again with the same bytes and rows; what takes too much memory or time, or
crashes the library that reads it, takes a box with it and no task.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from assay.core import UserError
from assay.training.job import HELD_OUT, ONNX, JobFolder, feature_inputs, read_rows


def main(receive: Callable[[], str], send: Callable[[str], None]) -> None:
    """Answer ``{"job": FOLDER}`` with ``{"tried": true}``, or with what is wrong."""
    from assay.training import onnx_check, onnx_model

    onnx_model.load_libraries()
    onnx_check.load_libraries()
    job = JobFolder(Path(json.loads(receive())["job"]))
    spec = job.spec
    try:
        content = onnx_check.sealed(
            job.output(ONNX), kinds=spec.features, model=spec.model, classes=spec.classes, threshold=spec.threshold
        )
        onnx_model.OnnxModel(content).score(feature_inputs(read_rows(job.rows / HELD_OUT), spec.features))
    except UserError as error:
        send(json.dumps({"error": {"subject": error.subject, "problems": [asdict(each) for each in error.problems]}}))
    else:
        send(json.dumps({"tried": True}))
