"""How `assay try` ends: by a signal too, with nothing left behind."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks the command to end."""


@dataclass
class Interruption:
    """Whether a signal has come: a library that was interrupted may have kept it to itself.

    Attributes
    ----------
    code
        The exit code that the signal asks for, or 0.
    """

    code: int = 0

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.code:
            raise Interrupted


@contextmanager
def ended_by_signals() -> Iterator[Interruption]:
    """Turn the signals that end a command into `Interrupted`, so that everything is cleared away first."""
    interruption = Interruption()

    def end(number: int, _: FrameType | None) -> None:
        interruption.code = 128 + number
        raise Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {each: signal.signal(each, end) for each in _SIGNALS}
    try:
        yield interruption
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for everything temporary, whoever makes it; nobody else may enter it, and it is removed in the end."""
    place, before = Path(tempfile.mkdtemp(prefix="assay-try-")), tempfile.tempdir
    tempfile.tempdir = str(place)
    try:
        yield place
    finally:
        tempfile.tempdir = before
        with _unhurried():
            _remove(place)


@contextmanager
def _unhurried() -> Iterator[None]:
    """Let no second Ctrl-C leave half of it behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, signal.SIG_IGN) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _remove(place: Path) -> None:
    """Delete a folder in which code that is not trusted may have closed folders."""
    for folder, names, _ in os.walk(place):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(place, ignore_errors=True)
