"""Copies, on this machine, of files that an object store keeps: named after their content, below ``ASSAY_HOME``.

A copy that nothing has opened for a week is deleted by whatever opens a snapshot next, so that a machine holds what
it works on, and rows that were deleted in the store do not stay here. A copy is never trusted: its SHA-256 is
computed each time that a snapshot is opened.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from assay.core import Settings, sha256_bytes

WEEK = 7 * 24 * 3600

_DRAFT = ".fetched-"


def workspace(url: str) -> Path:
    """Where rows on their way to a model's folder at a URL are written; one folder for each."""
    return _home() / "staging" / sha256_bytes(url.encode())[:16]


def place_of(sha256: str) -> Path:
    """Where the copy of a file with this content is, or would be."""
    return _home() / "files" / f"{sha256}.parquet"


def touch(copy: Path) -> None:
    """Note that a copy is in use.

    Raises
    ------
    FileNotFoundError
        When it is not there.
    """
    os.utime(copy)


def keep(pieces: Iterable[bytes], read: Callable[[int], None]) -> tuple[Path, str]:
    """Keep a file, which comes piece by piece, as a copy.

    Returns
    -------
    copy : Path
    sha256 : str
        Of its content, whatever it should be.

    Raises
    ------
    OSError
        When the disk does not allow it.
    """
    folder, digest = _home() / "files", hashlib.sha256()
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    descriptor, draft = tempfile.mkstemp(dir=folder, prefix=_DRAFT)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for piece in pieces:
                digest.update(piece)
                stream.write(piece)
                read(len(piece))
        copy = place_of(digest.hexdigest())
        Path(draft).replace(copy)
    finally:
        Path(draft).unlink(missing_ok=True)
    return copy, digest.hexdigest()


def _sweep(folder: Path) -> None:
    """Delete what nothing has used for a week, and what killed processes have left."""
    for each in folder.iterdir():
        with suppress(FileNotFoundError):  # another process sweeps too
            if time.time() - each.stat().st_mtime > WEEK:
                each.unlink()


def _home() -> Path:
    return Settings.from_environment().home / "cache" / "snapshots"
