"""The one place where the built-in checks ask for rows: files, as a relation that SQL aggregates run on."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.core import UnavailableError, problem
from assay.gates.contract.mount import TABLE, mount, quoted, scratch

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Kind = Literal["number", "time", "text", "other"]

_MEMORY = "512MB"
_PLACE = "file_row_number"  # DuckDB's name for where a row is in its file
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_TIMES = ("DATE", "TIMESTAMP")
_TEXTS = ("VARCHAR", "ENUM", "BOOLEAN", "UUID")


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: its name, DuckDB's name of its type, and its place, by which SQL knows it."""

    name: str
    type: str
    place: str

    @property
    def kind(self) -> Kind:
        """What its values are taken for."""
        if self.type.endswith("]"):
            return "other"
        families: Mapping[Kind, tuple[str, ...]] = {"number": _NUMBERS, "time": _TIMES, "text": _TEXTS}
        return next((kind for kind, family in families.items() if self.type.startswith(family)), "other")

    @property
    def value(self) -> str:
        """Its value in SQL, with NaN taken for what it is: none."""
        return f"nullif({self.place}, 'nan')" if self.type in ("FLOAT", "DOUBLE") else self.place

    @property
    def ends(self) -> str:
        """Its least and its greatest value in SQL; null for what cannot be put in order, such as a map."""
        value = self.plain if self.kind in ("time", "other") else self.value
        return f"min({value}), max({value})"

    @property
    def plain(self) -> str:
        """Its value as a number, seconds, or text; null for what is none of these."""
        match self.kind:
            case "number":
                return f"CAST({self.value} AS DOUBLE)"
            case "time":
                return f"CAST(epoch({self.place}) AS DOUBLE)"
            case "text":
                return f"CAST({self.place} AS VARCHAR)"
        return "NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows that can be asked about in SQL.

    Attributes
    ----------
    connection
        DuckDB's.
    relation
        What stands after FROM; it has the columns by their places, and `number`, the place of a row from 0.
    columns, rows
        Its columns and number of rows.
    """

    connection: "duckdb.DuckDBPyConnection"
    relation: str
    columns: tuple[Column, ...]
    rows: int

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    def ask(self, query: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer; `{rows}` in the query stands for the relation."""
        return self._run(query, bound).fetchall()

    def arrow(self, query: str, bound: Sequence[Any] = ()) -> "pa.Table":
        """An answer as an Arrow table."""
        return self._run(query, bound).to_arrow_table()

    def _run(self, query: str, bound: Sequence[Any]) -> "duckdb.DuckDBPyConnection":
        import duckdb

        try:
            return self.connection.execute(query.replace("{rows}", self.relation), list(bound))
        except duckdb.Error as error:
            raise UnavailableError(f"DuckDB could not look at the rows: {str(error).splitlines()[0]}") from error


@contextmanager
def open_table(files: Sequence[Path]) -> Iterator[Table]:
    """The rows of all `files` together, gone when the block ends.

    Raises
    ------
    UserError
        Listing every file that is missing, empty, or neither CSV nor Parquet; or when one cannot be read.
    UnavailableError
        When there is no room for the scratch database.
    """
    import duckdb

    with scratch("assay-builtin-") as folder:
        database = folder / "rows.duckdb"
        names, rows = mount(database, files)
        with duckdb.connect(str(database)) as connection:
            connection.execute(f"SET memory_limit='{_MEMORY}'")
            connection.execute(f"SET temp_directory={quoted(str(folder / 'spill'))}")
            connection.execute("SET enable_progress_bar=false")  # standard output may be a verdict's
            types = [str(row[1]) for row in connection.execute(f"DESCRIBE {TABLE}").fetchall()]
            columns = tuple(
                Column(name=name, type=type_, place=f"c{at}")
                for at, (name, type_) in enumerate(zip(_names(files) or names, types, strict=True))
            )
            relation = _relation(files, [column.place for column in columns])
            yield Table(connection=connection, relation=relation, columns=columns, rows=rows)


def _names(files: Sequence[Path]) -> list[str] | None:
    """The names as the files spell them: SQL does not tell `sex` from `SEX`, and gives one of them another name."""
    import pyarrow.parquet as pq

    if files[0].suffix.lower() != ".parquet":
        return None
    names = list(pq.read_schema(files[0]).names)
    if taken := [name for name in names if name.lower() == _PLACE]:
        raise problem(taken[0], "is a name that looking at the rows has need of", "rename the column in the source")
    return names


def _relation(files: Sequence[Path], places: Sequence[str]) -> str:
    named = ", ".join([*places, "number"])
    if files[0].suffix.lower() != ".parquet":
        return f"(SELECT *, rowid FROM {TABLE}) AS t({named})"
    import pyarrow.parquet as pq

    read = "read_parquet([" + ", ".join(quoted(glob.escape(str(file))) for file in files) + "]"
    if len(files) == 1:
        return f"{read}, file_row_number=true) AS t({named})"
    offsets, total = [], 0
    for file in files:
        offsets.append(total)
        total += pq.read_metadata(file).num_rows
    number = f"file_row_number + CAST({offsets} AS BIGINT[])[CAST(file_index AS BIGINT) + 1]"
    return f"(SELECT * EXCLUDE (file_row_number), {number} FROM {read}, file_row_number=true)) AS t({named})"
