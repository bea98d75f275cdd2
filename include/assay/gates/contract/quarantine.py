"""Rows that are set aside so that the clean rest may go on: which, why, and what the suite finds in the rest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.gates.contract.adapter import Batch, Entry, open_batch, other_batch
from assay.gates.contract.evaluate import evaluate
from assay.gates.contract.evidence import Quarantine
from assay.gates.contract.fallback import identifier
from assay.gates.contract.offending import Offending

if TYPE_CHECKING:
    import pyarrow as pa

_BAD, _CLEAN = "bad_rows", "clean"
REASONS = "quarantine_reasons"
"""Column of a quarantined row that lists the expectations that it does not meet."""


def set_aside(batch: Batch, entries: Sequence[Entry], bad: Mapping[int, Offending], key: str, most: int) -> Quarantine:
    """Find the rows to set aside, and evaluate the suite on the rest when there are at most `most` of them.

    A key that an offending row has takes every row of that key along.
    """
    counts = _collect(batch, bad, key)
    rows = _count(batch, _matching("EXISTS", batch, key))
    reasons = [counts.get(position, 0) for position in range(len(entries))]
    if rows > most or rows == batch.rows:
        return Quarantine(rows=rows, reasons=reasons)
    batch.connection.execute(f"CREATE VIEW {_CLEAN} AS SELECT * {_matching('NOT EXISTS', batch, key)}")
    findings, _ = evaluate(other_batch(batch, _CLEAN, batch.rows - rows), entries, key)
    return Quarantine(rows=rows, reasons=reasons, rest=findings)


def offending_rows(*, files: Sequence[Path], suite: Mapping[str, Any], key: str) -> "pa.Table":
    """Every row that a failed critical expectation objects to, once, with the reasons.

    Whoever makes a clean snapshot writes these rows to the quarantine table and keeps all others; the
    verdict of `measure` has counted the same rows.

    Parameters
    ----------
    files, suite
        As for `measure`.
    key
        Column that names a row.

    Returns
    -------
    pyarrow.Table
        The data's columns, and `quarantine_reasons`, a list of texts such as
        ``expect_column_values_to_be_between age``, in order of the suite.

    Raises
    ------
    UserError
        When a file cannot be read.
    """
    entries = list(suite["expectations"])
    with open_batch(files) as batch:
        findings, bad = evaluate(batch, entries, key)
        _collect(batch, bad, key)
        names = [" ".join(filter(None, [found.expectation, found.attribute])) for found in findings]
        with _named(batch, names):
            return batch.connection.execute(
                _WITH_REASONS.format(key=identifier(key), data=batch.table)
            ).to_arrow_table()


_WITH_REASONS = """
SELECT data.*, found.reasons AS quarantine_reasons
FROM {data} AS data JOIN (
    SELECT bad.key, list(names.name ORDER BY names.position) AS reasons
    FROM (SELECT DISTINCT key, position FROM bad_rows) AS bad JOIN names ON names.position = bad.position GROUP BY ALL
) AS found ON found.key IS NOT DISTINCT FROM data.{key}
ORDER BY data.{key}
"""


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
