"""What the built-in checks know of a table, from as few scans of all of its rows as they can do with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.gates.contract.builtin.table import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 100_000
"""Of a larger table the checks look at between this many rows and twice as many, chosen by hash."""
_AT_ONCE = 256  # columns of one query: with thousands DuckDB plans for longer than it counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """A column in a few numbers, of all rows: how many have a value, the least and the greatest of them.

    Times are in seconds; what is no number, time or text has no least and no greatest.
    """

    present: int
    low: Any
    high: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """The values of a column in the sampled rows.

    Attributes
    ----------
    numbers
        Of a column of numbers, or of times in seconds, with NaN for a missing one; else None.
    codes, texts
        Of a column of text: places in `texts` and -1 for a missing one; else None and nothing.
    """

    numbers: NDArray[np.float64] | None = None
    codes: NDArray[np.int64] | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a table.

    Attributes
    ----------
    rows
        How many there are.
    columns
        Their names, types and kinds, by name.
    profiles
        In a few numbers, by name, of all rows.
    sample
        The values of the sampled rows, by name; columns that are no numbers, times or text have none.
    sampled
        How many rows were sampled; all of them where they are few enough.
    """

    rows: int
    columns: Mapping[str, Column]
    profiles: Mapping[str, Profile]
    sample: Mapping[str, Values] = field(default_factory=dict)
    sampled: int = 0

    @property
    def census(self) -> bool:
        """Whether the sample is all there is, so that a share in it is no estimate."""
        return self.sampled == self.rows


def look_at(table: Table, *, profiled: bool = True) -> Facts:
    """Scan a table: once for its profile, unless nobody wants to know it, and once for a sample."""
    sample = _sample(table)
    return Facts(
        rows=table.rows,
        columns={column.name: column for column in table.columns},
        profiles=_profiles(table) if profiled else {},
        sample={
            column.name: _values(column, sample.column(column.place))
            for column in table.columns
            if column.kind != "other"
        },
        sampled=sample.num_rows,
    )


def sampling(rows: int, most: int = SAMPLE) -> int:
    """A power of 2 less 1: rows whose hash has none of its bits are between `most` and twice as many.

    Examples
    --------
    >>> sampling(100_000), sampling(5_000_000)
    (0, 31)
    """
    return int(2 ** max(0, (rows // most).bit_length() - 1) - 1)


def _profiles(table: Table) -> dict[str, Profile]:
    found = {}
    for start in range(0, len(table.columns), _AT_ONCE):
        part = table.columns[start : start + _AT_ONCE]
        asked = ", ".join(f"count({each.value}), {each.ends}" for each in part)
        (answer,) = table.ask(f"SELECT {asked} FROM {{rows}}")
        for at, column in enumerate(part):
            present, low, high = answer[3 * at : 3 * at + 3]
            found[column.name] = Profile(present=int(present), low=low, high=high)
    return found


def _sample(table: Table) -> "pa.Table":
    mask = sampling(table.rows)
    chosen = f"WHERE hash(number) & {mask} = 0" if mask else ""
    asked = ", ".join(f"{column.plain} AS {column.place}" for column in table.columns)
    return table.arrow(f"SELECT {asked}, number FROM {{rows}} {chosen} ORDER BY number")


def _values(column: Column, found: "pa.ChunkedArray") -> Values:
    import pyarrow.compute as pc

    if column.kind != "text":
        return Values(numbers=pc.fill_null(found, np.nan).to_numpy().astype(np.float64))
    coded = found.combine_chunks().dictionary_encode()
    if coded.type.value_type != found.type:  # a column without any value
        return Values(codes=np.full(len(found), -1, dtype=np.int64))
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Values(codes=codes, texts=coded.dictionary.to_pylist())
