"""Rows that are set aside so that the clean rest may go on: which, why, and what the suite finds in the rest."""

import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean, problem
from assay.gates.contract.adapter import Batch, Entry, open_batch, other_batch
from assay.gates.contract.evaluate import evaluate
from assay.gates.contract.evidence import ContractEvidence, Quarantine
from assay.gates.contract.fallback import identifier
from assay.gates.contract.mount import quoted
from assay.gates.contract.offending import Offending

if TYPE_CHECKING:
    import pyarrow as pa

_BAD, _CLEAN = "bad_rows", "clean"
_PLACE = "file_row_number"  # DuckDB's name for where a row is in its file
_AT_ONCE = 1 << 16
_BETWEEN = "\x1f"


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRows:
    """The rows that failed critical expectations object to.

    Attributes
    ----------
    read
        How many rows were looked at.
    rows
        How many of them are bad, each counted once.
    reasons
        How many rows each expectation objects to, by `Finding.reason`; a row may have several reasons.
    found
        ``row``, the place of a bad row among all that were read, in rising order from 0; and ``reasons``,
        a JSON list of those that it has, in the order of the suite. None where nothing may be set aside:
        no row is bad, more are than the largest share, or all of them.
    """

    read: int
    rows: int
    reasons: Mapping[str, int]
    found: "pa.Table | None" = None


def set_aside(
    batch: Batch, entries: Sequence[Entry], bad: Mapping[int, Offending], key: str, most: float
) -> Quarantine:
    """Find the rows to set aside, and evaluate the suite on the rest when they are at most the share `most` of all.

    A key that an offending row has takes every row of that key along.
    """
    counts = _collect(batch, bad, key)
    rows = _count(batch, _matching("EXISTS", batch, key))
    reasons = [counts.get(position, 0) for position in range(len(entries))]
    if _too_many(rows, batch.rows, most):
        return Quarantine(rows=rows, reasons=reasons)
    batch.connection.execute(f"CREATE VIEW {_CLEAN} AS SELECT * {_matching('NOT EXISTS', batch, key)}")
    findings, _ = evaluate(other_batch(batch, _CLEAN, batch.rows - rows), entries, key)
    return Quarantine(rows=rows, reasons=reasons, rest=findings)


def bad_rows(*, files: Sequence[Path], suite: Mapping[str, Any], key: str, most: float) -> BadRows:
    """Find the rows that `measure` would set aside.

    Parameters
    ----------
    files
        Parquet files that together hold the rows.
    suite
        As `load_suite` returns it.
    key
        Column that names a row.
    most
        The largest share of rows that may be set aside.

    Raises
    ------
    UserError
        When a file cannot be read, or its columns do not allow it.
    UnavailableError
        When there is no room for the scratch database.
    """
    entries = list(suite["expectations"])
    with open_batch(files) as batch:
        if key not in batch.columns:
            raise problem(key, "no such column to be the key", did_you_mean(key, batch.columns))
        if _PLACE in batch.columns:
            message = "is a name that setting rows aside has need of"
            raise UserError("data", [Problem(path=_PLACE, message=message, mend="rename the column in the source")])
        findings, bad = evaluate(batch, entries, key)
        counts = _collect(batch, bad, key)
        rows = _count(batch, _matching("EXISTS", batch, key))
        names = [finding.reason for finding in findings]
        with _named(batch, names):
            found = None if not rows or _too_many(rows, batch.rows, most) else _found(batch, files, key)
    return BadRows(
        read=batch.rows,
        rows=rows,
        reasons={names[position]: counts[position] for position in sorted(counts)},
        found=found,
    )


