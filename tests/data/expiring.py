"""A small source, takings of it on chosen days, and a process that is killed while it deletes."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from assay.data import expiry, snapshots
from assay.data.snapshots import create_snapshot
from assay.policy import Data

FIELDS = {"source": "t.parquet", "key": "id", "label": "y", "positive": "yes", "features": ["a"], "sensitive": ["a"]}
DELETE = """
import sys
from datetime import date
from assay.data.expiry import delete_rows, overdue
root, today = sys.argv[1], date.fromisoformat(sys.argv[2])
for due in overdue(root, "m", today):
    delete_rows(due, by="night", today=today)
"""
TAKE = """
import sys
from pathlib import Path
from tests.data.expiring import take
take(Path(sys.argv[1]))
"""
FIRST = date(2026, 3, 1)


def rows(shift=0, count=40):
    return pa.table({"id": range(count), "y": ["yes", "no"] * (count // 2), "a": [i / 3 + shift for i in range(count)]})


def take(folder, table=None, *, on=FIRST, keep_days=10, purpose="loans", root=None):
    """Take rows as if it were another day; several Parquet files, so that a deletion can be half done."""
    pq.write_table(rows() if table is None else table, folder / "t.parquet")
    data = Data(**FIELDS, keep_days=keep_days, purpose=purpose)
    with mock.patch.object(snapshots, "utc_now", return_value=f"{on.isoformat()}T04:05:06.789Z"):
        return create_snapshot(source=data.source, base=folder, data=data, model="m", root=root or str(folder / "root"))


def after(days):
    return FIRST + timedelta(days=days)


def delete(folder, today, by="ann"):
    """Delete what is due, as a command does; the tombstones."""
    root = str(folder / "root")
    made = [expiry.delete_rows(each, by=by, today=today) for each in expiry.overdue(root, "m", today)]
    return [each.tombstone for each in made if each is not None]


def parquet(folder):
    return sorted(path.name for path in (folder / "root").rglob("m-*.parquet"))


def staged(folder):
    """What a killed process has left of rows on their way."""
    return list((folder / "root").rglob(".staging-*"))


def killed_deleting(folder, today, point):
    """Its exit code."""
    return _killed(point, DELETE, folder / "root", today)


def killed_taking(folder, point):
    """The same of the taking of `rows()`."""
    return _killed(point, TAKE, folder)


def _killed(point, program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "ASSAY_FAULT_POINT": point},
    )
    return done.returncode
