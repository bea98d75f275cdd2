"""How a cell becomes a model input. Training, gates and gateway all come through here."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, Problem, UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Kind = Literal["number", "text"]

_SHORT = Repr()
_SHORT.maxother = _SHORT.maxstring = _SHORT.maxlong = 80  # `shown` cuts what is longer
_LARGEST = float(np.finfo(np.float32).max)


def encode(values: Any, kind: Kind) -> NDArray[Any]:
    """Turn cells into a model input.

    Parameters
    ----------
    values
        A sequence, NumPy array or Arrow array of n cells. None and NaN mean missing.
    kind
        ``number``: integers, floats and decimals are accepted, rounded first to float64 and then
        to float32. ``text``: strings are kept as they are, booleans become ``true`` and ``false``,
        and numbers what `str` makes of them, so that a client who sends 3 means ``"3"``.

    Returns
    -------
    ndarray of shape (n, 1)
        float32 with NaN for missing numbers, or str objects with `MISSING` for missing text.

    Raises
    ------
    ValueError
        Naming the first row, counted from 0, that holds something else: a string, a boolean or an
        infinity among numbers, a list or a mapping anywhere.

    Examples
    --------
    >>> encode([1, None, 2.5], "number").tolist()
    [[1.0], [nan], [2.5]]
    >>> encode(["a", None, True, 3], "text").tolist()
    [['a'], ['(missing)'], ['true'], ['3']]
    >>> encode([1, "2"], "number")
    Traceback (most recent call last):
    ValueError: row 1: '2' is not a number
    """
    column = _numbers(values) if kind == "number" else _texts(values)
    return column.reshape(-1, 1)


def kinds(schema: "pa.Schema", features: Sequence[str]) -> dict[str, Kind]:
    """The kind of every feature, in the order of `features`.

    Integers, floats and decimals are numbers; strings, dictionaries of strings and booleans are text.

    Raises
    ------
    UserError
        Listing every feature that is not a column, or whose type is neither.
    """
    found: dict[str, Kind] = {}
    problems = []
    for name in features:
        if name not in schema.names:
            problems.append(Problem(path=name, message="no such column", mend=did_you_mean(name, schema.names)))
            continue
        kind = _kind(schema.field(name).type)
        if kind is None:
            message = f"has type {schema.field(name).type}, which is neither number nor text"
            problems.append(Problem(path=name, message=message, mend="derive a number or a text column from it"))
        else:
            found[name] = kind
    if problems:
        raise UserError("features", problems)
    return found


def model_inputs(table: "pa.Table", kinds: Mapping[str, Kind]) -> dict[str, NDArray[Any]]:
    """The columns of a table as model inputs, each of shape (n, 1); see `encode`.

    Raises
    ------
    UserError
        Listing every column that is missing or holds a cell of the wrong kind.
    """
    inputs, problems = {}, []
    for name, kind in kinds.items():
        if name not in table.column_names:
            problems.append(Problem(path=name, message="no such column", mend=did_you_mean(name, table.column_names)))
            continue
        try:
            inputs[name] = encode(table[name], kind)
        except ValueError as error:
            problems.append(Problem(path=name, message=str(error), mend=f"the model reads this column as {kind}"))
    if problems:
        raise UserError("features", problems)
    return inputs


def training_frame(table: "pa.Table", kinds: Mapping[str, Kind]) -> "pd.DataFrame":
    """The same values as `model_inputs`, as the DataFrame that a team's `train` gets."""
    import pandas as pd

    return pd.DataFrame({name: column[:, 0] for name, column in model_inputs(table, kinds).items()})


def positives(labels: Any, positive: str | int | bool) -> NDArray[np.bool_]:
    """True where a label is the positive class; of shape (n,).

    Both sides are compared as text, so that `1` in a policy means both 1 and ``"1"`` in a file.

    Examples
    --------
    >>> positives(["yes", "no"], "yes").tolist()
    [True, False]
    """
    return np.asarray(_texts(labels) == _text(positive), dtype=np.bool_)


def _kind(type_: "pa.DataType") -> Kind | None:
    import pyarrow.types as t

    if t.is_dictionary(type_):
        type_ = type_.value_type
        return "text" if t.is_string(type_) or t.is_large_string(type_) else None
    if t.is_integer(type_) or t.is_floating(type_) or t.is_decimal(type_):
        return "number"
    return "text" if _is_text(type_) or t.is_boolean(type_) else None


def _is_text(type_: "pa.DataType") -> bool:
    import pyarrow.types as t

    return bool(t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_))


def _numbers(values: Any) -> NDArray[np.float32]:
    cells = values
    if _is_arrow(values):
        kind = _kind(values.type)
        # pyarrow makes float64 with NaN out of integers with nulls; the rest goes cell by cell
        cells = (
            values.cast("float64", safe=False).to_numpy(zero_copy_only=False)
            if kind == "number"
            else values.to_pylist()
        )
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        wide = cells.astype(np.float64)
    else:
        wide = np.fromiter((_number(cell, row) for row, cell in enumerate(cells)), np.float64, count=len(cells))
    too_large = np.flatnonzero(np.abs(wide) > _LARGEST)  # false for NaN, which means missing
    if too_large.size:
        raise ValueError(f"row {too_large[0]}: {wide[too_large[0]]} does not fit a 32-bit float")
    return wide.astype(np.float32)


def _number(cell: Any, row: int) -> float:
    if cell is None:
        return np.nan
    if isinstance(cell, (bool, np.bool_)) or not isinstance(cell, (int, float, Decimal, np.integer, np.floating)):
        raise ValueError(f"row {row}: {shown(cell)} is not a number")
    try:
        return float(cell)
    except OverflowError:
        return np.inf


def _texts(values: Any) -> NDArray[Any]:
    if _is_arrow(values):
        if str(values.type).startswith("dictionary"):
            values = values.cast(values.type.value_type)
        if _is_text(values.type):
            column: NDArray[Any] = values.cast("string").fill_null(MISSING).to_numpy(zero_copy_only=False)
            return column
        values = values.to_pylist()
    texts = np.empty(len(values), dtype=object)
    for row, cell in enumerate(values):
        try:
            texts[row] = _text(cell)
        except TypeError:
            raise ValueError(f"row {row}: {shown(cell)} is neither text nor a number") from None
    return texts


def _text(cell: Any) -> str:
    match cell:
        case None:
            return MISSING
        case str():
            return str(cell)
        case bool() | np.bool_():
            return "true" if cell else "false"
        case int() | float() | Decimal() | np.integer() | np.floating():
            return MISSING if cell != cell else str(cell)
    raise TypeError


def _is_arrow(values: Any) -> bool:
    return hasattr(values, "to_pylist")


def shown(cell: object) -> str:
    """A cell for a message: what `repr` says in 40 characters, however deep or long it is.

    Examples
    --------
    >>> shown("a"), shown([["b"]]), shown({"c": 1})
    ("'a'", "[['b']]", "{'c': 1}")
    """
    text = _SHORT.repr(cell)
    return text if len(text) <= 40 else text[:37] + "..."
