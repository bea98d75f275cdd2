"""A query's rows as a source, streamed from the database in Arrow batches."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from assay.core import AssayError, UnavailableError, problem
from assay.data.origins.origin import Origin
from assay.data.origins.places import check_inside
from assay.policy import SqlSource

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection, Engine

_ROWS = 1 << 14  # rows that the database hands over at a time: Python objects, ten times the size of Arrow's


def open_sql(source: SqlSource, roots: Sequence[str]) -> Origin:
    """Connect to the database that the environment names, and stream the query's rows.

    The query runs in a read-only transaction where the database has one, and is never committed.

    Raises
    ------
    UserError
        When the environment names no database, or one that nothing here can speak to.
    UnavailableError
        When the database cannot be reached.
    """
    engine = _engine(source, roots)
    secret = engine.url.password

    def batches() -> "Iterator[pa.RecordBatch]":
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with _connected(engine, secret) as connection:
                yield from _streamed(connection, source.sql)
        except SQLAlchemyError as error:
            raise _said(error, secret) from None
        finally:
            engine.dispose()

    url = engine.url
    address = f"{url.get_backend_name()}://{url.host or ''}{f':{url.port}' if url.port else ''}/{_database(url)}"
    return Origin(name=f"{source.url_env} ({address})", batches=batches, facts={"query": source.sql})


def _engine(source: SqlSource, roots: Sequence[str]) -> "Engine":
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    address = os.environ.get(source.url_env, "").strip()
    if not address:
        raise problem(source.url_env, "the environment does not name the database", "set it to a SQLAlchemy URL")
    try:
        url = make_url(address)
        place = (url.host or "") + (url.database or "")
        if "@" in place and url.get_backend_name() != "sqlite":  # else part of the password would be taken for a place
            message = "holds an @ in its password or its place that is not written as %40"
            raise problem(source.url_env, message, "percent-encode user and password")
        if url.drivername == "postgresql":  # the driver that is here, not the one that SQLAlchemy would look for
            url = url.set(drivername="postgresql+psycopg2")
        file = url.database if url.get_backend_name() == "sqlite" else None
        if file and file != ":memory:":
            check_inside(file, Path(), roots)
            if not Path(file).is_file():  # SQLite would make an empty one
                raise problem(source.url_env, f"there is no database {Path(file).name}")
        return create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):  # what they say may hold the URL
        raise problem(source.url_env, "is no SQLAlchemy URL of a database whose driver is installed") from None


def _database(url: "URL") -> str:
    return Path(url.database or "").name if url.get_backend_name() == "sqlite" else url.database or ""


def _connected(engine: "Engine", secret: str | None) -> "Connection":
    from sqlalchemy.exc import SQLAlchemyError

    kind = engine.dialect.name
    options: dict[str, Any] = {"stream_results": True, "no_parameters": True, "max_row_buffer": _ROWS}
    if kind == "postgresql":
        options["postgresql_readonly"] = True
    try:
        connection = engine.connect().execution_options(**options)
        if kind == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
    except SQLAlchemyError as error:
        raise UnavailableError(f"the database cannot be reached: {_reason(error, secret)}") from None
    return connection


def _streamed(connection: "Connection", query: str) -> "Iterator[pa.RecordBatch]":
    result = connection.exec_driver_sql(query)
    if not result.returns_rows:
        raise problem("source.sql", "is no query: it returns no rows", "write a SELECT")
    names = list(result.keys())
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise problem("source.sql", f"names columns twice: {', '.join(repeated)}", "name them apart with AS")
    for rows in result.yield_per(_ROWS).partitions():
        yield _batch(names, rows)


def _batch(names: Sequence[str], rows: Sequence[Any]) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(
        [_column(name, list(cells)) for name, cells in zip(names, zip(*rows, strict=True), strict=True)], names=names
    )


def _column(name: str, cells: list[Any]) -> "pa.Array":
    import pyarrow as pa

    kinds = {type(cell) for cell in cells} - {type(None)}
    try:
        return pa.array(_plain(cells, kinds))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    names = sorted(kind.__name__ for kind in kinds)
    found = f"mixes {' and '.join(names)}" if len(names) > 1 else f"holds {names[0]} that does not fit a column"
    raise problem(name, found, "CAST it in the query to one type")


def _plain(cells: list[Any], kinds: set[type]) -> list[Any]:
    """The cells, those of types that a snapshot does not know as ones that it does."""
    ways: dict[type, Callable[[Any], Any]] = {UUID: str, memoryview: bytes}
    if kinds == {Decimal, int}:
        return [Decimal(cell) if isinstance(cell, int) else cell for cell in cells]
    way = ways.get(next(iter(kinds))) if len(kinds) == 1 else None
    return cells if way is None else [None if cell is None else way(cell) for cell in cells]


def _said(error: Any, secret: str | None) -> AssayError:
    """A statement that the database refuses is the user's to mend; a lost connection is not."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    reason = _reason(error, secret)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    refused = re.search(r"no such|syntax error|readonly|read-only|misuse|incomplete", reason)
    if lost or (isinstance(error, OperationalError | InterfaceError) and not refused):
        return UnavailableError(f"the database failed: {reason}")
    return problem("source.sql", f"the database refuses the query: {reason}")


def _reason(error: Any, secret: str | None) -> str:
    first = " ".join(str(getattr(error, "orig", None) or error).split())
    return first.replace(secret, "***") if secret else first
