"""Several processes write to one dossier at once, and all record the same operation too. A program: see `children`."""

import sys
from pathlib import Path

from tests.registry.children import end, start
from tests.registry.support import event, verdict

from assay.core import Settings
from assay.evidence.opening import archive

PROCESSES, EACH = 4, 5


def write(settings: Settings, run_id: str, writer: int) -> None:
    dossier = archive(settings).load(run_id)
    for number in range(EACH):
        dossier.append(verdict(f"gate_{writer}"))
        dossier.record(event("rollout", f"move {number}"))


def main() -> None:
    uri, home, operations_db, run_id = sys.argv[1:]
    settings = Settings(
        home=Path(home), models=Path(home), keys=Path(home) / "keys", snapshots=home, tracking_uri=uri,
        operations_db=operations_db, gateway_url="", gateway_token="",
    )  # fmt: skip
    children = [start(lambda writer=writer: write(settings, run_id, writer)) for writer in range(PROCESSES)]
    sys.exit(max(abs(end(child)) for child in children))


if __name__ == "__main__":
    main()
