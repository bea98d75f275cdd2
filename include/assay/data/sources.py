"""Data files as teams hand them over: CSV or Parquet. Every flaw is the user's to mend, and said at once."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean, problem
from assay.data.csv_text import check_quotes, convert_options
from assay.data.engine import open_rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_GLIMPSES, _GLIMPSE = 8, 16_384  # places that a glimpse looks at, and rows at each


def read_table(path: Path) -> "pa.Table":
    """Read a whole CSV or Parquet file; the name's ending tells which.

    Empty cells of a CSV file, and the usual spellings such as NA and NULL, are nulls in every
    column unless they are quoted.

    Raises
    ------
    UserError
        When there is no such file, it cannot be read as what its name says, or it has no rows.
    """
    return _read(path, None)


def read_columns(path: Path, columns: Sequence[str]) -> "pa.Table":
    """Read some columns of a CSV or Parquet file, in the order given.

    Raises
    ------
    UserError
        As `read_table`, and listing every column that the file does not have.
    """
    wanted = list(dict.fromkeys(columns))
    missing = _absent(wanted, column_names(path))
    if missing:
        raise UserError(str(path), missing)
    return _read(path, wanted)


def read_counts(path: Path, columns: Sequence[str]) -> "tuple[pa.Table, NDArray[np.int64]]":
    """The distinct rows of some columns, in any order, and how often each occurs.

    A Parquet file is counted out of core, in memory that grows with the distinct rows alone. Rows of a
    CSV file are not joined: each occurs once.

    Raises
    ------
    UserError
        As `read_columns`.
    """
    import numpy as np

    wanted, names = list(dict.fromkeys(columns)), column_names(path)
    missing = _absent(wanted, names)
    if missing:
        raise UserError(str(path), missing)
    if _reader(path) is not _read_parquet:
        table = _read(path, wanted)
        return table, np.ones(len(table), dtype=np.int64)
    counted, times = _guarded(path, lambda: _count_parquet(path, wanted))
    if counted.num_rows == 0:
        raise problem(str(path), "has no rows")
    return counted, times


def _count_parquet(path: Path, columns: Sequence[str]) -> "tuple[pa.Table, NDArray[np.int64]]":
    with open_rows([path]) as rows:
        return rows.counts(columns)


def glimpse(path: Path, columns: Sequence[str]) -> "pa.Table | None":
    """Some rows of a Parquet file, from all over it, for what would be costly to find out from every row.

    None for a file that is read whole in any case, and for one that has no rows or lacks a column.

    Raises
    ------
    UserError
        As `column_names`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = list(dict.fromkeys(columns))
    if not wanted or _reader(path) is not _read_parquet or _absent(wanted, column_names(path)):
        return None

    def read() -> "pa.Table | None":
        file = pq.ParquetFile(path)
        places = range(0, file.num_row_groups, max(1, file.num_row_groups // _GLIMPSES))
        some = (next(file.iter_batches(_GLIMPSE, row_groups=[at], columns=wanted), None) for at in places)
        batches = [batch for batch in some if batch is not None]
        return pa.Table.from_batches(batches) if batches else None

    return _guarded(path, read)


def column_names(path: Path) -> list[str]:
    """The names of a file's columns, without reading its rows where the format allows.

    Raises
    ------
    UserError
        As `read_table`.
    """
    import pyarrow.parquet as pq

    if _reader(path) is _read_parquet:
        names = _guarded(path, lambda: pq.read_schema(path).names)
    else:
        names = _guarded(path, lambda: _csv_stream(path).schema.names)
    return _each_once(path, names)


def is_flat(column: Any) -> bool:
    """Whether every cell is a single value, which Arrow can count and compare; lists and structs are not."""
    import pyarrow as pa

    return not pa.types.is_nested(column.type)


def _absent(wanted: Sequence[str], present: Sequence[str]) -> list[Problem]:
    return [
        Problem(path=name, message="no such column", mend=did_you_mean(name, present))
        for name in wanted
        if name not in present
    ]


def _read(path: Path, columns: list[str] | None) -> "pa.Table":
    reader = _reader(path)
    table = _guarded(path, lambda: reader(path, columns))
    if table.num_rows == 0:
        raise problem(str(path), "has no rows")
    _each_once(path, table.column_names)
    return table


def _each_once(path: Path, names: Sequence[str]) -> list[str]:
    if not names:
        raise problem(str(path), "has no columns")
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        raise problem(str(path), f"names columns twice: {', '.join(repeated)}")
    return list(names)


def _reader(path: Path) -> Callable[[Path, list[str] | None], Any]:
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise problem(str(path), "is neither .csv nor .parquet", "convert the file or rename it")
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise problem(str(path), f"cannot be read: {error.strerror}") from None
    if is_folder:
        raise problem(str(path), "is a folder, not a file")
    if not is_file:
        near = did_you_mean(path.name, [each.name for each in path.parent.glob("*")]) if path.parent.is_dir() else ""
        raise problem(str(path), "no such file", near if near.startswith("did") else "")
    if path.stat().st_size == 0:
        raise problem(str(path), "is empty (0 bytes)")
    return readers[path.suffix.lower()]


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a corrupt Parquet file is an OSError to pyarrow
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        reason = " ".join(str(error).split())
        raise problem(str(path), f"cannot be read as {kind}: {reason}") from None


def _read_parquet(path: Path, columns: list[str] | None) -> "pa.Table":
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).read(columns=columns)


def _read_csv(path: Path, columns: list[str] | None) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    check_quotes(str(path), lambda: path.open("rb"))
    options, parsing = convert_options(columns), csv.ParseOptions(newlines_in_values=True)
    try:
        table = csv.read_csv(path, parse_options=parsing, convert_options=options)
    except pa.ArrowInvalid:
        # only the single-threaded reader knows the number of the broken row
        reading = csv.ReadOptions(use_threads=False)
        table = csv.read_csv(path, read_options=reading, parse_options=parsing, convert_options=options)
    for field in table.schema:
        if pa.types.is_binary(field.type):  # what pyarrow makes of bytes that are no UTF-8
            raise problem(str(path), f'the column "{field.name}" is not UTF-8 text', "save the file as UTF-8")
    return table


def _csv_stream(path: Path) -> Any:
    from pyarrow import csv

    return csv.open_csv(path, convert_options=convert_options())
