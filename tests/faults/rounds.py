"""Take toy models from their source to champion with kills on the way; print where they were and what is wrong.

A program, see `tests.registry.children`: every task runs in a process of its own, as Airflow runs it. What is
imported here at the top is imported once for all of them.
"""

import gc
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import duckdb_sqlalchemy
import great_expectations
import httpcore
import mlflow.onnx
import mlflow.pyfunc
import mlflow.tracking.request_header.registry
import model_signing.signing
import model_signing.verifying
import onnxruntime
import opentelemetry.sdk.metrics
import pyarrow.pandas_compat
import scipy.stats
import skl2onnx
import sklearn.compose
import sklearn.linear_model
import skops.io
from tests.faults.points import FIRST, POINTS
from tests.faults.whole import wrong
from tests.pipeline.moving import good, traffic
from tests.pipeline.support import CHAIN, POLICY, answer, make_folder, make_run
from tests.registry.children import end, start, unpacked

from assay.core import Settings, code_version
from assay.evidence import expiry
from assay.evidence.opening import rollouts
from assay.pipeline import approval, promotion, steps
from assay.pipeline.run import Run
from assay.registry.client import connect

USED = (
    deltalake, duckdb_sqlalchemy, great_expectations, httpcore, mlflow, model_signing, onnxruntime, opentelemetry,
    pyarrow.pandas_compat, scipy, skl2onnx, sklearn, skops,
)  # fmt: skip
ROUNDS_PER_MODEL = 3  # the first without a champion, the others with one to replace
INSPECTED = 4  # every so many rounds are verified and audited from end to end
LANES = 2
GOES_ON = 3
KEEP_DAYS = 1
PATIENCE = 90  # seconds, on a loaded machine

STEPS = (*CHAIN, "model_card")
Action = Callable[[Run], object]


def labelled(run: Run) -> None:
    """Log what the gateway would between two moves, while there is a canary."""
    now = rollouts(run.settings).current(run.folder.policy.model)
    if now is not None and now.canary is not None:
        traffic(run, good, rows=80)


def moved(run: Run) -> int:
    return GOES_ON if promotion.move(run) is None else 0


def expired(run: Run) -> None:
    """Delete what the run was made from, as the night after its last day does."""
    night = datetime.now(UTC).date() + timedelta(days=KEEP_DAYS + 1)
    expiry.expire(run.settings, run.folder.policy.model, today=night, by="night", also_serving=True)


TASKS: dict[str, list[Action]] = {
    **{name: [getattr(steps, name)] for name in STEPS},
    "approval": [
        lambda run: approval.question(run, "model_owner"),
        lambda run: approval.take_answer(run, "model_owner", answer()),
    ],
    "canary_promotion": [promotion.begin, labelled, moved],
    "expiry": [expired],
}
"""Each task's actions: an approval and a canary are taken up again by another process when there is news."""

RARE = ("model_card", "expiry")
"""Done only to be killed: nothing stands on them, and explaining a model takes a second."""


@dataclass(frozen=True)
class Kill:
    """Where the first attempt at a task dies: at a point, or some seconds after one of its actions began."""

    task: str
    point: str | None = None
    action: int = 0
    after: float = 0.0


def kills_of(seed: int, runs: int) -> list[Kill]:
    """A run's share of all points, in several tasks, and a task to be killed at any moment."""
    chance = random.Random(seed)
    every = [Kill(task, point) for task, points in POINTS.items() for point in points]
    first = [Kill(task, point) for task, points in FIRST.items() for point in points]
    model, later = divmod(seed, ROUNDS_PER_MODEL)
    own = [] if later else first[model :: 1 + (runs - 1) // ROUNDS_PER_MODEL]
    task = chance.choice(list(TASKS))
    anywhere = Kill(task, action=chance.randrange(len(TASKS[task])), after=chance.uniform(0.0, 0.6))
    return [*own, *every[seed::runs], anywhere]  # after any other kill the rows would have been taken


def ended(child: int, kill_after: float | None) -> int:
    """Exit code of a child, killed from outside where it is to be; what hangs is killed too, and told."""
    hangs = threading.Timer(PATIENCE, os.kill, (child, signal.SIGABRT))
    hangs.start()
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)  # not reaped yet, so its number is nobody else's
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    hangs.cancel()
    return code


