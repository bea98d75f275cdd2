"""Local state is its owner's alone: databases, models, rows of data, logs and secrets."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
"""Under this umask nobody but the owner can read a new file or enter a new folder."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@contextmanager
def private_umask() -> Iterator[None]:
    """Create files and folders that are the owner's alone while the block runs; for the whole process."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def make_private_folder(folder: Path) -> None:
    """Create a folder, and those above it that are missing, which only their owner can enter."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open`; a new one can be read by its owner alone."""
    return os.open(path, flags, 0o600)


def tighten(folder: Path) -> int:
    """Take from group and others every right to `folder` and all in it.

    Links are not followed. What belongs to another user is left, and so is what vanishes meanwhile.

    Returns
    -------
    int
        How many files and folders were open to others.
    """
    changed = int(_tighten(folder))
    for root, folders, files in os.walk(folder):
        changed += sum(_tighten(Path(root, name)) for name in (*folders, *files))
    return changed


def _tighten(path: Path) -> bool:
    with suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
            return True
    return False
