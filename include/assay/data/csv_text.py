"""CSV read as a stream: quotes that do not match are found, and types hold for the whole file."""

import csv as plain
import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from assay.core import UserError, problem

if TYPE_CHECKING:
    import pyarrow as pa

Opened = Callable[[], IO[bytes]]
"""Opens a file at its beginning."""

_BLOCK = 1 << 23
_DIGITS = 38  # of a decimal in 128 bits
_UNITS = ("s", "ms", "us", "ns")
_QUOTE = ord('"')
_ENDS = np.frombuffer(b',\r\n"', dtype=np.uint8)


def convert_options(columns: list[str] | None = None, types: "Mapping[str, pa.DataType] | None" = None) -> Any:
    """What a cell means: empty cells and the usual spellings such as NA are null unless they are quoted."""
    from pyarrow import csv

    return csv.ConvertOptions(
        strings_can_be_null=True, quoted_strings_can_be_null=False, include_columns=columns, column_types=types
    )


class WatchedBytes(io.RawIOBase):
    """Bytes on their way to a parser: hashed, and every quote held against its neighbours.

    Attributes
    ----------
    suspect
        Whether some quote neither opens nor closes a cell where a cell begins or ends.
    sha256
        Digest of all that was read, so far.
    """

    def __init__(self, source: IO[bytes], told: Callable[[int], None] = lambda _: None) -> None:
        self._source, self._told = source, told
        self._digest = hashlib.sha256()
        self._held = b"\n"  # as if a line had ended before the first; the last byte waits for its neighbour
        self._quotes = 0
        self.suspect = False

    def readable(self) -> bool:
        """True: this is for reading."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Hand on what the source gives."""
        chunk = self._source.read(size)
        self._digest.update(chunk)
        self._check(chunk)
        self._told(len(chunk))
        return chunk

    @property
    def sha256(self) -> str:
        """SHA-256 of what was read, in hexadecimal digits."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
        super().close()

    def _check(self, chunk: bytes) -> None:
        """Even quotes open, after a separator or a doubled quote; odd ones close, before one."""
        data = np.frombuffer(self._held + (chunk or b"\n"), dtype=np.uint8)
        at = np.flatnonzero(data[1:-1] == _QUOTE) + 1
        closing = (self._quotes + np.arange(len(at))) % 2 == 1
        neighbours = np.where(closing, data[at + 1], data[at - 1])
        self._quotes += len(at)
        unclosed = not chunk and self._quotes % 2 == 1
        self.suspect |= unclosed or not bool(np.isin(neighbours, _ENDS).all())
        self._held = data[-2:].tobytes() if chunk else b"\n"


def check_quotes(name: str, opened: Opened) -> None:
    """Refuse a file in which a quote does not match: a parser would swallow the rows that follow.

    Raises
    ------
    UserError
        Naming the line on which the broken row begins.
    """
    with WatchedBytes(opened()) as watched:
        while watched.read(_BLOCK):
            pass
    if watched.suspect:
        refuse_broken_rows(name, opened)


def refuse_broken_rows(name: str, opened: Opened) -> None:
    """Read the file row by row with the strict reader of the standard library, which knows the line.

    A quote inside a cell that is not quoted stands for itself, and is let through.

    Raises
    ------
    UserError
        At the first quote that does not match, and at the first row of another length than the header.
    """
    began, width = 1, 0
    with io.TextIOWrapper(cast(Any, opened()), encoding="latin-1", newline="") as text:  # all that counts is ASCII
        rows = plain.reader(text, strict=True)
        try:
            for row in rows:
                width = width or len(row)
                if row and len(row) != width:
                    message = f"line {began} has {len(row)} cells where the header has {width}"
                    raise problem(name, message, "put quotes around a cell that holds a comma")
                began = rows.line_num + 1
        except plain.Error as error:
            message = f"has a quote that does not match in the row that begins on line {began} ({error})"
            raise problem(name, message, 'close the quote, and write a quote inside a quoted cell as ""') from None


def infer_types(
    name: str, opened: Opened, told: Callable[[int], None] = lambda _: None
) -> "tuple[dict[str, pa.DataType], str]":
    """The type of every column that holds for all rows, and the SHA-256 of what was read.

    Types are those that a reader of the whole file would find, in memory for a few blocks.

    Raises
    ------
    UserError
        When the file is no CSV: rows of unequal length, a quote that does not match, other text than UTF-8.
    """
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    watched = WatchedBytes(opened(), told)
    try:
        types = dict.fromkeys(column_names(name, opened), pa.null())
        for batch in _parsed(watched, dict.fromkeys(types, pa.string())):
            open_ = [column for column, type_ in types.items() if type_ != pa.string()]
            for column, type_ in _types_of(batch.select(open_)).items():
                types[column] = common_type(types[column], type_) or pa.string()
    except pa.ArrowException as error:
        raise _said(name, opened, error, list(types)) from None
    if watched.suspect:
        refuse_broken_rows(name, opened)
    return types, watched.sha256


def read_batches(
    name: str,
    opened: Opened,
    types: "Mapping[str, pa.DataType]",
    sha256: str,
    told: Callable[[int], None] = lambda _: None,
) -> "Iterator[pa.RecordBatch]":
    """The rows, in the types that `infer_types` found.

    Raises
    ------
    UserError
        When the file is not the one that the types were found in.
    """
    import pyarrow as pa

    watched = WatchedBytes(opened(), told)
    try:
        yield from _parsed(watched, {k: pa.string() if pa.types.is_null(t) else t for k, t in types.items()})
    except pa.ArrowException as error:
        raise _said(name, opened, error, list(types)) from None
    if watched.sha256 != sha256:
        raise problem(name, "changed while it was read", "take the snapshot when nothing writes to it")


def column_names(name: str, opened: Opened) -> list[str]:
    """The names in the header, each once.

    Raises
    ------
    UserError
        When there is none, or a name is repeated.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        with opened() as source, csv.open_csv(source, read_options=csv.ReadOptions(block_size=_BLOCK)) as reader:
            names: list[str] = reader.schema.names
    except UnicodeDecodeError:
        raise problem(name, "the header is not UTF-8 text", "save the file as UTF-8") from None
    except pa.ArrowException as error:
        raise _said(name, opened, error, []) from None
    if repeated := sorted(column for column, times in Counter(names).items() if times > 1):
        raise problem(name, f"names columns twice: {', '.join(repeated)}")
    return names