def attempt(run: Run, task: str, kill: Kill | None) -> bool:
    """Do a task's actions one after the other; False when a kill ended it."""
    place, said = 0, run.folder.path.with_suffix(".error")
    while place < len(TASKS[task]):
        action = TASKS[task][place]

        def act(action: Action = action) -> object:
            if kill is not None and kill.point is not None:
                os.environ["ASSAY_FAULT_POINT"] = kill.point
            try:
                return action(replace(run, pinned=task in STEPS))
            except Exception as error:
                said.write_text(f"{type(error).__name__}: {error}")
                raise

        timed = kill is not None and kill.point is None and kill.action == place
        code = ended(start(act), kill.after if timed and kill is not None else None)
        if code == -signal.SIGKILL:
            return False
        if code not in (0, GOES_ON):
            raise RuntimeError(f"{task}: {said.read_text() if code == 1 else f'ended with {code}'}")
        place += -1 if code == GOES_ON else 1  # more traffic, and another look
    return True


def play(run: Run, kills: list[Kill]) -> list[str]:
    """Run all tasks, each until it comes to its end; say which kills came about."""
    killed = []
    for task in TASKS:
        waiting = [kill for kill in kills if kill.task == task]
        if task in RARE and not waiting:
            continue
        while not attempt(run, task, waiting[0] if waiting else None):
            kill = waiting.pop(0)
            killed.append(f"{task} at {kill.point or f'{kill.after:.3f} s of action {kill.action}'}")
    return killed


def round_of(settings: Settings, seed: int, runs: int) -> dict[str, object]:
    """One run of a model, from its source to champion, several of its tasks killed and run again."""
    root = settings.models / f"rounds-{seed // ROUNDS_PER_MODEL}"
    if not root.is_dir():
        own = {"rollout": {**POLICY["rollout"], "stages": [100]}, "data": {**POLICY["data"], "keep_days": KEEP_DAYS}}
        ended(start(lambda: make_folder(root, **own)), None)
    (folder,) = filter(Path.is_dir, root.iterdir())
    run = make_run(settings, folder, run_key=f"retrain_{folder.name}/{seed}", pinned=True)
    code_version()  # once for all children
    told, found = {"seed": seed, "killed": [], "wrong": []}, settings.models / f"{seed}.wrong"
    began = time.monotonic()
    try:
        told["killed"] = play(run, kills_of(seed, runs))
        inspected = ended(
            start(lambda: found.write_text(json.dumps(wrong(run, inspect=seed % INSPECTED == 0))) and None), None
        )
        told["wrong"] = json.loads(found.read_text()) if inspected == 0 else ["could not be inspected"]
    except RuntimeError as error:
        told["wrong"] = [str(error)]
    return {**told, "seconds": round(time.monotonic() - began, 1)}


def lane(settings: Settings, seeds: range, number: int) -> None:
    """Every other model's rounds, one after the other."""
    mine = [seed for seed in seeds if seed // ROUNDS_PER_MODEL % LANES == number]
    with (settings.models / f"lane-{number}").open("w") as told:
        for seed in mine:
            print(json.dumps(round_of(settings, seed, seeds.stop)), file=told, flush=True)


def main() -> None:
    settings, seeds = unpacked(sys.argv[1]), range(*map(int, sys.argv[2:]))
    settings.models.mkdir()
    connect(settings)  # for what it imports
    gc.freeze()  # else every child's first collection copies all of it
    lanes = [start(lambda number=number: lane(settings, seeds, number)) for number in range(LANES)]
    if set(map(end, lanes)) != {0}:
        sys.exit(1)
    for number in range(LANES):
        print((settings.models / f"lane-{number}").read_text())


if __name__ == "__main__":
    main()
