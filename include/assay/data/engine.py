"""The port to a query engine: what is asked of rows that are never read into memory as a whole.

Everything in this room that looks at a whole data set asks `Rows`. The questions are Ibis expressions: DuckDB
answers them here, and what ``ASSAY_ENGINE`` names, such as Spark or a warehouse, where that is set.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assay.core import Settings

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A column in a few numbers.

    Attributes
    ----------
    nulls
        Cells without a value, NaN included.
    distinct
        About how many different values there are.
    low, high
        The least and the greatest value; None where there is none.
    """

    nulls: int
    distinct: int
    low: Any
    high: Any


class Rows(Protocol):
    """Rows that can be asked about; columns go by the names that the data gives them."""

    @property
    def schema(self) -> "pa.Schema":
        """Names and types of the columns."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def summaries(self, columns: Sequence[str]) -> dict[str, Summary]:
        """Each column in a few numbers, all in one scan."""

    def counts(self, columns: Sequence[str]) -> "tuple[pa.Table, NDArray[np.int64]]":
        """The distinct rows of some columns, in any order, and how often each occurs."""

    def repeated(self, column: str, shown: int) -> tuple[int, list[Any]]:
        """How many values occur more than once, and the least few of them."""

    def alike(self, columns: Sequence[str]) -> int:
        """How many rows are the same as another one in all of these columns."""

    def largest_categories(self, column: str, limit: int) -> list[tuple[Any, int]]:
        """The most frequent values but null and their numbers, most frequent first, equal ones by value."""

    def tallies(self, column: str, values: Sequence[Any]) -> "NDArray[np.int64]":
        """How often each of `values` occurs."""

    def lengths(self, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
        """The least and the greatest number of characters of columns of text that have a value."""

    def quantiles(self, columns: Sequence[str], shares: Sequence[float]) -> dict[str, list[float]]:
        """Quantiles of columns of numbers or times, these in seconds, from at most some 100,000 rows.

        The same rows give the same answer. A column without values gives none.
        """

    def histograms(self, edges: Mapping[str, Sequence[float]]) -> "dict[str, NDArray[np.int64]]":
        """For each column how many values lie up to each rising edge and above the one before, and above the last.

        One number more than there are edges. All columns in one scan; times are meant in seconds.
        """


def open_rows(files: Sequence[Path], *, memory: str = "256MB") -> AbstractContextManager[Rows]:
    """Ask about the rows of Parquet files with the same columns.

    Parameters
    ----------
    files
        At least one.
    memory
        How much DuckDB may hold before it goes to disk; another engine has settings of its own.

    Raises
    ------
    UserError
        When there is no such engine as ``ASSAY_ENGINE`` names, or it cannot answer what it is asked.
    OSError
        When the files cannot be read, or the engine fails.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.parquet as pq, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pq.write_table(pa.table({"n": [3, 1, None, 3]}), f"{folder}/n.parquet")
    ...     with open_rows([Path(folder) / "n.parquet"]) as rows:
    ...         rows.count, rows.summaries(["n"])["n"], rows.repeated("n", 5)
    (4, Summary(nulls=1, distinct=2, low=1, high=3), (1, [3]))
    """
    import pyarrow.parquet as pq

    return _open(files, pq.read_schema(files[0]), memory)


@contextmanager
def open_table(table: "pa.Table") -> Iterator[Rows]:
    """Ask about the rows of a table in memory, which every engine finds in a scratch file."""
    import pyarrow.parquet as pq

    with TemporaryDirectory() as folder:
        file = Path(folder) / "table.parquet"
        pq.write_table(table, file)
        with _open([file], table.schema, "1GB") as rows:
            yield rows


def _open(files: Sequence[Path], schema: "pa.Schema", memory: str) -> AbstractContextManager[Rows]:
    from assay.data.engine_open import open_parquet

    return open_parquet(files, schema, engine=Settings.from_environment().engine, memory=memory)
