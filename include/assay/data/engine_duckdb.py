"""The query engine that is here: DuckDB over Parquet files, out of core."""

# ruff: noqa: S608 (queries are made of places, numbers and bound values alone)

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.data.engine import Rows, Summary

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SAMPLE = 100_000
_AT_ONCE = 256  # columns of one query: with thousands DuckDB plans for longer than it counts


@contextmanager
def open_parquet(files: Sequence[Path], *, memory: str) -> Iterator[Rows]:
    """Open Parquet files with the same columns as one set of rows.

    Raises
    ------
    OSError
        When they cannot be read.
    """
    import pyarrow.parquet as pq

    bound = {"files": [str(file) for file in files]}
    with _connected(memory) as connection:
        numbered = "(SELECT * FROM read_parquet($files, file_row_number = true))"
        yield _DuckRows(connection, "read_parquet($files)", numbered, bound, pq.read_schema(files[0]))


@contextmanager
def open_arrow(table: "pa.Table") -> Iterator[Rows]:
    """Open a table in memory, whose cells stay where they are."""
    with _connected("1GB") as connection:
        connection.register("arrow", table)
        yield _DuckRows(connection, "arrow", "(SELECT *, row_number() OVER () FROM arrow)", {}, table.schema)


@contextmanager
def _connected(memory: str) -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    with TemporaryDirectory() as spill:
        settings: dict[str, Any] = {"temp_directory": spill, "memory_limit": memory, "preserve_insertion_order": False}
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")  # standard output may be a verdict's
            try:
                yield connection
            except duckdb.Error as error:
                raise OSError(" ".join(str(error).split())) from None


