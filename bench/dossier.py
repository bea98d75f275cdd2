"""What the evidence costs beside the bare calls to MLflow that it is made of.

Appending a record beside its own requests alone; verifying a dossier beside reading its files alone; and the history
of who served what, out of many moves. Both sides of a comparison take turns in one run, against a server on this
machine.

    python bench/dossier.py [--records 200] [--moves 10000] [--rounds 5]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import Engine, insert
from tests.conftest import running_mlflow  # the tests' own server
from tests.registry.support import event, fresh_dossier, made_version, requests_to_mlflow, verdict

from assay.core import Record, Settings
from assay.evidence.opening import rollouts
from assay.registry.dossier import Dossier
from assay.registry.sealed import file_name
from assay.registry.wire import call, get_file, get_files, put_file
from assay.rollout import timeline
from assay.rollout.tables import MOVE

ROUND_TRIPS, VERIFY_SECONDS, HISTORY_SECONDS = 3, 1.0, 0.2  # the budget
APPENDED = 40
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--moves", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_mlflow(Path(folder)) as settings:
        rows = [
            *appending(settings, options.rounds),
            *verifying(settings, options.records, options.rounds),
            *history(rollouts(settings).engine, options.moves, options.rounds),
        ]
        rollouts(settings).engine.dispose()
    for name, value, bare, ratio, budget in rows:
        print(f"{name:46} {value:>12} {bare:>16} {ratio:>8}  {budget}")


def appending(settings: Settings, rounds: int) -> list[tuple[str, ...]]:
    """A record that is shown on a version: the most that one costs."""
    dossier = fresh_dossier(settings)
    version = made_version(dossier)
    with requests_to_mlflow() as sent:
        kept = dossier.append(verdict(), version=version)
    trips = len(sent.seen)
    content = dossier.read(file_name(1, kept.kind, kept.digest))
    number = count()
    ours, bare = turns(
        lambda: dossier.append(verdict(), version=version),
        lambda: bare_append(dossier, f"bare/{next(number)}.json", content, version),
        times=APPENDED // rounds,
        rounds=rounds,
    )
    return [
        ("", "Assay", "bare calls", "ratio", "budget"),
        ("round trips of a record", str(trips), "3", "", judged(trips <= ROUND_TRIPS, f"at most {ROUND_TRIPS}")),
        ("appending a record", *compared(ours, bare), ""),
    ]


def bare_append(dossier: Dossier, name: str, content: bytes, version: int) -> None:
    """The requests of a record, and nothing else: no signature, no anchor."""
    put_file(dossier.tracking_uri, f"{dossier.location}/{name}", content)
    dossier.tag({"bare.verdict": "PASS", "bare.head": name})
    body = {"name": dossier.model, "version": str(version), "key": "bare.verdict", "value": "PASS"}
    call(dossier.tracking_uri, "POST", "model-versions/set-tag", body)


def verifying(settings: Settings, records: int, rounds: int) -> list[tuple[str, ...]]:
    """Every digest, link, signature and anchor of a long dossier."""
    dossier = fresh_dossier(settings)
    for number in range(records // 2):
        dossier.append(verdict())
        dossier.record(event("rollout", str(number)))
    names = [file_name(anchor.number, anchor.kind, anchor.digest) for anchor in dossier.anchors.of(dossier.run_id)]
    paths = [f"{dossier.location}/{name}" for name in names]

    def read() -> list[Record]:
        return replace(dossier).records()

    ours, pooled = turns(read, lambda: get_files(settings.tracking_uri, paths), times=1, rounds=rounds)
    alone, one_by_one = turns(
        read, lambda: [get_file(settings.tracking_uri, path) for path in paths], times=1, rounds=rounds
    )
    held = judged(min(ours, alone) < VERIFY_SECONDS, f"< {VERIFY_SECONDS:g} s and the hashing")
    return [
        (f"verifying {records} records / GETs, four at once", *compared(ours, pooled), held),
        (f"verifying {records} records / GETs, one by one", *compared(alone, one_by_one), ""),
    ]


def history(engine: Engine, moves: int, rounds: int) -> list[tuple[str, ...]]:
    """Who served what, when, out of a model's moves; beside reading their rows alone."""
    fill(engine, moves)

    def rows() -> list[object]:
        with engine.connect() as connection:
            return list(connection.execute(MOVE.select().where(MOVE.c.model == "bench").order_by(MOVE.c.id)))

    ours, bare = turns(lambda: timeline(engine, "bench"), rows, times=1, rounds=rounds, clock=time.process_time)
    held = judged(ours < HISTORY_SECONDS, f"< {HISTORY_SECONDS:g} s")
    return [(f"history of {moves:,} moves / SELECT, CPU time", *compared(ours, bare), held)]


def fill(engine: Engine, moves: int) -> None:
    """Rollouts of four moves each, as the database would hold them, with as much evidence as a canary leaves."""
    actions = ("begin", "advance", "advance", "promote")
    stages = ("shadow", "canary 50 %", "canary 100 %", "champion")
    evidence = json.dumps({"checks": [{"name": "brier_against_champion", "reason": "x" * 900}] * 2})
    written = [
        {
            "op_key": f"bench {number}", "model": "bench", "rollout_id": 1_000_000 + number // 4, "epoch": number + 1,
            "action": actions[number % 4], "from_stage": "none", "to_stage": stages[number % 4],
            "run_key": f"run {number // 4}", "at": (BEGAN + timedelta(minutes=number)).isoformat(timespec="seconds"),
            "evidence": evidence if number % 4 else begun(number // 4 + 1),
        }
        for number in range(moves)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(MOVE), written)


def begun(version: int) -> str:
    """What a rollout's first move is begun on."""
    approved = [{"role": "model_owner", "who": "reviewer", "at": "2026-01-01T00:00:00Z"}]
    ground = {"dossier": f"{version:032x}", "head": f"{version:064x}", "approved_by": approved}
    return json.dumps({"version": version, "digest": f"{version:064x}", **ground})


def turns(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    times: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Seconds that each takes, the best of several rounds in which they take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for act, taken in zip((first, second), seconds, strict=True):
            began = clock()
            for _ in range(times):
                act()
            taken.append((clock() - began) / times)
    return min(seconds[0]), min(seconds[1])


def compared(ours: float, bare: float) -> tuple[str, str, str]:
    """Both times and their ratio, in words."""
    return f"{ours * 1000:.1f} ms", f"{bare * 1000:.1f} ms", f"{ours / bare:.2f}"


def judged(held: bool, budget: str) -> str:
    """The budget, and whether it was kept."""
    return f"{budget}: {'PASS' if held else 'FAIL'}"


if __name__ == "__main__":
    main()
