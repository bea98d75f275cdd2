"""The port's questions as Ibis expressions, which the chosen engine answers where the rows are."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
from ibis.expr import datatypes as dt
from ibis.expr import operations as ops
from numpy.typing import NDArray

from assay.core import UserError, problem
from assay.data.checks import is_time
from assay.data.engine import Summary
from assay.data.engine_open import asking
from assay.data.engine_sample import quantiles_of, sample

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends import BaseBackend

_AT_ONCE = 256  # columns of one query: with thousands an engine plans for longer than it counts
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IbisRows:
    """`Rows` of a table that some engine holds.

    Columns go by their place in the files: an engine that does not tell `sex` from `SEX` has other names for them.

    Parameters
    ----------
    backend, table
        The engine, and the rows as it knows them.
    files
        From which they come.
    schema
        As the files tell it.
    """

    def __init__(self, backend: "BaseBackend", table: "ir.Table", files: Sequence[Path], schema: "pa.Schema") -> None:
        self.schema = schema
        self._backend, self._table, self._files = backend, table, files
        self._names = dict(zip(schema.names, table.columns, strict=False))

    @cached_property
    def count(self) -> int:
        """How many rows there are."""
        return int(self._ask(self._table.aggregate(n=self._table.count()))["n"][0].as_py())

    def summaries(self, columns: Sequence[str]) -> dict[str, Summary]:
        """Each column in a few numbers, or a `UserError` of times that no calendar of the years 1 to 9999 holds."""
        found: dict[str, Any] = {}
        for part in _parts(columns):
            asked: dict[str, Any] = {}
            for at, name in enumerate(part):
                value = self._value(name)
                asked |= {f"n{at}": value.count(), f"d{at}": self._distinct(value)}
                if not value.type().is_nested():
                    asked |= {f"l{at}": value.min(), f"h{at}": value.max()}
            try:
                (answer,) = self._ask(self._table.aggregate(**asked)).to_pylist()
            except OverflowError:
                raise self._uncounted(part) from None
            for at, name in enumerate(part):
                present = answer[f"n{at}"]
                low, high = (_instant(answer.get(f"{end}{at}"), self.schema.field(name).type) for end in "lh")
                distinct = min(answer[f"d{at}"], present)
                found[name] = Summary(nulls=self.count - present, distinct=distinct, low=low, high=high)
        return found

    def _uncounted(self, columns: Sequence[str]) -> UserError:
        """Which of some columns holds times that no calendar does."""
        times = [name for name in columns if is_time(self.schema.field(name).type)]
        if len(times) > 1:
            for name in times:
                self.summaries([name])
        message, mend = "holds times before the year 1 or after 9999", "look whether the unit is right at the source"
        return problem((times or columns)[0], message, mend)

    def counts(self, columns: Sequence[str]) -> "tuple[pa.Table, NDArray[np.int64]]":
        """The distinct rows of some columns, and how often each occurs."""
        named = self._selected(columns)
        table = self._ask(named.group_by(named.columns).aggregate(times=named.count()))
        times = table.column(len(columns)).to_numpy().astype(np.int64, copy=False)
        return table.select(range(len(columns))).rename_columns(list(columns)), times

    def repeated(self, column: str, shown: int) -> tuple[int, list[Any]]:
        """How many values occur more than once, and the least few of them."""
        again = self._repeating(self._present(column))
        if again is None:
            return 0, []
        answer = self._ask(again.select("v", n=again.count().over()).order_by("v").limit(shown))
        return (int(answer["n"][0].as_py()), answer["v"].to_pylist()) if len(answer) else (0, [])

    def alike(self, columns: Sequence[str]) -> int:
        """How many rows are the same as another one in some columns."""
        again = self._repeating(self._selected(columns))
        if again is None:
            return 0
        return int(self._ask(again.aggregate(n=again.times.sum()))["n"][0].as_py() or 0)

    def largest_categories(self, column: str, limit: int) -> list[tuple[Any, int]]:
        """The most frequent values and their numbers."""
        counted = _counted(self._present(column))
        answer = self._ask(counted.order_by(ibis.desc("times"), "v").limit(limit))
        return list(zip(answer["v"].to_pylist(), answer["times"].to_pylist(), strict=True))

    def tallies(self, column: str, values: Sequence[Any]) -> NDArray[np.int64]:
        """How often each of `values` occurs."""
        if not len(values):
            return np.zeros(0, dtype=np.int64)
        rows = self._present(column)
        wanted = [_exactly(each) if isinstance(each, float) else ibis.literal(each, rows.v.type()) for each in values]
        answer = self._ask(_counted(rows.filter(rows.v.isin(wanted))))
        found = list(zip(answer["v"].to_pylist(), answer["times"].to_pylist(), strict=True))
        return np.array([sum(n for seen, n in found if seen == value) for value in values], dtype=np.int64)

    def lengths(self, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
        """The least and the greatest number of characters of columns of text."""
        found: dict[str, Any] = {}
        for part in _parts(columns):
            texts = {f"c{at}": self._table[self._names[name]].length() for at, name in enumerate(part)}
            ends = {f"{end}_{at}": getattr(text, end)() for at, text in texts.items() for end in ("min", "max")}
            (answer,) = self._ask(self._table.aggregate(**ends)).to_pylist()
            told = {name: (answer[f"min_c{at}"], answer[f"max_c{at}"]) for at, name in enumerate(part)}
            found |= {name: pair for name, pair in told.items() if pair[0] is not None}
        return found

    def quantiles(self, columns: Sequence[str], shares: Sequence[float]) -> dict[str, list[float]]:
        """Quantiles of columns of numbers or times."""
        found: dict[str, Any] = {}
        for part in _parts(columns):
            found |= quantiles_of(sample(self._files, part), shares)
        return found

    def histograms(self, edges: Mapping[str, Sequence[float]]) -> dict[str, NDArray[np.int64]]:
        """For each column how many values lie between its edges."""
        if self._backend.name != "duckdb":
            return {name: self._placed(name, edges[name]) for name in edges}
        found: dict[str, Any] = {}
        for part in _parts(list(edges)):
            asked: dict[str, Any] = {}
            for at, name in enumerate(part):
                value = self._seconds(name)
                asked |= {f"h{at}": _histogram(value, _exactly(edges[name])), f"n{at}": value.count()}
            (answer,) = self._ask(self._table.aggregate(**asked)).to_pylist()
            for at, name in enumerate(part):
                bins = dict(answer[f"h{at}"] or ())
                inside = [int(bins.get(float(edge), 0)) for edge in edges[name]]
                found[name] = np.array([*inside, answer[f"n{at}"] - sum(inside)], dtype=np.int64)
        return found

    def _placed(self, name: str, edges: Sequence[float]) -> NDArray[np.int64]:
        """One column's histogram for an engine without one: each value finds its place by bisection."""
        values = self._present(name)
        if values.v.type().is_temporal():
            value = values.v.cast("timestamp") if values.v.type().is_date() else values.v
            zone = UTC if value.type().timezone else None
            instants = [(_EPOCH + timedelta(seconds=float(edge))).replace(tzinfo=zone) for edge in edges]
            bounds = [ibis.literal(instant, type=value.type()) for instant in instants]
        else:
            value, bounds = values.v.cast("float64"), [_exactly(edge) for edge in edges]
        answer = self._ask(_counted(values.select(v=_bisected(value, bounds, 0))))
        found = np.zeros(len(edges) + 1, dtype=np.int64)
        found[answer["v"].to_numpy()] = answer["times"].to_numpy()
        return found

    def _selected(self, columns: Sequence[str]) -> "ir.Table":
        return self._table.select({f"c{at}": self._table[self._names[name]] for at, name in enumerate(columns)})

    def _repeating(self, rows: "ir.Table") -> "ir.Table | None":
        """The rows that occur more than once, with how often they do; None when there are none."""
        if self._backend.has_operation(ops.Hash):
            # 8 bytes for a row, however long: only rows that may repeat are then compared whole
            hashed = rows.mutate(h=ibis.struct({name: rows[name] for name in rows.columns}).hash())
            seen = hashed.group_by("h").aggregate(times=hashed.count())
            seen = seen.filter(seen.times > 1)
            if not self._ask(seen.aggregate(n=seen.count()))["n"][0].as_py():
                return None
            rows = hashed.filter(hashed.h.isin(seen.h)).drop("h")
        counted = rows.group_by(rows.columns).aggregate(times=rows.count())
        return counted.filter(counted.times > 1)

    def _present(self, name: str) -> "ir.Table":
        """A column `v` of the values that there are."""
        values = self._table.select(v=self._value(name))
        return values.filter(values.v.notnull())

    def _value(self, name: str) -> "ir.Column":
        """A column with NaN taken for what it is: no value."""
        value = self._table[self._names[name]]
        return value.isnan().ifelse(ibis.null(value.type()), value) if value.type().is_floating() else value

    def _distinct(self, value: "ir.Column") -> "ir.Value":
        # DataFusion has estimates for few types
        return value.nunique() if self._backend.name == "datafusion" else value.approx_nunique()

    def _seconds(self, name: str) -> "ir.Column":
        value = self._value(name)
        return value.epoch_seconds() if value.type().is_temporal() else value.cast("float64")

    def _ask(self, expression: "ir.Table") -> "pa.Table":
        with asking(self._backend.name):
            return self._backend.to_pyarrow(expression)


