"""Rows that are the same as another, found by hash in one scan.

A row is looked at when the hash of its content has certain bits unset: then all copies of it are looked at
together, and the share found among them is that of all rows, however few of them those are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.gates.contract.builtin.facts import SAMPLE, Facts, sampling
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.table import Column

_DISTINCT = 0.5
"""A column with a value of its own in more than this share of rows is what tells rows apart: never left out."""
_MOST = 64  # columns of a table in which one by one is left out; in a wider one near twins are not looked for


@dataclass(frozen=True, kw_only=True, slots=True)
class Hashed:
    """Content hashes of the rows looked at and their places in the table, each of shape (n,)."""

    hashes: NDArray[np.uint64]
    numbers: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Twins:
    """The hashes of whole rows without the key, and without one further column, by its name.

    `census` says whether all rows were looked at.
    """

    whole: Hashed
    but_one: dict[str, Hashed]
    census: bool


def twins(look: Look, *, near: bool) -> Twins | None:
    """Scan for them; None where there is no column beside the key."""
    columns = [column for column in look.table.columns if column.name != look.roles.key]
    if not columns or not look.table.rows:
        return None
    left_out = _left_out(columns, look.facts) if near else []
    mask = sampling(look.table.rows)
    near_mask = sampling(look.table.rows, SAMPLE // max(1, len(left_out)))
    tables = [f"(t & {mask}) = 0", *(f"(xor(t, {each.place}) & {near_mask}) = 0" for each in left_out)]
    inner = _but_one(columns) if left_out else _whole(columns)
    shown = ", ".join(["t", "number", *(f"xor(t, {each.place}) AS {each.place}" for each in left_out)])
    found = look.table.arrow(f"SELECT {shown} FROM ({inner}) WHERE {' OR '.join(tables)}")
    numbers = found.column("number").to_numpy()
    return Twins(
        whole=_chosen(found.column("t").to_numpy(), numbers, mask),
        but_one={each.name: _chosen(found.column(each.place).to_numpy(), numbers, near_mask) for each in left_out},
        census=not mask,
    )


def _whole(columns: Sequence[Column]) -> str:
    return f"SELECT hash({', '.join(each.place for each in columns)}) AS t, number FROM {{rows}}"


def _but_one(columns: Sequence[Column]) -> str:
    """All columns' hashes taken together, so that each can be taken away again."""
    # each column has its own way of hashing: two with the same values would take each other away, also with
    # DuckDB's hash of two arguments, which is no more than both hashes' exclusive or
    hashed = ", ".join(
        f"hash(xor(hash({each.place}), {at}::UBIGINT)) AS {each.place}" for at, each in enumerate(columns)
    )
    total = columns[0].place
    for column in columns[1:]:
        total = f"xor({total}, {column.place})"
    return f"SELECT *, {total} AS t FROM (SELECT {hashed}, number FROM {{rows}})"


def _left_out(columns: Sequence[Column], facts: Facts) -> list[Column]:
    if not 2 < len(columns) <= _MOST:
        return []
    return [column for column in columns if not _tells_rows_apart(column, facts)]


def _tells_rows_apart(column: Column, facts: Facts) -> bool:
    values = facts.sample.get(column.name)
    if values is None:
        return True
    distinct = len(values.texts) if values.numbers is None else len(np.unique(values.numbers))
    return distinct > _DISTINCT * facts.sampled


def _chosen(hashes: NDArray[np.uint64], numbers: NDArray[np.int64], mask: int) -> Hashed:
    chosen = (hashes & np.uint64(mask)) == 0
    return Hashed(hashes=hashes[chosen], numbers=numbers[chosen])
