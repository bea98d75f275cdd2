"""What Great Expectations returned, as findings."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from assay.core import Limit, did_you_mean
from assay.gates.contract.adapter import Entry
from assay.gates.contract.evidence import Finding
from assay.gates.contract.fallback import columns_of
from assay.gates.contract.offending import SHOWN, shown

# These are about which columns there are, so a missing one is what they look for.
_ABOUT_COLUMNS = {
    "expect_column_to_exist",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
}


def absent(entry: Entry, columns: Sequence[str]) -> str:
    """Which of an expectation's columns the data do not have; empty when none."""
    if entry["type"] in _ABOUT_COLUMNS:
        return ""
    missing = [name for name in columns_of(entry["kwargs"]) if name not in columns]
    return "; ".join(f'no column "{name}" ({did_you_mean(name, columns)})' for name in missing)


def error_of(result: Mapping[str, Any]) -> str:
    """What an expectation raised; empty when nothing."""
    raised = result["exception_info"]
    each = [raised] if "raised_exception" in raised else list(raised.values())
    messages = [(str(info["exception_message"]).splitlines() or ["?"])[0] for info in each if info["raised_exception"]]
    return "; ".join(dict.fromkeys(messages))


def told_apart(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Number the second and later findings of one type on the same columns."""
    seen: Counter[tuple[str, str | None]] = Counter()
    for finding in findings:
        seen[finding.expectation, finding.attribute] += 1
        nth = seen[finding.expectation, finding.attribute]
        yield finding if nth == 1 else replace(finding, expectation=f"{finding.expectation}:{nth}")


def unevaluated(entry: Entry, error: str) -> Finding:
    """The finding of an expectation that could not be evaluated."""
    return replace(_blank(entry), error=error)


def finding_of(
    entry: Entry,
    rows: int,
    result: Mapping[str, Any],
    *,
    fallback: str | None,
    empty: bool,
) -> Finding:
    """The finding of an expectation that was evaluated on data of `rows` rows; `empty` when none has a value."""
    details = result["result"]
    found = replace(_blank(entry), met=bool(result["success"]), offending=_listed(details), fallback=fallback)
    if "element_count" in details:
        unexpected = int(details["unexpected_count"] or 0)
        support = int(details["element_count"]) - int(details.get("missing_count") or 0)
        return replace(
            found,
            estimate=unexpected / support if support else None,
            limit=Limit(max=round(1 - float(entry["kwargs"].get("mostly", 1)), 12)),
            unexpected=unexpected,
            support=support,
        )
    observed = details.get("observed_value")
    number = _number(observed)
    return replace(
        found,
        support=0 if empty else rows,
        estimate=number,
        observed=shown(observed) if number is None else None,
        limit=_limit(entry) if number is not None else None,
    )


def _blank(entry: Entry) -> Finding:
    kwargs = entry["kwargs"]
    return Finding(
        expectation=entry["type"],
        attribute=None if entry["type"].startswith("expect_table_") else "*".join(columns_of(kwargs)) or None,
        severity=entry["severity"],
        met=None,
        note=str(kwargs.get("description") or entry["meta"].get("notes") or ""),
    )


def _limit(entry: Entry) -> Limit | None:
    """What the observed number was held against, where that was a range, a value or a threshold."""
    kwargs = entry["kwargs"]
    if entry["type"] == "unexpected_rows_expectation":
        return Limit(max=0)
    if (most := _number(kwargs.get("threshold"))) is not None:
        return Limit(max=most)
    low, high = (_number(kwargs.get(key, kwargs.get("value"))) for key in ("min_value", "max_value"))
    return None if low is None and high is None else Limit(min=low, max=high)


def named(finding: Finding, entry: Entry, examples: Sequence[Mapping[str, str | None]], key: str | None) -> Finding:
    """The finding with its offending rows."""
    if not examples:
        return finding
    key = key if key in examples[0] else None
    about = columns_of(entry["kwargs"]) or [name for name in examples[0] if name != key] or list(examples[0])
    values = dict.fromkeys(_value([row[name] for name in about]) for row in examples)
    return replace(finding, offending=tuple(values), examples=tuple(examples), key=key)


def _listed(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Up to `SHOWN` distinct values, or columns, that are missing or not expected."""
    mismatched = (details.get("details") or {}).get("mismatched")
    if isinstance(mismatched, Mapping):
        found = [f"{how} {name}" for how, names in mismatched.items() for name in names]
    elif mismatched:
        found = [f"{each['Found']} where {each['Expected']} was expected" for each in mismatched]
    else:
        found = [shown(value) or "null" for value in details.get("partial_unexpected_list") or []]
        found += [f"missing {shown(value)}" for value in details.get("partial_missing_list") or []]
    return tuple(dict.fromkeys(found))[:SHOWN]


def _value(values: Sequence[str | None]) -> str:
    words = ["null" if value is None else value for value in values]
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not math.isfinite(value):
        return None
    return float(value)
