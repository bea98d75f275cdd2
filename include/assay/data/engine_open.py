"""Which engine answers, and how it comes by the rows: DuckDB out of core here, or any that Ibis can reach."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from assay.core import did_you_mean, problem
from assay.data.engine import Rows

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends import BaseBackend

SETTING = "ASSAY_ENGINE"
_OPTIONS: dict[str, dict[str, Any]] = {"pyspark": {"spark.sql.caseSensitive": "true"}}
"""What an engine must be told to tell columns apart as the files do."""


@contextmanager
def open_parquet(files: Sequence[Path], schema: "pa.Schema", *, engine: str, memory: str) -> Iterator[Rows]:
    """Open Parquet files with the same columns as one set of rows.

    Parameters
    ----------
    files
        At least one.
    schema
        What their columns are called and taken for.
    engine
        Name of an Ibis backend, or the URL that Ibis connects to it by.
    memory
        How much DuckDB may hold before it goes to disk; other engines have settings of their own.

    Raises
    ------
    UserError
        When there is no such engine, what it needs is not installed, or it cannot answer a question.
    OSError
        When the files cannot be read, or the engine fails.
    """
    from assay.data.engine_ibis import IbisRows

    with TemporaryDirectory() as spill:
        backend = _connected(engine, spill, memory)
        try:
            with asking(backend.name):
                table = _table(backend, files)
            yield IbisRows(backend, table, files, schema)
        finally:
            if backend.name == "duckdb":  # another engine's session is kept: it is slow to come by
                backend.disconnect()


@contextmanager
def asking(engine: str) -> Iterator[None]:
    """Turn what an engine raises into what Assay raises.

    Raises
    ------
    UserError
        When the engine cannot be asked this.
    OSError
        When it failed.
    """
    from ibis.common.exceptions import IbisError

    try:
        yield
    except (IbisError, NotImplementedError) as error:
        raise problem(SETTING, f"the engine {engine} cannot answer: {_told(error)}", "use another engine") from None
    except Exception as error:  # engines have no class of errors in common
        raise OSError(f"{engine}: {_told(error)}") from None


def _told(error: Exception) -> str:
    return " ".join(str(error).split())


def _connected(engine: str, spill: str, memory: str) -> "BaseBackend":
    name, _, rest = engine.partition("://")
    if name != "duckdb":
        return _session(engine)
    options = {"temp_directory": spill, "memory_limit": memory}
    backend = _connect(f"duckdb://{rest}", options)
    backend.settings["enable_progress_bar"] = False  # standard output may be a verdict's
    return backend


@cache
def _session(engine: str) -> "BaseBackend":
    name, _, rest = engine.partition("://")
    return _connect(f"{name}://{rest}", _OPTIONS.get(name, {}))


def _connect(url: str, options: dict[str, Any]) -> "BaseBackend":
    import ibis

    name = url.partition("://")[0]
    known = sorted({each.name for each in ibis.util.backend_entry_points()})
    if name not in known:
        raise problem(SETTING, f'there is no engine "{name}"', did_you_mean(name, known))
    try:
        return ibis.connect(url, **options)
    except ImportError as error:
        mend = f"pip install 'ibis-framework[{name}]'"
        raise problem(SETTING, f"the engine {name} is not installed here: {error}", mend) from None
    except Exception as error:  # engines have no class of errors in common
        raise OSError(f"the engine {name} cannot be reached: {_told(error)}") from error


def _table(backend: "BaseBackend", files: Sequence[Path]) -> "ir.Table":
    import ibis

    if backend.name == "duckdb":  # which reads [, ? and * in a name as a pattern
        table = backend.read_parquet([glob.escape(str(file)) for file in files])
        # Only now: without an order DuckDB may list the columns of a table of more than 2,048 in another one.
        backend.settings["preserve_insertion_order"] = False
        return table
    return ibis.union(*(backend.read_parquet(file) for file in files))