def as_taken(
    evidence: ContractEvidence, *, read: int, bad: int, reasons: Mapping[str, int], set_aside: bool
) -> ContractEvidence:
    """What a suite finds in a snapshot, with what was done to the rows when it was taken.

    Parameters
    ----------
    evidence
        Of `measure` on the snapshot, which sets nothing aside once more.
    read, bad, reasons
        As `bad_rows` counted them on all rows.
    set_aside
        Whether the bad rows are not in the snapshot; true when none was bad.
    """
    counts = [reasons.get(finding.reason, 0) for finding in evidence.findings]
    done = Quarantine(rows=bad, reasons=counts, rest=evidence.findings if set_aside else ())
    return replace(evidence, rows=read, quarantine=done)


def _too_many(rows: int, total: int, most: float) -> bool:
    return rows == total or rows / total > most


def _found(batch: Batch, files: Sequence[Path], key: str) -> "pa.Table":
    """Where the bad rows are, and why."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches: list[pa.RecordBatch] = []
    start = 0
    for file in files:
        query = _PLACES.format(key=identifier(key), start=start, file=quoted(glob.escape(str(file))))
        batches += map(_coded, batch.connection.execute(query).to_arrow_reader(_AT_ONCE))
        start += pq.read_metadata(file).num_rows
    return pa.Table.from_batches(batches)


_PLACES = f"""
SELECT CAST({{start}} + data.{_PLACE} AS BIGINT) AS row, found.reasons
FROM read_parquet({{file}}, {_PLACE}=true) AS data JOIN (
    SELECT bad.key, string_agg(names.name, chr({ord(_BETWEEN)}) ORDER BY names.position) AS reasons
    FROM (SELECT DISTINCT key, position FROM {_BAD}) AS bad JOIN names ON names.position = bad.position GROUP BY ALL
) AS found ON found.key IS NOT DISTINCT FROM data.{{key}}
ORDER BY row
"""


def _coded(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Each combination of reasons held once, as JSON."""
    import pyarrow as pa

    coded = batch.column("reasons").dictionary_encode()
    spelled = [json.dumps(text.split(_BETWEEN), ensure_ascii=False) for text in coded.dictionary.to_pylist()]
    reasons = pa.DictionaryArray.from_arrays(coded.indices, pa.array(spelled, pa.string()))
    return pa.RecordBatch.from_arrays([batch.column("row"), reasons], names=["row", "reasons"])


@contextmanager
def _named(batch: Batch, names: Sequence[str]) -> Iterator[None]:
    import pyarrow as pa

    table = pa.table({"position": pa.array(range(len(names)), pa.int64()), "name": pa.array(names, pa.string())})
    batch.connection.register("names", table)
    try:
        yield
    finally:
        batch.connection.unregister("names")


def _collect(batch: Batch, bad: Mapping[int, Offending], key: str) -> dict[int, int]:
    """Gather the keys of all offending rows in a scratch table; how many rows each position objects to."""
    import sqlalchemy as sa

    kind = f"(SELECT {identifier(key)} AS key FROM {batch.table} LIMIT 0)"
    batch.connection.execute(f"CREATE OR REPLACE TABLE {_BAD} AS SELECT key, 0::BIGINT AS position FROM {kind}")
    engine, target = batch.engine, sa.table(_BAD, sa.column("key"), sa.column("position"))
    for position, rows in bad.items():
        if key in rows.columns:
            found = sa.select(rows.query.c[key], sa.literal(position)).distinct()
            engine.execute_query(sa.insert(target).from_select(["key", "position"], found))
    objections = f"""
        SELECT bad.position, count(*) FROM {batch.table} AS data JOIN {_BAD} AS bad
        ON bad.key IS NOT DISTINCT FROM data.{identifier(key)} GROUP BY ALL
    """
    return {int(position): int(rows) for position, rows in batch.connection.execute(objections).fetchall()}


def _matching(how: str, batch: Batch, key: str) -> str:
    same = f"SELECT 1 FROM {_BAD} AS bad WHERE bad.key IS NOT DISTINCT FROM data.{identifier(key)}"
    return f"FROM {batch.table} AS data WHERE {how} ({same})"


def _count(batch: Batch, source: str) -> int:
    return int(batch.connection.execute(f"SELECT count(*) {source}").fetchall()[0][0])
