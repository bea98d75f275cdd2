"""A table's content as one digest: the same rows in the same order, however they are stored."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core import Problem, UserError, canonical_json

if TYPE_CHECKING:
    import pyarrow as pa

_WINDOW = 1 << 16


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


def schema_of(table: "pa.Table") -> list[dict[str, str]]:
    """Names and types in order, as plain JSON."""
    return [{"name": field.name, "type": str(field.type)} for field in table.schema]


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
    digest = hashlib.sha256(canonical_json({"schema": schema_of(table), "rows": table.num_rows}))
    for start in range(0, table.num_rows, _WINDOW):
        for column in table.slice(start, _WINDOW).columns:
            _feed(digest, column.combine_chunks())
    return digest.hexdigest()


def _feed(digest: Any, column: Any) -> None:
    """Validity first, then values: lengths and bytes for text, little-endian bytes for the rest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    type_ = column.type
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        lengths = pc.binary_length(column).fill_null(0)
        digest.update(lengths.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
        digest.update(b"".join(column.drop_null().cast(pa.binary()).to_pylist()))
    elif pa.types.is_decimal(type_):
        _feed(digest, column.cast(pa.string()))
    elif pa.types.is_boolean(type_):
        digest.update(np.packbits(column.fill_null(False).to_numpy(zero_copy_only=False)).tobytes())
    else:
        whole = column.drop_null().to_numpy(zero_copy_only=False)
        digest.update(whole.astype(whole.dtype.newbyteorder("<"), copy=False).tobytes())


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
