"""Forked children of a program that has imported everything: they start at once, and can be killed for real."""

import os
import sys
from collections.abc import Callable

from assay.evidence.opening import archive, rollouts


def start(act: Callable[[], None]) -> int:
    """Id of a forked child that does this; nothing of SQLite may have been used before but in other children."""
    child = os.fork()
    if child:
        return child
    try:
        archive.cache_clear()
        rollouts.cache_clear()
        act()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def end(child: int) -> int:
    """Exit code of a child: 0, 1 after an error, which it printed, or the negative number of a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(act: Callable[[], None]) -> int:
    """Do this in a child and wait for its exit code."""
    return end(start(act))
