"""Expectations of a single column's type, gaps and repeats, each with what in the data led to it."""

from collections.abc import Iterator
from typing import Any

from assay.data.draft.room import Room, floored
from assay.data.draft.seen import Seen

Expectation = dict[str, Any]

# Great Expectations' names, of families of types. A column of whole numbers may come to have fractions.
_TYPES: dict[str, list[str]] = {
    "integer": ["Integer", "Numeric"],
    "number": ["Integer", "Numeric"],
    "text": ["String"],
    "boolean": ["BOOLEAN"],
    "date": ["DATE", "TIMESTAMP"],
    "time": ["DATE", "TIMESTAMP", "TimestampNs"],
}
_WORDS = {
    "integer": "whole numbers",
    "number": "numbers",
    "text": "text",
    "boolean": "true and false",
    "date": "dates",
    "time": "times",
}


def expect(kind: str, notes: str, severity: str = "critical", **kwargs: Any) -> Expectation:
    """An expectation as a suite holds it; a `mostly` of None is left out."""
    given = {name: value for name, value in kwargs.items() if value is not None}
    return {"type": kind, "kwargs": given, "severity": severity, "meta": {"notes": notes}}


def of_type(seen: Seen) -> Expectation:
    """The kind of type that a column has."""
    return expect(
        "expect_column_values_to_be_in_type_list",
        f"The column holds {_WORDS[seen.family]}; another type would make it another kind of input.",
        column=seen.name,
        type_list=_TYPES[seen.family],
    )


def not_null(seen: Seen, room: Room) -> Iterator[Expectation]:
    """No more nulls than there are, and than chance adds; nothing where most values of a batch may be null."""
    kind, share = "expect_column_values_to_not_be_null", seen.nulls / seen.rows
    if not share:
        yield expect(kind, f"None of the {seen.rows:,} rows is without a value.", column=seen.name)
    elif (mostly := floored(1 - room.most(seen.nulls, seen.rows))) > 0:
        yield expect(
            kind, f"{share:.2%} of the rows are without a value; in {room.told} chance makes it no more than "
            f"{1 - mostly:.1%}.", column=seen.name, mostly=mostly,
        )  # fmt: skip


def unique(seen: Seen, *, key: bool) -> Expectation:
    """That no value occurs twice."""
    notes = "A key names one row." if key else f"No value occurs twice in {seen.rows:,} rows."
    severity = "critical" if key else "warning"
    return expect("expect_column_values_to_be_unique", notes, severity, column=seen.name)