def common_type(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType | None":
    """The type that holds the values of both, as a reader of the whole column would choose; None where there is none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> common_type(pa.int64(), pa.float64()), common_type(pa.null(), pa.bool_()), common_type(pa.int64(), pa.string())
    (DataType(double), DataType(bool), None)
    """
    import pyarrow as pa

    types = pa.types
    if one == other or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if all(types.is_integer(each) or types.is_floating(each) for each in (one, other)):
        return pa.int64() if types.is_integer(one) and types.is_integer(other) else pa.float64()
    if all(types.is_decimal(each) for each in (one, other)):
        scale = max(one.scale, other.scale)
        precision = max(one.precision - one.scale, other.precision - other.scale) + scale
        return pa.decimal128(precision, scale) if precision <= _DIGITS else None
    dates, stamps = ([t for t in (one, other) if is_(t)] for is_ in (types.is_date, types.is_timestamp))
    if len(dates) + len(stamps) == 2 and stamps and len({stamp.tz for stamp in stamps}) == 1:
        return max(stamps, key=lambda stamp: _UNITS.index(stamp.unit))
    return None


def _parsed(source: WatchedBytes, types: "Mapping[str, pa.DataType]") -> "Iterator[pa.RecordBatch]":
    from pyarrow import csv

    with csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=_BLOCK),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=convert_options(types=types),
    ) as reader:
        yield from reader


def _types_of(batch: "pa.RecordBatch") -> "dict[str, pa.DataType]":
    """What the whole-file reader would make of these cells: written out again, and read by it."""
    import pyarrow as pa
    from pyarrow import csv

    if not batch.num_columns or not batch.num_rows:
        return {}
    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    table = csv.read_csv(
        pa.BufferReader(sink.getvalue()),
        read_options=csv.ReadOptions(column_names=batch.schema.names, block_size=1 << 26),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=convert_options(),
    )
    return {field.name: field.type for field in table.schema}


def _said(name: str, opened: Opened, error: Exception, columns: list[str]) -> UserError:
    """What pyarrow found wrong, with the line where the standard library finds it too."""
    reason = " ".join(str(error).split())
    if "UTF8" in reason:
        at = re.search(r"CSV column #(\d+)", reason)
        column = f'the column "{columns[int(at[1])]}"' if at and columns else "it"
        return problem(name, f"{column} is not UTF-8 text", "save the file as UTF-8")
    try:
        refuse_broken_rows(name, opened)
    except UserError as known:
        return known
    return problem(name, f"cannot be read as CSV: {reason}")
