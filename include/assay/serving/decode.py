"""Scoring requests in MLflow's protocol, decoded and checked."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from assay.core import Problem, did_you_mean
from assay.serving.refusal import RefusalError, bad_request
from assay.serving.split import entity_key

MAX_ROWS = 10_000
MAX_CELLS = 2**21
"""Rows times columns: more than a body of 8 MB can fill, so only records that share no columns have more."""
_SHOWN = 10
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # not where the backslash itself is written by two


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None


class _Params(msgspec.Struct, forbid_unknown_fields=True):
    request_id: str | None = None
    entities: list[Any] | None = None


class _Invocation(msgspec.Struct, forbid_unknown_fields=True):
    dataframe_split: _Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    params: _Params | None = None


_DECODER = msgspec.json.Decoder(_Invocation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The rows of a scoring request.

    Attributes
    ----------
    columns
        Column name to its n cells.
    gaps
        Columns that some records lack, to the first row that does.
    request_id
        The client's own name for the request; None when it gave none.
    entities
        One per row, where the client gave them beside the rows.
    """

    rows: int
    columns: Mapping[str, Sequence[Any]]
    gaps: Mapping[str, int]
    request_id: str | None
    entities: Sequence[Any] | None


def decode_json(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a request's body.

    Raises
    ------
    RefusalError
        400, in one line, when it is not JSON or not of the decoder's form, or holds what no database keeps.
    """
    if b"\\u0000" in body and _NUL.search(body):
        raise RefusalError(400, "the request is not understood: a text or a name in it holds the character U+0000")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RefusalError(400, f"the request is not understood: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusalError(400, f"the request is not JSON: {error}") from None
    except RecursionError:
        raise RefusalError(400, "the request is not understood: it is nested too deeply") from None


def decode_frame(body: bytes) -> Frame:
    """Decode a scoring request.

    Raises
    ------
    RefusalError
        400 saying what is wrong with it.
    """
    request: _Invocation = decode_json(body, _DECODER)
    if (request.dataframe_split is None) == (request.dataframe_records is None):
        raise RefusalError(400, "give either dataframe_split or dataframe_records")
    gaps: dict[str, int] = {}
    if request.dataframe_split is not None:
        rows, columns = len(request.dataframe_split.data), _from_split(request.dataframe_split)
    else:
        records = request.dataframe_records or []
        rows, columns = len(records), _from_records(records, gaps)
    if not 0 < rows <= MAX_ROWS:
        raise RefusalError(400, f"a request has between 1 and {MAX_ROWS} rows, this one has {rows}")
    params = request.params or _Params()
    _check_params(params, rows)
    return Frame(rows=rows, columns=columns, gaps=gaps, request_id=params.request_id, entities=params.entities)


def entities_of(frame: Frame, column: str) -> list[str]:
    """Whom each row is about: from the rows' own column, else from ``params.entities``.

    Raises
    ------
    RefusalError
        400 when a row does not say.
    """
    where = column if column in frame.columns else "params.entities"
    values = frame.columns.get(column, frame.entities)
    if values is None:
        message = f'the rows do not say whom they are about: send the column "{column}" or params.entities'
        known = [name for name in frame.columns if name.lower() == column.lower()]
        raise bad_request([Problem(path=column, message=message, mend=did_you_mean(column, known) if known else "")])
    keys = [entity_key(value) for value in values]
    problems = [
        Problem(path=f"{where}, row {row}", message="must be a number or a text of 1 to 512 characters")
        for row, key in enumerate(keys)
        if key is None
    ]
    if problems:
        raise bad_request(problems[:_SHOWN])
    return [key for key in keys if key is not None]


def _from_split(split: _Split) -> dict[str, Sequence[Any]]:
    width = len(split.columns)
    problems = [
        Problem(path=name, message="this column is given twice")
        for name, times in sorted(Counter(split.columns).items())
        if times > 1
    ]
    problems += [
        Problem(path=f"row {row}", message=f"has {len(cells)} cells for {width} columns")
        for row, cells in enumerate(split.data)
        if len(cells) != width
    ]
    if problems:
        raise bad_request(problems[:_SHOWN])
    return dict(zip(split.columns, zip(*split.data, strict=True), strict=True)) if split.data else {}


def _from_records(records: Sequence[Mapping[str, Any]], gaps: dict[str, int]) -> dict[str, Sequence[Any]]:
    names = dict.fromkeys(name for record in records for name in record)
    if len(names) * len(records) > MAX_CELLS:
        raise RefusalError(400, f"{len(records)} records with {len(names)} different columns are too many to lay out")
    for name in names:
        lacking = next((row for row, record in enumerate(records) if name not in record), None)
        if lacking is not None:
            gaps[name] = lacking
    return {name: [record.get(name) for record in records] for name in names}


def _check_params(params: _Params, rows: int) -> None:
    problems = []
    name = params.request_id
    if name is not None and not (0 < len(name) <= 128 and name.isprintable()):
        problems.append(Problem(path="params.request_id", message="must have 1 to 128 printable characters"))
    if params.entities is not None and len(params.entities) != rows:
        message = f"has {len(params.entities)} entries for {rows} rows"
        problems.append(Problem(path="params.entities", message=message, mend="one for each row"))
    if problems:
        raise bad_request(problems)
