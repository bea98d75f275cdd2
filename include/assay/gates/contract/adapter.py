"""Great Expectations on DuckDB: the one place that works around what does not fit.

Great Expectations closes a connection before it fetches from it unless the dialect is on its own
list of those that keep theirs; DuckDB is not on it, and every expectation then fails with *list
index out of range*.
"""

import glob
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core import Problem, UnavailableError, UserError

# the spellings of a missing value that pyarrow and pandas know too
_NULLS = ["", "#N/A", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"]


class _Dialect(str):
    """A dialect's name that has a `value`, as the entries of Great Expectations' list have."""

    @property
    def value(self) -> str:
        return str(self)


def great_expectations() -> Any:
    """The module, quiet, offline, and able to keep a DuckDB connection open."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # What goes wrong comes back as exception_info; on stderr Airflow would show it as errors of its own.
    # Some of its loggers set their own level, so a level here would not do.
    log = logging.getLogger("great_expectations")
    log.propagate = False
    log.handlers = [logging.NullHandler()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own imports of what Python deprecates
        import great_expectations as gx
        from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    known: tuple[Any, ...] = engine._PERSISTED_CONNECTION_DIALECTS
    if "duckdb" not in known:
        vars(engine)["_PERSISTED_CONNECTION_DIALECTS"] = (*known, _Dialect("duckdb"))
    return gx


def silence() -> redirect_stdout[io.StringIO]:
    """Keep what Great Expectations prints off standard output, which may be where a verdict's JSON goes."""
    return redirect_stdout(io.StringIO())


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Rows that expectations can be validated on, and what DuckDB knows of them without asking Great Expectations."""

    gx_batch: Any
    columns: Sequence[str]
    rows: int


@contextmanager
def open_batch(files: Sequence[Path]) -> Iterator[Batch]:
    """A Great Expectations batch over the rows of all `files` together, gone when the block ends.

    Raises
    ------
    UserError
        Listing every file that is missing, empty, or neither CSV nor Parquet; or when one cannot be read.
    UnavailableError
        When there is no room for the scratch database.
    """
    try:
        scratch = tempfile.TemporaryDirectory(prefix="assay-contract-")
    except OSError as error:
        raise UnavailableError(f"no scratch folder could be made: {error}") from error
    with scratch as folder:
        database = Path(folder) / "contract.duckdb"
        columns, rows = _mount(database, files)
        gx = great_expectations()
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_sql("contract", connection_string=f"duckdb:///{database}")
        try:
            asset = source.add_table_asset("data", table_name="data")
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            _confine(source.get_execution_engine(), files)
            yield Batch(gx_batch=batch, columns=columns, rows=rows)
        finally:
            source.get_execution_engine().close()


def _confine(engine: Any, files: Sequence[Path]) -> None:
    """Let queries read `files` and nothing else: an expectation may be SQL of its author's own."""
    # the view names them as patterns
    allowed = ", ".join(_quoted(name) for file in files for name in (str(file), glob.escape(str(file))))
    with engine.get_connection() as connection:
        for setting in (f"allowed_paths=[{allowed}]", "enable_external_access=false", "lock_configuration=true"):
            connection.exec_driver_sql(f"SET {setting}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _mount(database: Path, files: Sequence[Path]) -> tuple[list[str], int]:
    """Make `data` in a DuckDB file, a view of Parquet or a table of what CSV holds; its columns and number of rows."""
    import duckdb

    subject = ", ".join(map(str, files)) or "data"
    _check(files, subject)
    # DuckDB reads [, ? and * in a name as a pattern
    names = ", ".join(_quoted(glob.escape(str(file))) for file in files)
    if files[0].suffix.lower() == ".parquet":
        statement = f"CREATE VIEW data AS SELECT * FROM read_parquet([{names}])"  # noqa: S608 (names are escaped)
    else:
        nulls = ", ".join(f"'{spelling}'" for spelling in _NULLS)
        options = f"header=true, sample_size=-1, nullstr=[{nulls}], allow_quoted_nulls=false"
        statement = f"CREATE TABLE data AS SELECT * FROM read_csv([{names}], {options})"  # noqa: S608
    try:
        with duckdb.connect(str(database)) as connection:
            connection.execute(statement)
            columns = [str(row[0]) for row in connection.execute("DESCRIBE data").fetchall()]
            rows = int(connection.execute("SELECT count(*) FROM data").fetchall()[0][0])
    except (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException) as error:
        raise UnavailableError(f"the contract's scratch database failed: {str(error).splitlines()[0]}") from error
    except duckdb.Error as error:
        message = f"cannot be read: {str(error).splitlines()[0]}"
        raise UserError(subject, [Problem(path=subject, message=message)]) from None
    return columns, rows


def _check(files: Sequence[Path], subject: str) -> None:
    problems = []
    if not files:
        problems.append(Problem(path=subject, message="no files were given"))
    if len({file.suffix.lower() for file in files}) > 1:
        problems.append(Problem(path=subject, message="mixes CSV and Parquet"))
    for file in files:
        if file.suffix.lower() not in (".csv", ".parquet"):
            problems.append(Problem(path=str(file), message="is neither .csv nor .parquet"))
        elif not file.is_file():
            problems.append(Problem(path=str(file), message="no such file"))
        elif file.stat().st_size == 0:
            problems.append(Problem(path=str(file), message="is empty (0 bytes)"))
    if problems:
        raise UserError(subject, problems)
