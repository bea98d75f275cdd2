"""Parquet and CSV files as a source: one, many, or a folder in partitions."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from assay.core import Problem, UserError, problem
from assay.data.content import schema_of, stored_schema
from assay.data.csv_text import common_type, infer_types, read_batches
from assay.data.origins.origin import Origin, batch_rows, readable
from assay.data.origins.places import Place, find_places, reached
from assay.data.progress import Progress, counting
from assay.policy import masked

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")
_WIDE, _BUFFER = 256, 1 << 14  # thousands of columns are read by pieces: each holds what it has read
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def open_files(source: str, base: Path, roots: Sequence[str], progress: Progress) -> Origin:
    """Find the files of a source, and see that they are one table.

    Folders named ``column=value`` between the source and a file add that column to its rows.

    Raises
    ------
    UserError
        When there are none, they cannot be read, or their columns differ: every difference at once.
    """
    shown = masked(source)
    places = find_places(source, base, roots)
    endings = {Path(place.path).suffix.lower() for place in places}
    if not endings <= {".csv", ".parquet"}:
        raise problem(shown, "is neither .csv nor .parquet", "convert the file or rename it")
    if len(endings) > 1:
        raise problem(shown, "mixes .csv and .parquet files", "name those of one kind")
    with reached(shown):
        empty = [place.name for place in places if place.stamp()[0] == 0]
    if empty:
        raise problem(shown if len(places) == 1 else f"{shown}: {empty[0]}", "is empty (0 bytes)")
    partitions = _partitions(places, shown)
    opened = _open_parquet if endings == {".parquet"} else _open_csv
    name = places[0].name if len(places) == 1 and "/" not in places[0].name else shown
    return opened(places, name, partitions, progress)


def _open_parquet(places: list[Place], name: str, partitions: "_Partitions", _: Progress) -> Origin:
    import pyarrow.parquet as pq

    stamps = [place.stamp() for place in places]
    schemas, rows = [], 0
    for place in places:
        with readable(_called(place, places, name), "Parquet"), place.seekable() as stream:
            file = pq.ParquetFile(stream, pre_buffer=False)
            schemas.append(file.schema_arrow)
            rows += file.metadata.num_rows
    names = schemas[0].names
    _same_columns(places, name, schemas)

    def batches() -> "Iterator[pa.RecordBatch]":
        for place, values in zip(places, partitions, strict=True):
            with readable(_called(place, places, name), "Parquet"), place.seekable() as stream:
                file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER if len(names) > _WIDE else 0)
                for batch in file.iter_batches(batch_size=batch_rows(len(names))):
                    yield _with(batch.select(names), values)

    def files() -> list[dict[str, Any]]:
        for place, stamp in zip(places, stamps, strict=True):
            if place.stamp() != stamp:
                raise _changed(_called(place, places, name))
        return [place.record() for place in places]

    return Origin(name=name, batches=batches, rows=rows, files=files)


def _open_csv(places: list[Place], name: str, partitions: "_Partitions", progress: Progress) -> Origin:
    import pyarrow as pa

    total = sum(place.stamp()[0] for place in places)
    found, digests, told = [], [], counting(progress, "finding the types of the columns", total)
    for place in places:
        with readable(_called(place, places, name), "CSV"):
            types, digest = infer_types(_called(place, places, name), place.open, told)
        found.append(types)
        digests.append(digest)
    shared = dict(found[0])
    _same_columns(places, name, [pa.schema(dict.fromkeys(types, pa.string())) for types in found])
    for types in found[1:]:
        shared = {column: common_type(shared[column], types[column]) or pa.string() for column in shared}

    def batches() -> "Iterator[pa.RecordBatch]":
        for place, digest, values in zip(places, digests, partitions, strict=True):
            called = _called(place, places, name)
            with readable(called, "CSV"):
                for batch in read_batches(called, place.open, shared, digest):
                    yield _with(batch.select(list(shared)), values)

    def files() -> list[dict[str, Any]]:
        return [
            {"path": place.name, "sha256": digest, "bytes": place.stamp()[0]}
            for place, digest in zip(places, digests, strict=True)
        ]

    return Origin(name=name, batches=batches, files=files)


def _called(place: Place, places: list[Place], name: str) -> str:
    return name if len(places) == 1 else f"{name}: {place.name}"


def _changed(name: str) -> UserError:
    return problem(name, "changed while it was read", "take the snapshot when nothing writes to it")


def _same_columns(places: list[Place], name: str, schemas: "list[pa.Schema]") -> None:
    """Every file must have the columns of the first, in the types that a snapshot keeps."""
    first = _kept_types(schemas[0])
    problems = []
    if repeated := sorted(column for column, times in Counter(schemas[0].names).items() if times > 1):
        raise problem(name, f"names columns twice: {', '.join(repeated)}")
    for place, schema in zip(places[1:], schemas[1:], strict=True):
        types = _kept_types(schema)
        for column in {**first, **types}:
            one, other = first.get(column), types.get(column)
            if one is None or other is None:
                where = places[0].name if other is None else place.name
                message = f"is in {where}, but not in {place.name if other is None else places[0].name}"
            elif one != other and "null" not in (one, other):
                message = f"has type {one} in {places[0].name}, but {other} in {place.name}"
            else:
                continue
            problems.append(Problem(path=column, message=message, mend="write all files with the same columns"))
    if problems:
        raise UserError(name, problems)


def _kept_types(schema: "pa.Schema") -> dict[str, str]:
    return {field["name"]: field["type"] for field in schema_of(stored_schema(schema))}


_Partitions = list[Mapping[str, Any]]


def _partitions(places: list[Place], name: str) -> _Partitions:
    """The columns that each file's folders add."""
    texts = [dict(step.split("=", 1) for step in place.name.split("/")[:-1] if "=" in step) for place in places]
    if any(set(each) != set(texts[0]) for each in texts):
        raise problem(name, "some files lie in folders column=value of other columns than the rest", "")
    values: _Partitions = [{} for _ in places]
    for column in texts[0]:
        cells = [None if each[column] == _NO_VALUE else unquote(each[column]) for each in texts]
        whole = all(cell is None or _WHOLE_NUMBER.fullmatch(cell) for cell in cells)
        for each, cell in zip(values, cells, strict=True):
            each[column] = int(cell) if whole and cell is not None else cell  # type: ignore[index]
    return values


def _with(batch: "pa.RecordBatch", values: Mapping[str, Any]) -> "pa.RecordBatch":
    import pyarrow as pa

    for column, value in values.items():
        if column in batch.schema.names:
            raise problem(column, "is a column of the files and of their folders", "rename one of them")
        batch = batch.append_column(column, pa.repeat(value, batch.num_rows))
    return batch
