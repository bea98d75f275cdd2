"""Forked children of a program that has imported everything: they start at once, and can be killed for real."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from assay.core import Settings
from assay.evidence.opening import archive, rollouts


def program(file: Path, settings: Settings, *arguments: object) -> str:
    """Run one of the tests' programs, which takes settings as its first argument, and give what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    packed = json.dumps(asdict(settings), default=str)
    command = [sys.executable, "-W", "ignore", str(file), packed, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def unpacked(argument: str) -> Settings:
    """The settings that a program was given."""
    raw = json.loads(argument)
    return Settings(**{**raw, **{name: Path(raw[name]) for name in ("home", "models", "keys")}})


def start(act: Callable[[], object]) -> int:
    """Id of a forked child that does this and ends with 0, or with the number that this returns.

    Nothing of SQLite, Arrow or ONNX Runtime may have been used in this process before: what they hold does not
    survive a fork.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        archive.cache_clear()
        rollouts.cache_clear()
        code = act()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 0)


def end(child: int) -> int:
    """Exit code of a child: 0, 1 after an error, which it printed, or the negative number of a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(act: Callable[[], object]) -> int:
    """Do this in a child and wait for its exit code."""
    return end(start(act))
