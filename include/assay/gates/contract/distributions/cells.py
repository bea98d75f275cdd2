"""The cells of a column's distribution: how they are counted in SQL, and told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from assay.core.distribution import LEAST, Cell, Kind, coarse
from assay.gates.contract.builtin.table import Column, Table
from assay.gates.contract.distributions.allowed import Allowed
from assay.gates.contract.distributions.grid import Grid
from assay.gates.contract.distributions.names import is_refused, shown

Asked = tuple[str, list[Any]]
"""An aggregate in SQL, and what is bound in it."""


_Range = tuple[float | None, float | None, tuple[int, int]]


class Cut(Protocol):
    """How a column's values are put into cells."""

    def asked(self, column: Column, may: Allowed) -> list[Asked]:
        """What is asked of a column that the contract allows some values of."""

    def counted(self, answers: Sequence[Any], may: Allowed) -> list[int]:
        """The rows of each cell, from what was answered."""

    def told(self, may: Allowed, data: Sequence[int], reference: Sequence[int] | None) -> dict[str, Any]:
        """The parts of the distribution that hang on the cells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ByRange:
    """Ranges of numbers or times; the first and the last are open."""

    kind: Kind
    grid: Grid

    def asked(self, column: Column, may: Allowed) -> list[Asked]:
        """A histogram over the grid."""
        return [(f"histogram({column.plain}, CAST(? AS DOUBLE[]))", [list(self.grid.counted)])]

    def counted(self, answers: Sequence[Any], may: Allowed) -> list[int]:
        """The rows up to each bound, and those beyond the last."""
        found = dict(answers[0] or {})
        inside = [int(found.pop(edge, 0)) for edge in self.grid.counted]
        return [*inside, int(sum(found.values()))]

    def told(self, may: Allowed, data: Sequence[int], reference: Sequence[int] | None) -> dict[str, Any]:
        """The ranges with their rows."""
        bounds = list(pairwise([None, *self.grid.edges, None]))
        rows = list(zip(data, [0] * len(data) if reference is None else reference, strict=True))
        found = [(low, high, each) for (low, high), each in zip(bounds, rows, strict=True)]
        found = self._trimmed(self._trimmed(found)[::-1])[::-1]
        cells = [
            Cell(
                low=low, high=high, outside=self.grid.outside(low, high), data=coarse(one),
                reference=None if reference is None else coarse(other),
            )
            for low, high, (one, other) in found
        ]  # fmt: skip
        return {"kind": self.kind, "cells": tuple(cells), "limit": may.limit, "step": self.grid.step}

    def _trimmed(self, found: list[_Range]) -> list[_Range]:
        """Without the first ranges as long as they and the next one are empty, and alike."""
        while len(found) > 2:
            (low, high, rows), (after, end, more), *others = found
            if any((*rows, *more)) or self.grid.outside(low, high) is not self.grid.outside(after, end):
                break
            found = [(None if low is None else after, None if high is None else end, rows), *others]
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class ByName:
    """Values by their names, then all others: those that are allowed, and those that are not."""

    values: tuple[str | float, ...]

    def asked(self, column: Column, may: Allowed) -> list[Asked]:
        """How many rows have a value, have each that has a name or that the contract names, are beyond its range."""
        plain, listed = column.plain, self._listed(may)
        if column.kind == "text":
            # with a mark before it, as the empty text stands for all that is none of these
            each: Asked = (
                f"histogram_exact('=' || {plain}, CAST(? AS VARCHAR[]))",
                [[f"={value}" for value in listed]],
            )
        else:
            each = (f"histogram_exact({plain}, CAST(? AS DOUBLE[]))", [listed])
        beyond, bounds = _beyond(plain, may) if column.kind == "number" else ("false", [])
        return [(f"count({plain})", []), each, (f"count(*) FILTER ({beyond})", bounds)]

    def counted(self, answers: Sequence[Any], may: Allowed) -> list[int]:
        """The rows of each named value, of all others that are allowed, and of those that are not."""
        total, found, beyond = answers
        rows = {(key[1:] if isinstance(key, str) else key): int(n) for key, n in (found or {}).items()}
        each = [rows.get(value, 0) for value in self.values]
        others = int(total) - sum(each)
        unnamed = [value for value in self._listed(may) if value not in self.values]
        known = {refused: sum(rows.get(value, 0) for value in unnamed if is_refused(value, may) is refused)
                 for refused in (False, True)}  # fmt: skip
        refused = others - known[False] if may.values is not None else known[True]
        named = sum(n for value, n in zip(self.values, each, strict=True) if is_refused(value, may))
        refused = min(others, max(refused, int(beyond) - named))
        return [*each, others - refused, refused]

    def told(self, may: Allowed, data: Sequence[int], reference: Sequence[int] | None) -> dict[str, Any]:
        """The values with their rows; a value of fewer than ten is one of the others."""
        rows = [(n, 0 if reference is None else reference[at]) for at, n in enumerate(data)]
        rest = {False: rows[-2], True: rows[-1]}
        cells = []
        for value, each in zip(self.values, rows, strict=False):
            refused = is_refused(value, may)
            if max(each) < LEAST:
                rest[refused] = (rest[refused][0] + each[0], rest[refused][1] + each[1])
            else:
                cells.append(_cell(shown(value), each, refused, reference))
        cells += [_cell(None, each, refused, reference) for refused, each in rest.items() if any(each)]
        return {"kind": "category", "cells": tuple(cells), "limit": may.limit}

    def _listed(self, may: Allowed) -> list[str | float]:
        texts = any(isinstance(value, str) for value in self.values)
        said = sorted((may.values or frozenset()) | may.refused)
        of_contract = [value if texts else _as_number(value) for value in said]
        return list(dict.fromkeys([*self.values, *(value for value in of_contract if value is not None)]))


def counts(table: Table, cuts: Mapping[str, tuple[Cut | None, Allowed]]) -> dict[str, tuple[int, list[int]]]:
    """How many rows of each column have a value, and how many lie in each of its cells, from one scan."""
    asked: dict[str, list[Asked]] = {}
    for name, (cut, may) in cuts.items():
        column = table.column(name)
        assert column is not None
        asked[name] = [(f"count({column.value})", []), *(() if cut is None else cut.asked(column, may))]
    if not asked:
        return {}
    parts = [part for each in asked.values() for part in each]
    bound = [value for _, values in parts for value in values]
    (answer,) = table.ask(f"SELECT {', '.join(sql for sql, _ in parts)} FROM {{rows}}", bound)
    found, at = {}, 0
    for name, each in asked.items():
        (cut, may), (present, *others) = cuts[name], answer[at : at + len(each)]
        found[name] = int(present), [] if cut is None else cut.counted(others, may)
        at += len(each)
    return found


def _cell(name: str | None, rows: tuple[int, int], refused: bool, reference: Sequence[int] | None) -> Cell:
    beside = None if reference is None else coarse(rows[1])
    return Cell(name=name, data=coarse(rows[0]), reference=beside, outside=refused)


def _beyond(plain: str, may: Allowed) -> Asked:
    """Whether a number is beyond the contract's range."""
    parts, bound = [], []
    for limit, strict, sign in ((may.low, may.strict[0], "<"), (may.high, may.strict[1], ">")):
        if limit is not None:
            parts.append(f"{plain} {sign}{'=' if strict else ''} CAST(? AS DOUBLE)")
            bound.append(limit)
    return " OR ".join(parts) or "false", bound


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
