"""Kill the mitigation of an unfair candidate at a list of points, one after the other. A program: see `children`.

Prints, as JSON, what the dossier holds after each task came to its end.
"""

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import replace

import deltalake
import mlflow.onnx
import onnxruntime
import skl2onnx
import skops.io
from tests.pipeline.support import make_run, walk
from tests.pipeline.unfair import BEFORE, MITIGATED, unfair_folder
from tests.registry.children import run, unpacked

from assay.core import code_version
from assay.pipeline.run import GateFailed, Run

USED = (deltalake, mlflow.onnx, onnxruntime, skl2onnx, skops)  # imported here, so that no child has to


def refused(begun: Run) -> None:
    walk(begun, *BEFORE)
    try:
        walk(begun, "fairness_gate")
    except GateFailed:
        return
    raise AssertionError("the candidate as trained is fair")


def killed(begun: Run, task: str, point: str) -> None:
    os.environ["ASSAY_FAULT_POINT"] = point
    walk(begun, task)


def main() -> None:
    settings, points = unpacked(sys.argv[1]), json.loads(sys.argv[2])
    if run(lambda: unfair_folder(settings.models) and None):
        sys.exit(1)
    (folder,) = settings.models.iterdir()
    begun = make_run(settings, folder)
    code_version()  # once for all children
    if run(lambda: refused(begun)):
        sys.exit(1)
    for task in MITIGATED:
        for point in points.get(task, ()):
            if run(lambda task=task, point=point: killed(begun, task, point)) != -signal.SIGKILL:
                sys.exit(f"{task} did not die at {point}")
        if run(lambda task=task: walk(begun, task) and None):
            sys.exit(1)
    if run(lambda: walk(begun, "robustness_gate", "registration") and None):
        sys.exit(1)
    records = replace(begun).dossier.records()
    client = replace(begun).dossier.client
    found = client.search_logged_models([client.get_run(replace(begun).dossier.run_id).info.experiment_id])
    print(
        json.dumps(
            {
                "kinds": Counter(record.kind for record in records),
                "candidates": len(found),
                "attempts": [each.budget.attempt for each in records if each.kind == "fairness"],
                "model": folder.name,
            }
        )
    )


if __name__ == "__main__":
    main()