@ibis.udf.agg.builtin(name="histogram", signature=((dt.float64, dt.Array(dt.float64)), dt.Map(dt.float64, dt.uint64)))  # type: ignore[untyped-decorator]
def _histogram(value: Any, edges: Any) -> Any:
    """DuckDB's own: all columns in one scan, in half the time that placing each value takes."""


def _exactly(numbers: float | Sequence[float]) -> "ir.Value":
    """As text in the query: numbers with a point would be decimals to DuckDB, and miss the last bit."""
    if isinstance(numbers, Sequence):
        return ibis.literal([repr(float(each)) for each in numbers], "array<string>").cast("array<float64>")
    return ibis.literal(repr(float(numbers))).cast("float64")


def _bisected(value: "ir.Column", edges: Sequence[Any], first: int) -> "ir.Value":
    """How many edges lie below a value, if `first` are known to."""
    if not edges:
        return ibis.literal(first, "int64")
    half = len(edges) // 2
    low, high = _bisected(value, edges[:half], first), _bisected(value, edges[half + 1 :], first + half + 1)
    return ibis.ifelse(value <= edges[half], low, high)


def _instant(value: Any, type_: Any) -> Any:
    """A value as it is, but instants in one time zone: engines give them in several, and Spark in none."""
    if not isinstance(value, datetime) or getattr(type_, "tz", None) is None:
        return value
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _counted(values: "ir.Table") -> "ir.Table":
    return values.group_by("v").aggregate(times=values.count())


def _parts(columns: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns[start : start + _AT_ONCE]
