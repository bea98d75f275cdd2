"""Run a suite over files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.core import did_you_mean, problem
from assay.gates.contract import fallback
from assay.gates.contract.adapter import Batch, Entry, open_batch, validate
from assay.gates.contract.evidence import ContractEvidence, Finding
from assay.gates.contract.findings import absent, error_of, finding_of, told_apart, unevaluated
from assay.gates.contract.offending import SHOWN, Offending, offending
from assay.gates.contract.progress import Report, watched
from assay.gates.contract.quarantine import set_aside
from assay.policy.contract import Contract

_BLOCK = Contract()
# Only counts: with a limit of 0 DuckDB does not look for the values, which would be one more scan for each expectation.
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}
_VALUES = {"result_format": "SUMMARY", "partial_unexpected_count": SHOWN}


def measure(
    *,
    files: Sequence[Path],
    suite: Mapping[str, Any],
    policy: Contract = _BLOCK,
    key: str | None = None,
    report: Report | None = None,
) -> ContractEvidence:
    """Evaluate every expectation of a suite.

    Parameters
    ----------
    files
        CSV or Parquet files that together hold the rows.
    suite
        As `load_suite` returns it.
    policy
        What is done with bad rows. With `quarantine` the suite is evaluated a second time, on the
        rows that no critical expectation objects to, as long as few enough are set aside.
    key
        Column that names a row, for the examples; quarantine needs it.
    report
        Is told from time to time, by another thread, how far the work has come.

    Returns
    -------
    ContractEvidence
        With one finding for each expectation, in the order of the suite.

    Raises
    ------
    UserError
        When a file cannot be read, or the key is not known.
    UnavailableError
        When there is no room for the scratch database.
    """
    entries = list(suite["expectations"])
    with open_batch(files) as batch:
        _check_key(batch, policy, key)
        with watched(batch, report, f"{len(entries)} expectations on {batch.rows:,} rows"):
            findings, bad = evaluate(batch, entries, key)
        quarantine = None
        if policy.max_quarantined is not None and key is not None and bad:
            most = int(policy.max_quarantined * batch.rows)
            with watched(batch, report, "the rest, without the rows set aside"):
                quarantine = set_aside(batch, entries, bad, key, most)
    return ContractEvidence(rows=batch.rows, findings=findings, quarantine=quarantine)


def evaluate(
    batch: Batch, entries: Sequence[Entry], key: str | None
) -> tuple[tuple[Finding, ...], dict[int, Offending]]:
    """What every expectation finds, and the offending rows of the failed critical ones by position."""
    missing = {position: absent(entry, batch.columns) for position, entry in enumerate(entries)}
    present = {position: entry for position, entry in enumerate(entries) if not missing[position]}
    results = validate(batch.gx_batch, present, _COUNTS)
    # one query evaluates many expectations, so one that cannot run takes others with it: ask again, singly
    for position in [each for each in present if each not in results or error_of(results[each])]:
        results |= validate(batch.gx_batch, {position: entries[position]}, _COUNTS)
    findings, bad = [], {}
    for position, entry in enumerate(entries):
        if position in present:
            finding, rows = _evaluated(batch, position, entry, results.get(position), key)
        else:
            finding, rows = unevaluated(entry, missing[position]), None
        findings.append(finding)
        if rows is not None and finding.met is False and finding.severity == "critical":
            bad[position] = rows
    return tuple(told_apart(findings)), bad


def _evaluated(
    batch: Batch, position: int, entry: Entry, result: dict[str, Any] | None, key: str | None
) -> tuple[Finding, Offending | None]:
    error = "no result came back" if result is None else error_of(result)
    rows, refused = None, None
    if result is None or error:
        result, rows = fallback.evaluate(batch, position, entry, key)
        if error_of(result):  # what SQL had to say is nearer to the data
            return unevaluated(entry, error), None
        refused = error
    empty = _empty(batch, entry, result)
    if result["success"] or empty:
        return finding_of(entry, batch.rows, result, (), refused, empty), None
    if refused is None:
        rows = offending(batch, entry, key)
        if rows is None:
            result = validate(batch.gx_batch, {position: entry}, _VALUES)[position]
    examples = () if rows is None else rows.examples(batch, key)
    return finding_of(entry, batch.rows, result, examples, refused, empty), rows


def _empty(batch: Batch, entry: Entry, result: Mapping[str, Any]) -> bool:
    """Whether what was observed is of a column without a single value; counts of rows tell that by themselves."""
    found, column = result["result"], entry["kwargs"].get("column")
    if column is None or "observed_value" not in found or found["observed_value"] is not None:
        return False
    query = f"SELECT 1 FROM {batch.table} WHERE {fallback.identifier(column)} IS NOT NULL LIMIT 1"
    return not batch.connection.execute(query).fetchall()


def _check_key(batch: Batch, policy: Contract, key: str | None) -> None:
    if key is not None and key not in batch.columns:
        raise problem(key, "no such column to be the key", did_you_mean(key, batch.columns))
    if key is None and policy.on_bad_rows == "quarantine":
        raise problem("--key", "on_bad_rows: quarantine needs a key that names the rows", "name the key column")
