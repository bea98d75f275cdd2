"""A process that dies while it sets rows aside: running again gives one snapshot and one entry, and no row is lost."""

import os
import random
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from assay.data.quarantine import quarantined
from assay.data.snapshots import list_snapshots, open_snapshot
from assay.data.verify import verify_snapshot

ROWS, BAD = 40_000, 40
TAKE = """
import sys
from pathlib import Path
from types import SimpleNamespace
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
from assay.data.quarantine import QuarantineSieve
from assay.data.snapshots import create_snapshot
from assay.policy import Data
import deltalake, duckdb

data = Data(source="t.parquet", key="id", label="y", positive="yes", features=["a"], sensitive=["a"])

def negative(files):
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    places = pc.indices_nonzero(pc.less(rows["a"], 0)).cast(pa.int64())
    found = pa.table({"row": places, "reasons": ['["negative a"]'] * len(places)})
    return SimpleNamespace(read=rows.num_rows, rows=len(places), reasons={"negative a": len(places)}, found=found)

sieve = QuarantineSieve(negative, limit=0.1, data=data, model="m")
print("ready", flush=True)
base, root = Path(sys.argv[1]), sys.argv[1] + "/root"
create_snapshot(source="t.parquet", base=base, data=data, model="m", root=root, sieve=sieve)
"""


@pytest.fixture
def folder(tmp_path):
    numbers = [float(-1 if i % (ROWS // BAD) == 7 else i) for i in range(ROWS)]
    pq.write_table(
        pa.table({"id": range(ROWS), "y": ["yes", "no"] * (ROWS // 2), "a": numbers}), tmp_path / "t.parquet"
    )
    return tmp_path


def started(folder, **environment):
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder)], stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    process.stdout.readline()
    process.stdout.close()
    return process


def killed_at(folder, point):
    assert started(folder, ASSAY_FAULT_POINT=point).wait() == -signal.SIGKILL


def assert_repaired(folder):
    root = str(folder / "root")
    assert started(folder).wait() == 0
    (taken,), (entry,) = list_snapshots(root, "m"), quarantined(root, "m")
    assert (taken.rows, entry.rows) == (ROWS - BAD, BAD)
    assert taken.takings[-1]["quarantine"]["entry"]["id"] == entry.id
    assert entry.manifest["snapshot"] == taken.id
    assert pc.max(entry.table()["a"]).as_py() == -1
    assert [*verify_snapshot(taken), *verify_snapshot(entry)] == []
    assert DeltaTable(folder / "root/m/quarantine/table").version() == 0
    assert len(list((folder / "root/m/quarantine/table").glob("*.parquet"))) == 1
    assert not list((folder / "root").rglob(".staging-*"))
    open_snapshot(root=root, model="m", snapshot_id=taken.id)


# what registers an entry registers a snapshot, too: these are of the entry, which comes first
@pytest.mark.parametrize(
    "point", ["quarantine.sifted", "snapshot.staged", "snapshot.moved", "snapshot.committed", "quarantine.kept"]
)
def test_killed_while_rows_are_set_aside(folder, point):
    killed_at(folder, point)
    assert list_snapshots(str(folder / "root"), "m") == []
    assert len(quarantined(str(folder / "root"), "m")) == (point == "quarantine.kept")
    assert_repaired(folder)


@pytest.mark.parametrize("point", ["snapshot.staged", "snapshot.moved", "snapshot.committed"])
def test_killed_again_after_they_were(folder, point):
    killed_at(folder, "quarantine.kept")
    killed_at(folder, point)
    assert list_snapshots(str(folder / "root"), "m") == []
    assert len(quarantined(str(folder / "root"), "m")) == 1
    assert_repaired(folder)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment(folder, seed):
    process = started(folder)
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    process.wait()
    assert_repaired(folder)
