"""What every expectation of a suite finds in a batch: in DuckDB, and what cannot run there in pandas."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.gates.contract import fallback
from assay.gates.contract.adapter import Batch, Entry, validate
from assay.gates.contract.evidence import Finding
from assay.gates.contract.findings import absent, error_of, finding_of, named, told_apart, unevaluated
from assay.gates.contract.offending import SHOWN, Offending, offending
from assay.gates.contract.queries import no_question

# Only counts: with a limit of 0 DuckDB does not look for the values, which would be one more scan for each expectation.
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0}
_VALUES = {"result_format": "SUMMARY", "partial_unexpected_count": SHOWN}


def evaluate(
    batch: Batch, entries: Sequence[Entry], key: str | None
) -> tuple[tuple[Finding, ...], dict[int, Offending]]:
    """What every expectation finds, and the offending rows of the failed critical ones by position."""
    refused = {
        position: absent(entry, batch.columns) or no_question(entry["kwargs"]) for position, entry in enumerate(entries)
    }
    present = {position: entry for position, entry in enumerate(entries) if not refused[position]}
    results = _validated(batch, present)
    # one query evaluates many expectations, so one that cannot run takes others with it: ask again, singly
    for position in [each for each in present if each not in results or error_of(results[each])]:
        results |= _validated(batch, {position: entries[position]})
    findings, bad = [], {}
    for position, entry in enumerate(entries):
        if position in present:
            finding, rows = _evaluated(batch, position, entry, results.get(position), key)
        else:
            finding, rows = unevaluated(entry, refused[position]), None
        findings.append(finding)
        if rows is not None and finding.met is False and finding.severity == "critical":
            bad[position] = rows
    return tuple(told_apart(findings)), bad


def _validated(batch: Batch, entries: Mapping[int, Entry]) -> dict[int, dict[str, Any]]:
    try:
        return validate(batch.gx_batch, entries, _COUNTS)
    except Exception as error:  # most of what goes wrong it returns; a parameter that is not given, say, it raises
        raised = {"raised_exception": True, "exception_message": str(error)}
        return {position: {"exception_info": raised} for position in entries}


def _rows(batch: Batch, entry: Entry, key: str | None) -> Offending | None:
    try:
        return offending(batch, entry, key)
    except Exception:  # that rows do not meet it is known: not being able to say which must not keep it from being said
        return None


def _evaluated(
    batch: Batch, position: int, entry: Entry, result: dict[str, Any] | None, key: str | None
) -> tuple[Finding, Offending | None]:
    error = "no result came back" if result is None else error_of(result)
    rows, refused = None, None
    if result is None or error:
        try:
            result, rows = fallback.evaluate(batch, position, entry, key)
        except Exception as other:  # as above
            return unevaluated(entry, f"{error}; nor in pandas: {other}"), None
        if error_of(result):  # what SQL had to say is nearer to the data
            return unevaluated(entry, _of_texts(batch, entry, error) or error), None
        refused = error
    empty = _empty(batch, entry, result)
    if result["success"] or empty:
        return finding_of(entry, batch.rows, result, fallback=refused, empty=empty), None
    if refused is None:
        rows = _rows(batch, entry, key)
        if rows is None:
            result = validate(batch.gx_batch, {position: entry}, _VALUES)[position]
    examples = () if rows is None else rows.examples(batch, key)
    finding = finding_of(entry, batch.rows, result, fallback=refused, empty=empty)
    return named(finding, entry, examples, key), rows


def _of_texts(batch: Batch, entry: Entry, error: str) -> str:
    """In plain words, that an expectation of numbers or times met texts: few of them make a column one of texts."""
    if "cannot be computed on column of type VARCHAR" not in error:
        return ""
    name = entry["kwargs"]["column"]
    query = "SELECT count({0}), count({0}) - count(TRY_CAST({0} AS DOUBLE)) FROM {1}"
    values, texts = batch.connection.execute(query.format(fallback.identifier(name), batch.table)).fetchall()[0]
    return f'"{name}" is a column of texts, which have no order to hold to this: {texts:,} of {values:,} are no numbers'


def _empty(batch: Batch, entry: Entry, result: Mapping[str, Any]) -> bool:
    """Whether what was observed is of a column without a single value; counts of rows tell that by themselves."""
    found, column = result["result"], entry["kwargs"].get("column")
    if column is None or "observed_value" not in found or found["observed_value"] is not None:
        return False
    query = f"SELECT 1 FROM {batch.table} WHERE {fallback.identifier(column)} IS NOT NULL LIMIT 1"
    return not batch.connection.execute(query).fetchall()
