"""Open the operations database: SQLite on one machine, PostgreSQL for more."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from assay.core import Problem, UnavailableError, UserError, problem
from assay.rollout.append_only import make_append_only, unguarded
from assay.rollout.database_file import DatabaseFile, check_committed, check_connection, identify, mark, remember_beside
from assay.rollout.tables import APPEND_ONLY, METADATA

_BUSY_SECONDS = 10
TABLES_LOCK = 4_151_201  # any number, the same in every process
_INIT = "run as the tables' owner: assay database init"
_MAY_MAKE = """
SELECT has_schema_privilege(current_schema(), 'CREATE') AND NOT EXISTS (
  SELECT 1 FROM pg_class WHERE relname = ANY(:tables) AND pg_table_is_visible(oid)
    AND NOT pg_has_role(relowner, 'USAGE'))
"""


def open_database(url: str, *, read_only: bool = False) -> Engine:
    """Open the operations database, making its file (mode 0600) where it is SQLite.

    SQLite runs in WAL mode with ``synchronous=FULL``: a commit is on the disk before it is answered,
    so a decision that a client has seen survives a power cut. NORMAL would be faster and lose the
    last commits with the power; the gateway buys the speed back by committing in groups.

    Parameters
    ----------
    url
        SQLAlchemy URL.
    read_only
        Whether the database itself is to refuse whatever this process would write; nothing is made then.

    Raises
    ------
    UserError
        When the URL is not one.
    UnavailableError
        When the file cannot be made, or was made here before and is gone.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise problem(
            "ASSAY_OPERATIONS_DB", "is not a SQLAlchemy URL", "for example sqlite:////var/lib/assay.db"
        ) from None
    if parsed.get_backend_name() != "sqlite":
        asked = {"options": "-c default_transaction_read_only=on"} if read_only else {}
        return create_engine(parsed, pool_pre_ping=True, connect_args=asked)
    name = parsed.database
    if not name or name == ":memory:":
        raise problem("ASSAY_OPERATIONS_DB", "is held only in memory", "name a file: every process must see it")
    if read_only:
        parsed = parsed.set(database=f"file:{quote(name)}", query={"mode": "rw", "uri": "true"})
        # opened anew each time: a file that was replaced must not go on being read
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS}, poolclass=NullPool)
        event.listen(engine, "connect", _prepare_for_reading)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        file = DatabaseFile.open(Path(name))
    except OSError as error:
        raise UnavailableError(f"{name}: the operations database cannot be made: {error.strerror}") from error
    engine = create_engine(
        parsed, creator=lambda: file.connect(timeout=_BUSY_SECONDS), execution_options={"assay_file": file}
    )
    event.listen(engine, "connect", lambda connection, record: _prepare_sqlite(file, connection, record))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def create_tables(engine: Engine) -> None:
    """Make the tables and triggers that are not there yet; several processes may do this at once.

    On PostgreSQL nothing is done where all are there: the application's role need not own them.

    Raises
    ------
    UserError
        When some are missing, and this role may not make them.
    UnavailableError
        When the database cannot be reached or written.
    """
    if engine.dialect.name == "postgresql" and not _lacks_what_it_may_make(engine):
        return
    with writing(engine) as connection:
        advisory_lock(connection, TABLES_LOCK)
        METADATA.create_all(connection)
        make_append_only(connection, APPEND_ONLY)
        identify(connection)
    mark(engine)


def _lacks_what_it_may_make(engine: Engine) -> bool:
    with reading(engine) as connection:
        known = set(inspect(connection).get_table_names())
        missing = [table.name for table in METADATA.sorted_tables if table.name not in known]
        open_tables = unguarded(connection, [table for table in APPEND_ONLY if table.name in known])
        if not missing and not open_tables:
            return False
        may = connection.execute(text(_MAY_MAKE), {"tables": open_tables}).scalar_one()
    if not may:
        wrong = [Problem(path=name, message="is not there", mend=_INIT) for name in missing]
        wrong += [Problem(path=name, message="can be changed: its trigger is off", mend=_INIT) for name in open_tables]
        raise UserError("the operations database", wrong)
    return True


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database.

    Raises
    ------
    UnavailableError
        When the database cannot be reached.
    """
    # a SQLite transaction sees one state anyway, PostgreSQL only when asked for it
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with unavailable(engine), engine.execution_options(**options).begin() as connection:
        check_connection(connection)
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; on SQLite it holds the write lock from its start.

    Raises
    ------
    UnavailableError
        When the database cannot be reached, or stays locked.
    """
    options: dict[str, Any] = {"assay_writes": True}
    if engine.dialect.name == "postgresql":  # who waited for a lock must see what its holder wrote
        options["isolation_level"] = "READ COMMITTED"
    with unavailable(engine), engine.execution_options(**options).begin() as connection:
        opened = check_connection(connection)
        yield connection
    check_committed(engine, opened)


def advisory_lock(connection: Connection, key: int) -> None:
    """Hold others who ask for `key` until this transaction ends; SQLite's write lock does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


@contextmanager
def unavailable(engine: Engine) -> Iterator[None]:
    """Say in one error what the database, its driver or the network failed at."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise UnavailableError(f"the operations database ({engine.url!r}) failed: {error.orig}") from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError) or isinstance(error.orig, sqlite3.IntegrityError):
            raise
        raise UnavailableError(f"the operations database ({engine.url!r}) failed: {error.orig}") from error


def _prepare_sqlite(file: DatabaseFile, connection: Any, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    try:
        for _ in range(_BUSY_SECONDS * 20):  # the change to WAL does not wait for a lock, whatever the timeout
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError:
                time.sleep(0.05)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
    finally:
        cursor.close()
    remember_beside(file, connection, record.info)


def _prepare_for_reading(connection: Any, _record: Any) -> None:
    """A reader of a WAL database opens the file for writing all the same: it shares an index in memory."""
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("assay_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
