"""What a manifest says of the rows themselves, found without holding them in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.checks import check_rows
from assay.data.content import schema_of
from assay.data.engine import open_rows
from assay.data.progress import Progress

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
    return described


def _time_range(rows: "Rows", column: str) -> dict[str, Any]:
    found = rows.summaries([column])[column]
    low, high = (None if value is None else value.isoformat() for value in (found.low, found.high))
    return {"column": column, "from": low, "to": high, "nulls": found.nulls}
