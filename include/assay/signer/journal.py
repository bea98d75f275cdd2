"""The signer's log: one JSON line for every signature, written to the disk before the signature is given away."""

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any

from assay.core import UnavailableError, utc_now


class Journal:
    """An append-only file that its owner alone reads.

    Parameters
    ----------
    file
        Made with its folder (mode 0700) where it is not there.

    Raises
    ------
    UnavailableError
        When it cannot be opened, or another signer writes to it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go should this process die
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":  # a kill or a full disk cut the last line
                os.write(self._descriptor, b"\n")
        except BlockingIOError as error:
            raise UnavailableError(f"{file}: another signer is at work with these keys") from error
        except OSError as error:
            raise UnavailableError(f"{file}: the log of signatures cannot be written: {error.strerror}") from error

    def add(self, **entry: Any) -> None:
        """Append an entry, with the time.

        Raises
        ------
        UnavailableError
            When the disk does not take it.
        """
        line = json.dumps({"at": utc_now(), **entry}).encode() + b"\n"
        try:
            with self._lock:
                if os.write(self._descriptor, line) != len(line):
                    os.write(self._descriptor, b"\n")
                    raise OSError(None, "the disk took half a line")
            os.fsync(self._descriptor)
        except OSError as error:
            message = f"{self._file}: the log of signatures cannot be written: {error.strerror}"
            raise UnavailableError(message) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
