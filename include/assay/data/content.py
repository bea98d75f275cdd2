"""A table's content as one digest: the same rows in the same order, however they are stored."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core import Problem, UserError, canonical_json

if TYPE_CHECKING:
    import pyarrow as pa

_WINDOW = 1 << 16
_WIDE = 256


def canonical_table(table: "pa.Table", subject: str) -> "pa.Table":
    """The table in the types that a Delta table keeps, so that writing and reading changes nothing.

    Dictionaries and other string layouts become strings, unsigned integers int64, half floats
    float32, times microseconds. Names, order and values stay.

    Raises
    ------
    UserError
        Listing every column whose type has no place in a snapshot, or whose values do not fit.
    """
    import pyarrow as pa

    fields, columns, problems = [], [], []
    for name, column in zip(table.column_names, table.columns, strict=True):
        target = _stored_type(column.type)
        if target is None:
            message = f"has type {column.type}, which a snapshot cannot hold"
            problems.append(Problem(path=name, message=message, mend="convert or drop the column"))
            continue
        try:
            columns.append(column.cast(target))
        except pa.ArrowInvalid as error:
            problems.append(Problem(path=name, message=f"does not fit {target}: {error}"))
        fields.append(pa.field(name, target))
    if problems:
        raise UserError(subject, problems)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def stored_schema(schema: "pa.Schema") -> "pa.Schema":
    """The same columns in the types of `canonical_table`; what has no place, or no type yet, stays as it is."""
    import pyarrow as pa

    def kept(type_: Any) -> Any:
        return type_ if pa.types.is_null(type_) else _stored_type(type_) or type_

    return pa.schema([pa.field(field.name, kept(field.type)) for field in schema])


def schema_of(table: "pa.Table | pa.Schema") -> list[dict[str, str]]:
    """Names and types in order, as plain JSON."""
    return [{"name": field.name, "type": str(field.type)} for field in getattr(table, "schema", table)]


def content_digest(table: "pa.Table") -> str:
    """SHA-256 over schema, columns and rows in their order.

    Chunks, compression and whoever wrote the file make no difference; any changed, added, lost or
    moved cell does.

    Parameters
    ----------
    table
        A table from `canonical_table`.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.
    """
    return _digest(schema_of(table), table.num_rows, _columns_of([table]))


def files_digest(paths: Sequence[Path], read: Callable[[int], None] = lambda _: None) -> str:
    """What `content_digest` says of the rows in Parquet files, one after the other, read piece by piece.

    Parameters
    ----------
    paths
        The files, in the order of the rows; at least one.
    read
        Told, now and then, how many more rows were read.
    """
    import pyarrow.parquet as pq

    files = [pq.ParquetFile(path, pre_buffer=False) for path in paths]  # it would keep all that it read before
    schema = schema_of(canonical_table(files[0].schema_arrow.empty_table(), str(paths[0])))
    wide = len(schema) > _WIDE
    columns = _few_columns_at_a_time(files, paths, read) if wide else _columns_of(_pieces(files, paths, read))
    return _digest(schema, sum(file.metadata.num_rows for file in files), columns)


def _pieces(files: Sequence[Any], paths: Sequence[Path], read: Callable[[int], None]) -> "Iterator[pa.Table]":
    import pyarrow as pa

    for file, path in zip(files, paths, strict=True):
        for batch in file.iter_batches(batch_size=_WINDOW):
            yield canonical_table(pa.Table.from_batches([batch]), str(path))
            read(batch.num_rows)


def _digest(schema: list[dict[str, str]], rows: int, columns: "Iterable[pa.Array]") -> str:
    digest = hashlib.sha256(canonical_json({"schema": schema, "rows": rows}))
    for column in columns:
        _feed(digest, column)
    return digest.hexdigest()


def _columns_of(tables: "Iterable[pa.Table]") -> "Iterator[pa.Array]":
    """What the digest is made over: window after window of rows, and in each column after column."""
    return (column.combine_chunks() for window in _windows(tables) for column in window.columns)


def _few_columns_at_a_time(
    files: Sequence[Any], paths: Sequence[Path], read: Callable[[int], None]
) -> "Iterator[pa.Array]":
    """As `_columns_of`, for a table so wide that a window of all its columns is too much to hold."""
    import pyarrow as pa

    *starts, total = accumulate((file.metadata.num_rows for file in files), initial=0)
    names = files[0].schema_arrow.names
    for first in range(0, total, _WINDOW):
        last = min(total, first + _WINDOW)
        for at in range(0, len(names), _WIDE):
            pieces = [
                canonical_table(_rows_of(file, names[at : at + _WIDE], first - start, last - start), str(path))
                for file, path, start in zip(files, paths, starts, strict=True)
            ]
            yield from (column.combine_chunks() for column in pa.concat_tables(pieces).columns)
        read(last - first)


def _rows_of(file: Any, columns: list[str], first: int, last: int) -> "pa.Table":
    """Some columns of a file's rows from `first` up to `last`, as many of them as it has."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    starts = list(accumulate(sizes, initial=0))
    touched = [group for group, size in enumerate(sizes) if starts[group] < last and starts[group] + size > first]
    if not touched:
        return file.schema_arrow.empty_table().select(columns)
    before = max(0, first - starts[touched[0]])
    rows = file.read_row_groups(touched, columns=columns).select(columns)
    return rows.slice(before, last - max(first, 0))


def _windows(tables: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
    """The same rows, as many at a time as the digest is made over, whatever pieces they come in."""
    import pyarrow as pa

    rest = None
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        while rest.num_rows >= _WINDOW:
            yield rest.slice(0, _WINDOW)
            rest = rest.slice(_WINDOW)
    if rest is not None and rest.num_rows:
        yield rest


def _feed(digest: Any, column: Any) -> None:
    """Validity first, then values: lengths and bytes for text, little-endian bytes for the rest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    type_ = column.type
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        lengths = pc.binary_length(column).fill_null(0)
        digest.update(lengths.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
        digest.update(_text(column.drop_null()))
    elif pa.types.is_decimal(type_):
        _feed(digest, column.cast(pa.string()))
    elif pa.types.is_boolean(type_):
        digest.update(np.packbits(column.fill_null(False).to_numpy(zero_copy_only=False)).tobytes())
    else:
        whole = column.drop_null().to_numpy(zero_copy_only=False)
        digest.update(whole.astype(whole.dtype.newbyteorder("<"), copy=False).tobytes())


def _text(column: Any) -> Any:
    """All values one after the other, without a copy: they lie so in the array."""
    _, offsets, values = column.buffers()
    if not len(column) or values is None:
        return b""
    ends = np.frombuffer(offsets, dtype="<i4")[column.offset : column.offset + len(column) + 1]
    return memoryview(values)[ends[0] : ends[-1]]


def _stored_type(type_: Any) -> Any:
    import pyarrow as pa

    t = pa.types
    if t.is_dictionary(type_):
        type_ = type_.value_type
    if t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_) or t.is_null(type_):
        return pa.string()
    if t.is_binary(type_) or t.is_large_binary(type_) or t.is_binary_view(type_):
        return pa.binary()
    if t.is_unsigned_integer(type_):
        return pa.int64()
    if t.is_float16(type_):
        return pa.float32()
    if t.is_timestamp(type_):
        return pa.timestamp("us", tz="UTC" if type_.tz else None)
    if t.is_date(type_):
        return pa.date32()
    if t.is_decimal(type_):
        return pa.decimal128(type_.precision, type_.scale) if type_.precision <= 38 else None
    kept = t.is_signed_integer(type_) or t.is_floating(type_) or t.is_boolean(type_)
    return type_ if kept else None
