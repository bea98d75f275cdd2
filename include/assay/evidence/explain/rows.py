"""Read the one row that is to be explained. What is wrong with it is said at once."""

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from assay.core import Problem, UserError, did_you_mean, problem
from assay.evidence.explain.shapley import Columns

if TYPE_CHECKING:
    from assay.training.onnx_model import Kind


def read_row(path: Path) -> dict[str, Any]:
    """Read a JSON file with one object, or a CSV file with a header and one row.

    In CSV an empty cell has no value, and what a number is, is for the model to say: cells stay text.

    Raises
    ------
    UserError
        When there is no such file, or it does not hold exactly one row.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise problem(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise problem(str(path), "is not UTF-8 text") from None
    match path.suffix.lower():
        case ".json":
            return _json(text, str(path))
        case ".csv":
            return _csv(text, str(path))
    raise problem(str(path), "is neither .json nor .csv", "name the file by what it holds")


def row_inputs(row: Mapping[str, Any], kinds: Mapping[str, "Kind"], *, known: Collection[str] = ()) -> Columns:
    """The row as model inputs, each of shape (1, 1).

    Parameters
    ----------
    row
        Feature to value; None has no value. A number may come as text, as CSV has it.
    kinds
        The model's features.
    known
        Columns that may stand in the row though the model does not read them: key, label, sensitive.

    Raises
    ------
    UserError
        Listing every feature that is missing, unknown, or of the wrong type.
    """
    from assay.data.features import encode

    problems = [
        Problem(path=name, message="is no feature of the model", mend=did_you_mean(name, kinds))
        for name in row
        if name not in kinds and name not in known
    ]
    inputs = {}
    for name, kind in kinds.items():
        if name not in row:
            problems.append(Problem(path=name, message="is missing", mend="null, or an empty cell, for no value"))
            continue
        try:
            inputs[name] = encode([_parsed(row[name]) if kind == "number" else row[name]], kind)
        except ValueError as error:
            message = str(error).removeprefix("row 0: ")
            problems.append(Problem(path=name, message=message, mend=f"the model reads this feature as {kind}"))
    if problems:
        raise UserError("row", problems)
    return inputs


def _parsed(value: Any) -> Any:
    if isinstance(value, _Cell):
        try:
            return float(value)
        except ValueError:
            return str(value)
    return value


class _Cell(str):
    """Text from a CSV file, which has no numbers of its own."""

    __slots__ = ()


def _json(text: str, name: str) -> dict[str, Any]:
    def constant(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON number")

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"names twice: {', '.join(twice)}")
        return dict(found)

    try:
        data = json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise problem(name, f"is not JSON of one row: {error}") from None
    if not isinstance(data, dict):
        raise problem(name, f"holds a {type(data).__name__}, not one row", 'write one object: {"feature": value, ...}')
    return data


def _csv(text: str, name: str) -> dict[str, Any]:
    try:
        lines = [line for line in csv.reader(text.splitlines(), strict=True) if line]
    except csv.Error as error:
        raise problem(name, f"is not CSV: {error}") from None
    if len(lines) != 2:
        raise problem(name, f"holds {max(0, len(lines) - 1)} rows below a header, not one")
    header, cells = lines
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise problem(name, f"names twice: {', '.join(twice)}")
    if len(header) != len(cells):
        raise problem(name, f"has {len(cells)} cells below {len(header)} names")
    return {column: _Cell(value) if value else None for column, value in zip(header, cells, strict=True)}
