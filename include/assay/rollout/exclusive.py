"""Let one process at a time do a thing, and let go of it when that process dies."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from assay.core import UnavailableError
from assay.rollout.database import unavailable

_LOOK_SECONDS = 0.02


def exclusive(engine: Engine, name: str, seconds: float = 60) -> AbstractContextManager[None]:
    """Hold `name` for as long as the block runs; over all processes that use this database, one does.

    A holder that dies holds nothing: on PostgreSQL the server frees the name with the holder's own
    connection, on SQLite the kernel with the file beside the database that the holder has locked
    (``operations.db.<digest of the name>.lock``; a child that was forked meanwhile and lives on
    keeps it locked). It is not re-entrant: who holds a name and asks for it again waits in vain.

    Parameters
    ----------
    engine
        From `open_database`.
    name
        Any text. Different names do not wait for each other.
    seconds
        How long to wait for another holder.

    Raises
    ------
    UnavailableError
        When another holds the name for all that time, or when the lock was lost while the block ran,
        as after a restart of the server: then another may have held it too.
    """
    digest = sha256(f"exclusive {name}".encode()).digest()
    if engine.dialect.name == "postgresql":
        return _on_postgresql(engine, name, int.from_bytes(digest[:8], signed=True), seconds)
    return _on_sqlite(Path(f"{engine.url.database}.{digest.hex()[:16]}.lock"), name, seconds)


@contextmanager
def _on_postgresql(engine: Engine, name: str, key: int, seconds: float) -> Iterator[None]:
    with unavailable(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # closing ends the session, and with it the lock
    with connection:
        with unavailable(engine):
            _wait(lambda: _ask(connection, "pg_try_advisory_lock", key), name, seconds)
        yield
        try:
            held = _ask(connection, "pg_advisory_unlock", key)
        except DBAPIError:
            held = False
        if not held:
            raise UnavailableError(f"{name}: the lock was lost while it was held; do it again")


@contextmanager
def _on_sqlite(path: Path, name: str, seconds: float) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UnavailableError(f"{path}: cannot be locked: {error.strerror}") from error
    try:
        _wait(lambda: _flock(descriptor), name, seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(take: Callable[[], bool], name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not take():
        if time.monotonic() >= end:
            raise UnavailableError(f"{name}: another process has been at it for more than {seconds:g} s")
        time.sleep(_LOOK_SECONDS)


def _ask(connection: Connection, function: str, key: int) -> bool:
    answer: bool = connection.execute(text(f"SELECT {function}(:key)"), {"key": key}).scalar_one()
    return answer


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
