"""Rows of CSV and Parquet files as one table of a scratch DuckDB database."""

import csv
import glob
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from assay.core import Problem, UnavailableError, UserError

TABLE = "data"
_MEMORY = 384
"""What DuckDB may hold before it spills, in MB; Great Expectations itself takes 270 beside it."""
_PER_COLUMN = 0.2
"""What it must hold for each column while it makes a table, in MB, however few the rows."""
# the spellings of a missing value that pyarrow and pandas know too
_NULLS = ["", "#N/A", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"]


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder for a scratch database, gone when the block ends.

    Raises
    ------
    UnavailableError
        When it cannot be made.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise UnavailableError(f"no scratch folder could be made: {error}") from error
    with made as folder:
        yield Path(folder)


@contextmanager
def as_parquet(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Files as they are, or, of CSV, all their rows in one scratch file of Parquet, gone when the block ends.

    Whoever asks several times then reads a text once.

    Raises
    ------
    UserError, UnavailableError
        As `mount`.
    """
    if not files or files[0].suffix.lower() != ".csv":
        yield list(files)
        return
    import duckdb

    with scratch("assay-csv-") as folder:
        database, made = folder / "rows.duckdb", folder / f"{files[0].stem}.parquet"
        mount(database, files)
        try:
            with duckdb.connect(str(database)) as connection:
                for statement in (*_limits(database, files), f"COPY {TABLE} TO {quoted(str(made))} (FORMAT parquet)"):
                    connection.execute(statement)
        except duckdb.Error as error:
            raise UnavailableError(f"the contract's scratch file failed: {str(error).splitlines()[0]}") from error
        database.unlink()
        yield [made]


def mount(database: Path, files: Sequence[Path]) -> tuple[list[str], int]:
    """Make `data` in a DuckDB file, a view of Parquet or a table of what CSV holds; its columns and number of rows.

    Raises
    ------
    UserError
        Listing every file that is missing, empty, or neither CSV nor Parquet; or when one cannot be read.
    UnavailableError
        When there is no room for the scratch database.
    """
    import duckdb

    subject = ", ".join(map(str, files)) or "data"
    _check(files, subject)
    try:
        with duckdb.connect(str(database)) as connection:
            for statement in (*_limits(database, files), f"CREATE {_source(files)}"):
                connection.execute(statement)
            columns = [str(row[0]) for row in connection.execute(f"DESCRIBE {TABLE}").fetchall()]
            rows = int(connection.execute(f"SELECT count(*) FROM {TABLE}").fetchall()[0][0])
    except (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException) as error:
        raise UnavailableError(f"the contract's scratch database failed: {str(error).splitlines()[0]}") from error
    except duckdb.Error as error:
        message = f"cannot be read: {_broken_quote(files) or _why(error)}"
        raise UserError(subject, [Problem(path=subject, message=message)]) from None
    return columns, rows


def settings(database: Path, files: Sequence[Path]) -> list[str]:
    """What confines a connection to `files` and its share of memory: an expectation may be SQL of its author's own."""
    # the view names them as patterns
    allowed = ", ".join(quoted(name) for file in files for name in (str(file), glob.escape(str(file))))
    confined = (f"SET allowed_paths=[{allowed}]", "SET enable_external_access=false", "SET lock_configuration=true")
    return [*_limits(database, files), *confined]


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _limits(database: Path, files: Sequence[Path]) -> list[str]:
    return [
        f"SET memory_limit='{_MEMORY + int(_PER_COLUMN * _width(files[0]))}MB'",
        f"SET temp_directory={quoted(str(database.parent / 'spill'))}",
        "SET enable_progress_bar=true",  # without it DuckDB does not know how far it is
        "SET enable_progress_bar_print=false",  # standard output may be a verdict's
    ]


def _width(file: Path) -> int:
    """How many columns of a CSV file a table is made of; of Parquet none is made."""
    if file.suffix.lower() != ".csv":
        return 0
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline().count(",") + 1


def _source(files: Sequence[Path]) -> str:
    # DuckDB reads [, ? and * in a name as a pattern
    names = ", ".join(quoted(glob.escape(str(file))) for file in files)
    if files[0].suffix.lower() == ".parquet":
        return f"VIEW {TABLE} AS SELECT * FROM read_parquet([{names}])"
    nulls = ", ".join(quoted(spelling) for spelling in _NULLS)
    # guessing the quotes would read a quote that is never closed as a part of its value
    form = """header=true, sample_size=-1, delim=',', quote='"', escape='"'"""
    options = f"{form}, nullstr=[{nulls}], allow_quoted_nulls=false"
    return f"TABLE {TABLE} AS SELECT * FROM read_csv([{names}], {options})"


def _why(error: Exception) -> str:
    """The lines of DuckDB's message that say what is wrong and where, without its advice about options."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines[:4] if line and not line.startswith(("Possible", "*"))]
    return " ".join(told)[:300] or "unknown reason"


def _broken_quote(files: Sequence[Path]) -> str:
    """Where a quote of a CSV file is not closed as it should be; DuckDB only says that it cannot make sense of it."""
    for file in files:
        if file.suffix.lower() == ".csv":
            with file.open(newline="", encoding="utf-8", errors="replace") as stream:
                rows, begins = csv.reader(stream, strict=True), 1
                try:
                    for _ in rows:
                        begins = rows.line_num + 1
                except csv.Error:
                    return f"the row that begins in line {begins} of {file.name} has a broken quote"
    return ""


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
