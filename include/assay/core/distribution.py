"""How a column's values are spread, in few enough numbers to stand in a verdict, and too few to tell of a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.core.limit import Limit

Kind = Literal["number", "whole", "time", "category", "withheld"]

LEAST = 10
"""Rows that a cell must hold to be told of: of one to nine it is said that they are fewer."""


def coarse(rows: int) -> int | None:
    """A number of rows as a picture tells it, in tens; None for one to nine.

    What is rounded cannot be found by taking all other cells from the total.

    Examples
    --------
    >>> coarse(0), coarse(3), coarse(48_842)
    (0, None, 48840)
    """
    return None if 0 < rows < LEAST else (rows + LEAST // 2) // LEAST * LEAST


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """All rows of a table, and those without a value in the column; both exact."""

    rows: int
    missing: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """Rows with one value, or with values that lie together.

    Attributes
    ----------
    name
        The value; None for a range of numbers or times, and for all values that are not named.
    low, high
        From which number on, and below which, the values lie, a limit that is allowed itself belonging to what is
        allowed; a side that is open is None.
    data, reference
        How many rows, as `coarse` tells it; the reference's also None where there is no reference.
    outside
        Whether the contract does not allow these values.
    """

    name: str | None = None
    low: float | None = None
    high: float | None = None
    data: int | None = 0
    reference: int | None = None
    outside: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """A column's values in the data, and in what they are compared with.

    Attributes
    ----------
    column
        Its name.
    kind
        Of which kind its values are: `whole` for whole numbers; times are in seconds since 1970 in UTC;
        `withheld` where no value is told.
    data, reference
        The tables' rows; None where there is no reference, or its column is of another kind.
    cells
        Ranges in rising order, or values, the most frequent first, and all others at their end.
    limit
        What the contract allows its values to be, where that is a range.
    filled
        Whether the contract wants a value in every row.
    step
        Width of the ranges that are neither open nor cut by a limit; None for values by their names.
    note
        Why nothing is told, or why nothing stands beside it; may be empty.
    """

    column: str
    kind: Kind
    data: Rows
    reference: Rows | None = None
    cells: Sequence[Cell] = ()
    limit: Limit | None = None
    filled: bool = False
    step: float | None = None
    note: str = ""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Distribution":
        """Read back a distribution from plain JSON values."""
        return cls(
            **{
                **raw,
                "data": Rows(**raw["data"]),
                "reference": None if raw["reference"] is None else Rows(**raw["reference"]),
                "cells": tuple(Cell(**each) for each in raw["cells"]),
                "limit": None if raw["limit"] is None else Limit(**raw["limit"]),
            }
        )
