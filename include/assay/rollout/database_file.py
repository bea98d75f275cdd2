"""Notice that a SQLite database was deleted, moved or replaced while it is open.

A program that has a file open can go on writing after the file was deleted: it sees no error, and what
it wrote is gone when it ends. So the files are compared with those that were opened, by device and
inode: at the start of every transaction, and once more after its commit.
"""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from assay.core import UnavailableError, replace_file, utc_now
from assay.rollout.tables import DATABASE_ID

FileId = tuple[int, int] | None
"""Device and inode; None where there is no file."""

_BESIDE = "assay_files_beside"


class DatabaseLostError(UnavailableError):
    """The operations database that was open is not there any more, so nothing may be written or answered."""


@dataclass(slots=True)
class DatabaseFile:
    """The file of a SQLite database, as it was when it was opened.

    Attributes
    ----------
    path
        The file.
    opened
        Its device and inode.
    loss
        When it was first found to be lost, and how, since somebody reported that and set this to None.
    """

    path: Path
    opened: FileId
    loss: tuple[str, str] | None = None

    @classmethod
    def open(cls, path: Path) -> "DatabaseFile":
        """Open a file, and make it (mode 0600) where none was made before.

        Raises
        ------
        DatabaseLostError
            When it is missing or empty, and the marker beside it says that a database was made here before.
        OSError
            When it cannot be made.
        """
        path = path.absolute()
        marker = _marker(path)
        if marker.exists() and not (path.exists() and path.stat().st_size):
            state = "is empty" if path.exists() else "is gone"
            raise DatabaseLostError(
                f"{path}: the operations database {state}, but one was made here before: put it back or restore "
                f"a backup; to begin anew without its history, delete {marker}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        return cls(path, _file_id(path))

    def connect(self, *, timeout: float) -> sqlite3.Connection:
        """Connect to the file if it is there; SQLite would otherwise make an empty one."""
        uri = f"file:{quote(str(self.path))}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)

    def beside(self) -> tuple[FileId, FileId]:
        """The write-ahead log and its index, which hold what is not in the file itself yet."""
        return _file_id(Path(f"{self.path}-wal")), _file_id(Path(f"{self.path}-shm"))

    def check(self, beside: object) -> None:
        """Compare the files with those that were opened; takes some microseconds.

        Parameters
        ----------
        beside
            What `beside` said when the connection was made.

        Raises
        ------
        DatabaseLostError
            When one is missing or another.
        """
        if problem := self._problem(beside):
            self.loss = self.loss or (utc_now(), problem)
            raise DatabaseLostError(problem)

    def _problem(self, beside: object) -> str:
        now = _file_id(self.path)
        if now is None:
            return f"{self.path}: the operations database was deleted or moved; put it back"
        if now != self.opened:
            message = "another file lies where the operations database was; put it back, or restart what uses it"
            return f"{self.path}: {message}"
        if beside is not None and self.beside() != beside:
            return f"{self.path}-wal or -shm: was deleted or replaced while the database is open"
        return ""


def file_of(engine: Engine) -> DatabaseFile | None:
    """The file of an engine that `open_database` made; None where the database is no file."""
    found = engine.get_execution_options().get("assay_file")
    return found if isinstance(found, DatabaseFile) else None


def remember_beside(file: DatabaseFile, connection: sqlite3.Connection, info: dict[str, object]) -> None:
    """Note which write-ahead log a new connection uses."""
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # opens it
    info[_BESIDE] = file.beside()


def check_connection(connection: Connection) -> object:
    """Check the files of a connection on which a transaction has begun; give what to check after its commit.

    A connection whose write-ahead log was deleted is not used again, nor are its fellows. What was
    committed into that log is first copied into the database, which only this process can still do.

    Raises
    ------
    DatabaseLostError
        When a file is missing or another.
    """
    file = file_of(connection.engine)
    if file is None:
        return None
    beside = connection.info.get(_BESIDE)
    try:
        file.check(beside)
    except DatabaseLostError:
        if _file_id(file.path) == file.opened:
            _save(file, connection)
        raise
    return beside


def check_committed(engine: Engine, beside: object) -> None:
    """Check once more after a commit, before anybody relies on it.

    Raises
    ------
    DatabaseLostError
        When a file is missing or another.
    """
    if (file := file_of(engine)) is not None:
        file.check(beside)


def identify(connection: Connection) -> None:
    """Give a new database an identity, and compare it with the marker beside the file; see `mark`.

    Raises
    ------
    DatabaseLostError
        When the marker names another database.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(DATABASE_ID).values(only=1, id=uuid4().hex)
    connection.execute(new.on_conflict_do_nothing())
    file = file_of(connection.engine)
    if file is None:
        return
    marker, mine = _marker(file.path), _read_id(connection)
    expected = marker.read_text().strip() if marker.exists() else mine
    if expected != mine:
        raise DatabaseLostError(
            f"{file.path}: this is another operations database than was made here: it is {mine}, {marker} says "
            f"{expected}; put that one back, or delete {marker} to use this one"
        )


def mark(engine: Engine) -> None:
    """Leave a marker beside the file, so that its absence is noticed and no empty database is made in its place.

    Raises
    ------
    UnavailableError
        When the marker cannot be written.
    """
    file = file_of(engine)
    if file is None or _marker(file.path).exists():
        return
    with engine.connect() as connection:
        identity = _read_id(connection)
    try:
        replace_file(_marker(file.path), f"{identity}\n".encode(), mode=0o600)
    except OSError as error:
        raise UnavailableError(f"{_marker(file.path)}: cannot be written: {error.strerror}") from error


def _save(file: DatabaseFile, connection: Connection) -> None:
    driver = connection.connection.driver_connection
    if file.beside()[0] is None and driver is not None:  # ours must not be mixed with another log that is there
        driver.execute("ROLLBACK")
        driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
    connection.invalidate()
    connection.engine.dispose()


def _read_id(connection: Connection) -> str:
    return str(connection.execute(select(DATABASE_ID.c.id)).scalar_one())


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.id")


def _file_id(path: Path) -> FileId:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