class _DuckRows:
    """`Rows` in SQL. Columns go by their place, since SQL does not tell `sex` from `SEX`."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        relation: str,
        numbered: str,
        bound: Mapping[str, Any],
        schema: "pa.Schema",
    ) -> None:
        self._connection, self._bound = connection, bound
        self.schema = schema
        self._places = {name: f"c{at}" for at, name in enumerate(schema.names)}
        named = ", ".join(self._places.values())
        self._rows = f"{relation} AS t({named})"
        self._numbered = f"{numbered} AS t({named}, number)"

    @cached_property
    def count(self) -> int:
        return int(self._ask(f"SELECT count(*) FROM {self._rows}").fetchall()[0][0])

    def summaries(self, columns: Sequence[str]) -> dict[str, Summary]:
        found = {}
        for start in range(0, len(columns), _AT_ONCE):
            part = columns[start : start + _AT_ONCE]
            asked = ", ".join(
                f"count({v}), approx_count_distinct({v}), min({v}), max({v})" for v in map(self._value, part)
            )
            (answer,) = self._ask(f"SELECT {asked} FROM {self._rows}").fetchall()
            for at, name in enumerate(part):
                present, distinct, low, high = answer[4 * at : 4 * at + 4]
                found[name] = Summary(nulls=self.count - present, distinct=min(distinct, present), low=low, high=high)
        return found

    def counts(self, columns: Sequence[str]) -> "tuple[pa.Table, NDArray[np.int64]]":
        named = ", ".join(self._places[name] for name in columns)
        table = self._ask(f"SELECT {named}, count(*) AS times FROM {self._rows} GROUP BY ALL").to_arrow_table()
        times = table.column(len(columns)).to_numpy()
        return table.select(range(len(columns))).rename_columns(list(columns)), times

    def repeated(self, column: str, shown: int) -> tuple[int, list[Any]]:
        # by hash first: 8 bytes for a value, however long; only values that may repeat are then compared whole
        c = self._places[column]
        found = (
            f"WITH twice AS (SELECT hash({c}) AS h FROM {self._rows} WHERE {c} IS NOT NULL "
            "GROUP BY h HAVING count(*) > 1), "
            f"again AS (SELECT {c} AS v FROM {self._rows} WHERE hash({c}) IN (SELECT h FROM twice) "
            f"AND {c} IS NOT NULL GROUP BY v HAVING count(*) > 1) "
            f"SELECT count(*) OVER (), v FROM again ORDER BY v LIMIT {int(shown)}"
        )
        answer = self._ask(found).fetchall()
        return (int(answer[0][0]), [value for _, value in answer]) if answer else (0, [])

    def alike(self, columns: Sequence[str]) -> int:
        named = ", ".join(self._places[name] for name in columns)
        groups = f"SELECT count(*) AS n FROM {self._rows} GROUP BY hash({named}) HAVING n > 1"
        return int(self._ask(f"SELECT coalesce(sum(n), 0) FROM ({groups})").fetchall()[0][0])

    def largest_categories(self, column: str, limit: int) -> list[tuple[Any, int]]:
        c = self._places[column]
        asked = f"SELECT {c}, count(*) AS n FROM {self._rows} WHERE {c} IS NOT NULL GROUP BY {c} ORDER BY n DESC, {c}"
        return [(value, int(n)) for value, n in self._ask(f"{asked} LIMIT {int(limit)}").fetchall()]

    def tallies(self, column: str, values: Sequence[Any]) -> NDArray[np.int64]:
        c = self._places[column]
        asked = f"SELECT {c}, count(*) FROM {self._rows} WHERE list_contains($values, {c}) GROUP BY {c}"
        found = dict(self._ask(asked, values=list(values)).fetchall()) if len(values) else {}
        return np.array([found.get(value, 0) for value in values], dtype=np.int64)

    def lengths(self, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for start in range(0, len(columns), _AT_ONCE):
            part = columns[start : start + _AT_ONCE]
            asked = ", ".join(f"min(length({c})), max(length({c}))" for c in (self._places[name] for name in part))
            (answer,) = self._ask(f"SELECT {asked} FROM {self._rows}").fetchall()
            ends = {name: (answer[2 * at], answer[2 * at + 1]) for at, name in enumerate(part)}
            found |= {name: (int(low), int(high)) for name, (low, high) in ends.items() if low is not None}
        return found

    def quantiles(self, columns: Sequence[str], shares: Sequence[float]) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        every = max(1, ceil(self.count / _SAMPLE))
        sample = f"{self._numbered} WHERE hash(number) % {every} = 0"
        for start in range(0, len(columns), _AT_ONCE):
            part = columns[start : start + _AT_ONCE]
            asked = ", ".join(f"quantile_disc({self._number(name)}, $shares)" for name in part)
            (answer,) = self._ask(f"SELECT {asked} FROM {sample}", shares=list(shares)).fetchall()
            found |= {name: list(values or []) for name, values in zip(part, answer, strict=True)}
        return found

    def histograms(self, edges: Mapping[str, Sequence[float]]) -> dict[str, NDArray[np.int64]]:
        found, columns = {}, list(edges)
        for start in range(0, len(columns), _AT_ONCE):
            part = columns[start : start + _AT_ONCE]
            asked = ", ".join(
                f"histogram({self._number(name)}, $e{at}), count({self._number(name)})" for at, name in enumerate(part)
            )
            bound = {f"e{at}": [float(edge) for edge in edges[name]] for at, name in enumerate(part)}
            (answer,) = self._ask(f"SELECT {asked} FROM {self._rows}", **bound).fetchall()
            for at, name in enumerate(part):
                bins, total = answer[2 * at] or {}, answer[2 * at + 1]
                inside = [int(bins.get(float(edge), 0)) for edge in edges[name]]
                found[name] = np.array([*inside, total - sum(inside)], dtype=np.int64)
        return found

    def _value(self, name: str) -> str:
        """A column with NaN taken for what it is: no value."""
        import pyarrow as pa

        c = self._places[name]
        return f"nullif({c}, 'nan')" if pa.types.is_floating(self.schema.field(name).type) else c

    def _number(self, name: str) -> str:
        import pyarrow as pa

        type_ = self.schema.field(name).type
        if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
            return f"epoch({self._places[name]})"
        return f"CAST({self._value(name)} AS DOUBLE)"

    def _ask(self, query: str, **bound: Any) -> "duckdb.DuckDBPyConnection":
        return self._connection.execute(query, {**self._bound, **bound})
