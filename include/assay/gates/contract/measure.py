"""Run a suite over files."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from assay.core import Limit, did_you_mean
from assay.gates.contract.adapter import Batch, great_expectations, open_batch, silence
from assay.gates.contract.evidence import SHOWN, ContractEvidence, Finding

Entry = Mapping[str, Any]

# These are about which columns there are, so a missing one is what they look for.
_ABOUT_COLUMNS = {
    "expect_column_to_exist",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
}
_RESULT = {"result_format": "SUMMARY", "partial_unexpected_count": SHOWN}


def measure(*, files: Sequence[Path], suite: Mapping[str, Any]) -> ContractEvidence:
    """Evaluate every expectation of a suite.

    Parameters
    ----------
    files
        CSV or Parquet files that together hold the rows.
    suite
        As `load_suite` returns it.

    Returns
    -------
    ContractEvidence
        With one finding for each expectation, in the order of the suite.

    Raises
    ------
    UserError
        When a file cannot be read.
    UnavailableError
        When there is no room for the scratch database.
    """
    entries = list(suite["expectations"])
    with open_batch(files) as batch:
        rows = batch.rows
        absent = {position: _absent(entry, batch.columns) for position, entry in enumerate(entries)}
        present = [position for position in range(len(entries)) if not absent[position]]
        results = _validate(batch, entries, present)
        # one query evaluates many expectations, so one that cannot run takes others with it: ask again, singly
        for position in [each for each in present if _error(results[each])]:
            results |= _validate(batch, entries, [position])
    findings = [
        _finding(entry, rows, results.get(position), absent[position]) for position, entry in enumerate(entries)
    ]
    return ContractEvidence(rows=rows, findings=tuple(_told_apart(findings)))


def _validate(
    batch: Batch, entries: Sequence[Mapping[str, Any]], positions: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Results of some of the entries by their position; Great Expectations returns them in an order of its own."""
    if not positions:
        return {}
    gx = great_expectations()
    expectations = [
        {"type": entries[p]["type"], "kwargs": dict(entries[p]["kwargs"]), "meta": {"position": p}} for p in positions
    ]
    with silence():
        suite = gx.ExpectationSuite(name="contract", expectations=expectations)
        found = batch.gx_batch.validate(suite, result_format=_RESULT).results
    return {each.expectation_config.meta["position"]: each.to_json_dict() for each in found}


def _columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if kwargs.get(key) is not None]
    return [str(name) for name in [*single, *(kwargs.get("column_list") or [])]]


def _attribute(entry: Entry) -> str | None:
    if entry["type"].startswith("expect_table_"):
        return None
    return "*".join(_columns_of(entry["kwargs"])) or None


def _absent(entry: Entry, columns: Sequence[str]) -> str:
    """Which of an expectation's columns the data do not have; empty when none."""
    if entry["type"] in _ABOUT_COLUMNS:
        return ""
    missing = [name for name in _columns_of(entry["kwargs"]) if name not in columns]
    return "; ".join(f'no column "{name}" ({did_you_mean(name, columns)})' for name in missing)


def _error(result: Mapping[str, Any]) -> str:
    """What an expectation raised; empty when nothing."""
    raised = result["exception_info"]
    each = [raised] if "raised_exception" in raised else list(raised.values())
    messages = [(str(info["exception_message"]).splitlines() or ["?"])[0] for info in each if info["raised_exception"]]
    return "; ".join(dict.fromkeys(messages))


def _told_apart(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Number the second and later findings of one type on the same columns."""
    seen: Counter[tuple[str, str | None]] = Counter()
    for finding in findings:
        seen[finding.expectation, finding.attribute] += 1
        nth = seen[finding.expectation, finding.attribute]
        yield finding if nth == 1 else replace(finding, expectation=f"{finding.expectation}:{nth}")


def _finding(entry: Entry, rows: int, result: Mapping[str, Any] | None, absent: str) -> Finding:
    kwargs = entry["kwargs"]
    blank = Finding(
        expectation=entry["type"],
        attribute=_attribute(entry),
        severity=entry["severity"],
        met=None,
        note=str(kwargs.get("description") or entry["meta"].get("notes") or ""),
    )
    error = absent or ("no result came back" if result is None else _error(result))
    if result is None or error:
        return replace(blank, error=error)
    details = result["result"]
    met, offending = bool(result["success"]), _offending(details)
    if "element_count" in details:
        unexpected = int(details["unexpected_count"] or 0)
        support = int(details["element_count"]) - int(details.get("missing_count") or 0)
        return replace(
            blank,
            met=met,
            estimate=unexpected / support if support else None,
            limit=Limit(max=round(1 - float(kwargs.get("mostly", 1)), 12)),
            unexpected=unexpected,
            support=support,
            offending=offending,
        )
    observed = details.get("observed_value")
    number = _number(observed)
    shown = None if number is not None else _shown(observed)
    limit = None if number is None else _limit(entry["type"], kwargs)
    return replace(blank, met=met, estimate=number, limit=limit, support=rows, observed=shown, offending=offending)


def _limit(kind: str, kwargs: Mapping[str, Any]) -> Limit | None:
    """What the observed number was held against, where that was a range or a value."""
    if kind == "unexpected_rows_expectation":
        return Limit(max=0)
    low, high = (_number(kwargs.get(key, kwargs.get("value"))) for key in ("min_value", "max_value"))
    return None if low is None and high is None else Limit(min=low, max=high)


def _offending(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Up to `SHOWN` distinct offending values, or the columns that are missing or not expected."""
    mismatched = (details.get("details") or {}).get("mismatched")
    if isinstance(mismatched, Mapping):
        found = [f"{how} {name}" for how, names in mismatched.items() for name in names]
    elif mismatched:
        found = [f"{each['Found']} where {each['Expected']} was expected" for each in mismatched]
    else:
        found = [_shown(value) or "null" for value in details.get("partial_unexpected_list") or []]
        found += [f"missing {_shown(value)}" for value in details.get("partial_missing_list") or []]
    return tuple(dict.fromkeys(found))[:SHOWN]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not math.isfinite(value):
        return None
    return float(value)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "..."
