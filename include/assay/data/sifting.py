"""Part rows into those that go on and those that are set aside, batch by batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core import problem
from assay.data.staging import Parts

if TYPE_CHECKING:
    import pyarrow as pa

REASONS, SNAPSHOT = "quarantine_reasons", "quarantine_snapshot"
"""Columns that a row has more when it is set aside: why, a JSON list; and the snapshot that it is not in."""


def part(staged: Sequence[Path], found: "pa.Table", place: Path, subject: str) -> tuple[list[Path], list[Path]]:
    """Write rows anew, those at the places that were found apart from the rest.

    Parameters
    ----------
    staged
        Parquet files with all rows.
    found
        ``row``, places among all rows in rising order from 0, and ``reasons``, a text for each.
    place
        The folder for the new files.
    subject
        What messages call the rows.

    Returns
    -------
    kept, aside : list of Path
        Parquet files with the rows in the order in which they were; those of `aside` with their reasons.

    Raises
    ------
    UserError
        When a column has the name of one that is added.
    OSError
        When rows are lost on the way, or cannot be written.
    """
    names = _names(staged)
    if taken := [name for name in (REASONS, SNAPSHOT) if name in names]:
        raise problem(subject, f"has a column {taken[0]}, which a row gets that is set aside", "rename it")
    kept, aside = (Parts(_folder(place, name), subject) for name in ("kept", "aside"))
    places, at = found.column("row").to_numpy(), 0
    for batch in batches(staged):
        low, high = np.searchsorted(places, [at, at + batch.num_rows])
        bad = np.zeros(batch.num_rows, dtype=bool)
        bad[places[low:high] - at] = True
        if not bad.all():
            kept.write(_chosen(batch, ~bad))
        if bad.any():
            aside.write(_with(_chosen(batch, bad), REASONS, found.column("reasons").slice(low, high - low)))
        at += batch.num_rows
    if kept.rows + aside.rows != at or aside.rows != found.num_rows:
        message = f"{at:,} rows were read, {kept.rows:,} kept and {aside.rows:,} of {found.num_rows:,} set aside"
        raise OSError(f"rows were lost: {message}")
    return kept.close(), aside.close()


def addressed(aside: Sequence[Path], snapshot_id: str, place: Path, subject: str) -> list[Path]:
    """Rows set aside, written anew with the snapshot that they are not in."""
    import pyarrow as pa

    parts = Parts(_folder(place, "addressed"), subject)
    for batch in batches(aside):
        parts.write(_with(batch, SNAPSHOT, pa.chunked_array([pa.array([snapshot_id] * batch.num_rows, pa.string())])))
    return parts.close()


def batches(files: Sequence[Path]) -> "Iterator[pa.RecordBatch]":
    """The rows of Parquet files, one after the other, never all in memory."""
    import pyarrow.parquet as pq

    for path in files:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group).to_batches()


def _names(files: Sequence[Path]) -> list[str]:
    import pyarrow.parquet as pq

    return list(pq.read_schema(files[0]).names)


def _folder(place: Path, name: str) -> Path:
    made = place / name
    made.mkdir()
    return made


def _chosen(batch: "pa.RecordBatch", which: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    return batch.filter(pa.array(which))


def _with(batch: "pa.RecordBatch", name: str, column: "pa.ChunkedArray") -> "pa.RecordBatch":
    import pyarrow as pa

    return batch.append_column(name, column.cast(pa.string()).combine_chunks())
