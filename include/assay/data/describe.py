"""What a manifest says of the rows themselves, found without holding them in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import problem
from assay.data.checks import check_rows
from assay.data.content import schema_of
from assay.data.dealing import Dealer
from assay.data.engine import open_rows
from assay.data.progress import Progress, counting

if TYPE_CHECKING:
    from assay.data.engine import Rows
    from assay.policy import Data


def describe(files: Sequence[Path], data: "Data", subject: str, progress: Progress) -> dict[str, Any]:
    """Schema, number of rows and range of times, after a look at whether the rows can be used at all.

    Raises
    ------
    UserError
        As `check_rows`.
    """
    progress("checking keys and labels", 0, None)
    with open_rows(files) as rows:
        check_rows(rows, data, subject)
        described: dict[str, Any] = {"schema": schema_of(rows.schema), "rows": rows.count}
        if data.time is not None:
            described["time"] = _time_range(rows, data.time)
    if data.split is not None:
        described["split"] = _split(files, data, described["rows"], progress)
    return described


def _split(files: Sequence[Path], data: "Data", total: int, progress: Progress) -> dict[str, Any]:
    import pyarrow.parquet as pq

    dealer, told = Dealer(data), counting(progress, "dealing the rows", total)
    for file in files:
        columns = dealer.columns
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(columns=columns, batch_size=1 << 16):
            dealer.take(batch)
            told(batch.num_rows)
    assert data.split is not None
    facts = dealer.deal().facts(data.split)
    if empty := [
        side
        for side, share in (("train", 1), ("validation", data.split.validation), ("test", 1))
        if share and not facts["rows"][side]
    ]:
        message = f"leaves no row for {' and '.join(empty)}: too many rows belong together"
        raise problem("data.split", message, "split by another column, or deal duplicates apart")
    return facts


def _time_range(rows: "Rows", column: str) -> dict[str, Any]:
    found = rows.summaries([column])[column]
    low, high = (None if value is None else value.isoformat() for value in (found.low, found.high))
    return {"column": column, "from": low, "to": high, "nulls": found.nulls}
