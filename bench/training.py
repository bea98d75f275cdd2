"""One training of `income` in a box of each level, beside the same training without one.

Every side is a process of its own, as a task of the orchestrator is: it imports what it needs, lays out the job,
trains, and checks what came out. The side without a box runs the same code in its own process, and tries no bytes in
a second box. The sides alternate; what is told is the median of the rounds. Run: python bench/training.py [ROUNDS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_EXTRA_SECONDS = 1.5

TAKING = """
import sys
from pathlib import Path
from assay.data.snapshots import create_snapshot
from assay.policy import load_folder
model, root = sys.argv[1:]
folder = load_folder(Path(model))
data, name = folder.policy.data, folder.policy.model
print(create_snapshot(source=data.source, base=folder.path, data=data, model=name, root=root).id)
"""

TRAINING = """
import json, os, sys, time
from pathlib import Path
begun = time.perf_counter()
level, model, root, snapshot, job = sys.argv[1:]
os.environ["ASSAY_ISOLATION"] = level
from assay.data.snapshots import open_snapshot
from assay.evidence.judging import Case
from assay.evidence.training import train
from assay.policy import load_folder
if level == "none":
    sys.path.insert(0, {tests!r})
    from assay.training import relay
    from tests.boxes import OpenBox
    class Untried(OpenBox):
        def __enter__(self):
            return self
        def receive(self):
            return json.dumps({{"tried": True}})
    relay.Box = lambda **given: (Untried if given["module"] == relay.TRIAL else OpenBox)(**given)
    relay.choose = lambda *_, **__: "none"  # risk tier high is never trained so
folder = load_folder(Path(model))
policy = folder.policy
taken = open_snapshot(root=root, model=policy.model, snapshot_id=snapshot)
case = Case(policy=policy, contract=folder.contract, snapshot=taken, seed=1)
made = train(case, folder.model_files(), folder=Path(job))
print(time.perf_counter() - begun)
"""


def main() -> None:
    """Measure the sides in turn, and print their medians beside each other."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sys.path.insert(0, str(ROOT / "include"))
    from assay.isolation import LEVELS, probe

    levels = [level for level in LEVELS if level == "none" or not probe()[level]]
    with tempfile.TemporaryDirectory() as place:
        model, root = str(ROOT / "include/models/income"), f"{place}/snapshots"
        taken = run(TAKING, model, root)
        seconds: dict[str, list[float]] = {level: [] for level in levels}
        for _ in range(rounds):
            for level in levels:
                took = run(TRAINING.format(tests=str(ROOT)), level, model, root, taken, f"{place}/job")
                seconds[level].append(float(took))
    report({level: statistics.median(each) for level, each in seconds.items()}, rounds)


def report(seconds: dict[str, float], rounds: int) -> None:
    """Print each side's medians, and the ratio and the difference to the side without a box."""
    plain = seconds["none"]
    print(f"one training of income, median of {rounds} fresh processes each")
    print(f"{'without a box':<16}{plain:6.2f} s")
    for level, took in seconds.items():
        if level != "none":
            compared = f"ratio {took / plain:.2f}   {took - plain:+.2f} s"
            print(f"{level:<16}{took:6.2f} s   {compared}")
    worst = max((took - plain for level, took in seconds.items() if level != "none"), default=0.0)
    print(f"at most {MOST_EXTRA_SECONDS} s more are wanted: {'kept' if worst <= MOST_EXTRA_SECONDS else 'MISSED'}")


def run(source: str, *arguments: str) -> str:
    """Run Python in a process of its own, and give its last line."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # as in a box: threads that spin would blur every side
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
