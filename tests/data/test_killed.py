"""A process that dies while it takes a snapshot leaves none, and running again gives the one that there would be."""

import os
import random
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data.snapshots import create_snapshot, list_snapshots, open_snapshot
from assay.data.verify import verify_snapshot
from assay.policy import Data

DATA = Data(source="t.parquet", key="id", label="y", positive="yes", features=["a"], sensitive=["a"])
TAKE = """
import sys
from pathlib import Path
from assay.data.snapshots import create_snapshot
from assay.policy import Data
import pyarrow.parquet, deltalake, duckdb
data = Data(source="t.parquet", key="id", label="y", positive="yes", features=["a"], sensitive=["a"])
print("ready", flush=True)
create_snapshot(source=data.source, base=Path(sys.argv[1]), data=data, model="m", root=sys.argv[1] + "/root")
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return take(source(tmp_path_factory.mktemp("whole"))).id


def source(folder, rows=60_000):
    table = pa.table({"id": range(rows), "y": ["yes", "no"] * (rows // 2), "a": [i / 3 for i in range(rows)]})
    pq.write_table(table, folder / "t.parquet")
    return folder


def take(folder):
    return create_snapshot(source="t.parquet", base=folder, data=DATA, model="m", root=str(folder / "root"))


def started(folder, **environment):
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder)], stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    process.stdout.readline()
    process.stdout.close()
    return process


def assert_repaired(folder, expected):
    root = str(folder / "root")
    found = [each.id for each in list_snapshots(root, "m")]
    assert found in ([], [expected])
    for each in found:
        open_snapshot(root=root, model="m", snapshot_id=each)
    assert take(folder).id == expected
    assert [each.id for each in list_snapshots(root, "m")] == [expected]
    assert verify_snapshot(open_snapshot(root=root, model="m", snapshot_id=expected)) == []
    assert not list((folder / "root/m").glob(".staging-*"))
    assert len(list((folder / "root/m/table").glob("*.parquet"))) == 1


@pytest.mark.parametrize("point", ["snapshot.staged", "snapshot.moved", "snapshot.committed"])
def test_killed_between_two_steps(tmp_path, expected, point):
    process = started(source(tmp_path), ASSAY_FAULT_POINT=point)
    assert process.wait() == -signal.SIGKILL
    assert list_snapshots(str(tmp_path / "root"), "m") == []
    assert_repaired(tmp_path, expected)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment(tmp_path, expected, seed):
    process = started(source(tmp_path))
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    process.wait()
    assert_repaired(tmp_path, expected)


def test_two_at_once_make_one(tmp_path, expected):
    source(tmp_path)
    pair = [started(tmp_path) for _ in range(2)]
    assert [process.wait() for process in pair] == [0, 0]
    assert_repaired(tmp_path, expected)


def test_a_damaged_file_of_an_interrupted_run_is_made_whole(tmp_path, expected):
    process = started(source(tmp_path), ASSAY_FAULT_POINT="snapshot.committed")
    assert process.wait() == -signal.SIGKILL
    (file,) = (tmp_path / "root/m/table").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:1000])
    assert_repaired(tmp_path, expected)
