"""Expectations that a single column's values suggest, each with what in the data led to it."""

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data.draft.seen import Seen

if TYPE_CHECKING:
    from assay.data.engine import Rows

Expectation = dict[str, Any]

_INTEGERS = ["TinyInteger", "SMALLINT", "INTEGER", "BIGINT", "UTinyInteger", "USmallInteger", "UInteger", "UBigInteger"]
# How Great Expectations names DuckDB's types. A column of whole numbers may come to have fractions.
_TYPES: dict[str, list[str]] = {
    "integer": [*_INTEGERS, "REAL", "DOUBLE", "Numeric"],
    "number": [*_INTEGERS, "REAL", "DOUBLE", "Numeric"],
    "text": ["String"],
    "boolean": ["BOOLEAN"],
    "date": ["DATE", "TIMESTAMP"],
    "time": ["DATE", "TIMESTAMP", "TimestampNs"],
}
_FEW = 10
"""Whole numbers with at most this many values are codes rather than amounts."""
_MOSTLY_ONE = 0.6
"""A value that this share of rows has is the rule, and others the exception."""


def expect(kind: str, notes: str, severity: str = "critical", **kwargs: Any) -> Expectation:
    """An expectation as a suite holds it; a `mostly` of None is left out."""
    given = {name: value for name, value in kwargs.items() if value is not None}
    return {"type": kind, "kwargs": given, "severity": severity, "meta": {"notes": notes}}


def of_column(rows: "Rows", seen: Seen) -> Iterator[Expectation]:
    """What a column's type, gaps, categories and range suggest."""
    column = seen.name
    yield expect(
        "expect_column_values_to_be_in_type_list",
        f"The column holds {_WORDS[seen.family]}; another type would make it another kind of input.",
        column=column,
        type_list=_TYPES[seen.family],
    )
    yield from not_null(seen)
    yield from categories(seen)
    if seen.quantiles:
        yield from _times(seen) if seen.family in ("date", "time") else _numbers(rows, seen)


_WORDS = {
    "integer": "whole numbers",
    "number": "numbers",
    "text": "text",
    "boolean": "true and false",
    "date": "dates",
    "time": "times",
}


def not_null(seen: Seen) -> Iterator[Expectation]:
    """At most twice the nulls of now; nothing where half of the values are null already."""
    kind, share = "expect_column_values_to_not_be_null", seen.nulls / seen.rows
    if not share:
        yield expect(kind, f"None of the {seen.rows:,} rows is without a value.", column=seen.name)
    elif (mostly := floored(1 - 2 * share)) > 0:
        yield expect(
            kind, f"{share:.2%} of the rows are without a value; twice that is a broken feed.",
            column=seen.name, mostly=mostly,
        )  # fmt: skip


def categories(seen: Seen) -> Iterator[Expectation]:
    """The values that there are, where they are few and repeat.

    How likely the next value is a new one is told by how many occurred just once (Good and Turing).
    """
    if not seen.categories or seen.family == "boolean" or 2 * len(seen.categories) > seen.present:
        return
    once = sum(times == 1 for _, times in seen.categories)
    if seen.family == "integer" and (len(seen.categories) > _FEW or once):
        return
    mostly = floored(1 - 2 * once / seen.present) if once else None
    values = sorted((value for value, _ in seen.categories), key=lambda value: (str(type(value)), value))
    notes = f"All {seen.present:,} values are among these {len(values)}"
    notes += f"; {once} of them occur once, so a few new ones are to be expected." if once else "; each repeats."
    if mostly is None or mostly > 0:
        yield expect("expect_column_values_to_be_in_set", notes, column=seen.name, value_set=values, mostly=mostly)


def unique(seen: Seen, *, key: bool) -> Expectation:
    """That no value occurs twice."""
    notes = "A key names one row." if key else f"No value occurs twice in {seen.rows:,} rows."
    severity = "critical" if key else "warning"
    return expect("expect_column_values_to_be_unique", notes, severity, column=seen.name)


def _numbers(rows: "Rows", seen: Seen) -> Iterator[Expectation]:
    """A range from quantiles, which a few wild values do not move, and one for the middle value."""
    first, quarter, middle, three_quarters, last = (float(each) for each in seen.quantiles)
    if not all(map(math.isfinite, (first, last, float(seen.low), float(seen.high)))):
        return
    slack = (last - first) / 2
    low = 0.0 if seen.low >= 0 else float(math.floor(first - slack))
    high = float(math.ceil(last + slack)) if slack else float(seen.high)
    below, _, above = rows.histograms({seen.name: [np.nextafter(low, -math.inf), high]})[seen.name].tolist()
    outside = (below + above) / seen.present
    mostly = floored(1 - 2 * outside) if outside else None
    notes = f"Half as wide again as the middle 98 % of the values, which lie from {first:g} to {last:g}"
    notes += f"; {outside:.2%} lie outside it." if outside else "; none lies outside it."
    notes += " None is negative." if seen.low >= 0 else ""
    if mostly is None or mostly > 0:
        yield expect(
            "expect_column_values_to_be_between", notes, column=seen.name, min_value=low, max_value=high, mostly=mostly
        )
    if quarter < three_quarters:
        yield expect(
            "expect_column_median_to_be_between",
            f"Half of the values lie in this range, {middle:g} in the middle: a median outside it is another unit or "
            "another population.",
            column=seen.name, min_value=quarter, max_value=three_quarters,
        )  # fmt: skip
    else:
        yield from _most_common(rows, seen)


def _most_common(rows: "Rows", seen: Seen) -> Iterator[Expectation]:
    (value, times), *_ = rows.largest_categories(seen.name, 1)
    share = times / seen.present
    if share >= _MOSTLY_ONE and seen.distinct > 1:
        yield expect(
            "expect_column_most_common_value_to_be_in_set",
            f"{share:.1%} of the values are {float(value):g}: when another is more frequent, the column was shifted.",
            column=seen.name, value_set=[float(value)],
        )  # fmt: skip


def _times(seen: Seen) -> Iterator[Expectation]:
    """As far again to either side as half of the time that the data span."""
    low, high = _instant(seen.low), _instant(seen.high)
    slack = max((high - low) / 2, timedelta(days=1))
    try:
        bounds = [(low - slack).date().isoformat(), (high + slack).date().isoformat()]
    except OverflowError:  # the calendar ends in the year 9999
        return
    yield expect(
        "expect_column_values_to_be_between",
        f"The values span {low.date()} to {high.date()}; half of that span again to either side.",
        column=seen.name, min_value=bounds[0], max_value=bounds[1],
    )  # fmt: skip


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    assert isinstance(value, date)
    return datetime(value.year, value.month, value.day)


def floored(share: float) -> float:
    """Down to hundredths, so that rounding never makes a contract that its own data break."""
    return math.floor(share * 100) / 100
