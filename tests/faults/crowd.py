"""Eight processes register at once: the same candidate, or eight of one model. A program: see `children`.

Each prints nothing and leaves in the models' folder the version that it was given.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import deltalake
import mlflow.onnx
import onnxruntime
from tests.pipeline.moving import passed
from tests.pipeline.support import make_folder, make_run, train_by_hand, walk
from tests.registry.children import end, run, start, unpacked

from assay.core import Settings, code_version
from assay.pipeline import steps
from assay.pipeline.run import Run

USED = (deltalake, mlflow.onnx, onnxruntime)  # imported here, so that no child has to
PROCESSES = 8


def ready(begun: Run, number: int) -> None:
    """All that registration asks for."""
    walk(begun, "snapshot")
    train_by_hand(begun, bias=float(number))
    judged = replace(begun)
    for gate in ("contract", *steps.GATES):
        passed(judged, gate)


def meet(place: Path, name: str) -> None:
    """Wait until all processes have come here."""
    (place / name).touch()
    while len(list(place.iterdir())) < PROCESSES:
        time.sleep(0.005)


def register(settings: Settings, begun: Run, number: int) -> None:
    meet(settings.home / "meeting", str(number))
    version = steps.registration(replace(begun))["version"]
    (settings.home / f"version-{number}").write_text(str(version))


def main() -> None:
    settings, same = unpacked(sys.argv[1]), sys.argv[2] == "same"
    (settings.home / "meeting").mkdir()
    if run(lambda: make_folder(settings.models) and None):
        sys.exit(1)
    (folder,) = settings.models.iterdir()
    keys = [f"retrain_{folder.name}/{0 if same else number}" for number in range(PROCESSES)]
    runs = [make_run(settings, folder, run_key=key) for key in keys]
    code_version()  # once for all children
    for number in range(1 if same else PROCESSES):
        if run(lambda number=number: ready(runs[number], number)):
            sys.exit(1)
    children = [start(lambda number=number: register(settings, runs[number], number)) for number in range(PROCESSES)]
    sys.exit(max(abs(code) for code in [end(each) for each in children]))


if __name__ == "__main__":
    main()
