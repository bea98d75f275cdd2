"""A sample of the rows, drawn from the files themselves: the same quantiles from every engine, every time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 100_000
_BATCH = 1 << 16


def sample(files: Sequence[Path], columns: Sequence[str]) -> "pa.Table":
    """Some columns of at most `SAMPLE` rows; which rows depends on their number alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn = _drawn(sum(pq.read_metadata(file).num_rows for file in files))
    schema = pq.read_schema(files[0])
    kept, begin = [], 0
    for file in files:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            for batch in parquet.iter_batches(_BATCH, columns=list(columns)):
                first, last = np.searchsorted(drawn, [begin, begin + batch.num_rows])
                kept.append(pa.table(batch.take(pa.array(drawn[first:last] - begin))).select(list(columns)))
                begin += batch.num_rows
    none = pa.schema([schema.field(name) for name in columns]).empty_table()
    return pa.concat_tables([none, *kept])


def quantiles_of(table: "pa.Table", shares: Sequence[float]) -> dict[str, list[float]]:
    """The values at `shares` of each column, times in seconds; a column without values has none."""
    return {name: _at(_numbers(table[name]), shares) for name in table.column_names}


def _drawn(rows: int) -> NDArray[np.int64]:
    if rows <= SAMPLE:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False, shuffle=False))


def _at(values: NDArray[np.float64], shares: Sequence[float]) -> list[float]:
    # numpy's `inverted_cdf` without its interpolation, which makes NaN of infinite neighbours
    ordered = np.sort(values[~np.isnan(values)])
    places = np.ceil(np.asarray(shares) * len(ordered)).astype(np.int64) - 1
    return [float(ordered[max(0, place)]) for place in places] if len(ordered) else []


def _numbers(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    column = column.drop_null()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        instants = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return np.asarray(instants.to_numpy() / 1e6, dtype=np.float64)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
