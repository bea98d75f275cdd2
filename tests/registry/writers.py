"""Several processes write to one dossier at once, and all record the same operation too. A program: see `children`."""

import sys

import mlflow
from tests.registry.children import end, start, unpacked
from tests.registry.support import event, verdict

from assay.core import Settings
from assay.evidence.opening import archive

PROCESSES, EACH = 4, 5
USED = (mlflow,)  # imported here, so that no child has to


def write(settings: Settings, run_id: str, writer: int) -> None:
    dossier = archive(settings).load(run_id)
    for number in range(EACH):
        dossier.append(verdict(f"gate_{writer}"))
        dossier.record(event("rollout", f"move {number}"))


def main() -> None:
    settings, run_id = unpacked(sys.argv[1]), sys.argv[2]
    children = [start(lambda writer=writer: write(settings, run_id, writer)) for writer in range(PROCESSES)]
    sys.exit(max(abs(end(child)) for child in children))


if __name__ == "__main__":
    main()
