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
from tests.objects import BUCKET, client

from assay.data.snapshots import create_snapshot, list_snapshots, open_snapshot
from assay.data.store import store_of
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
create_snapshot(source=data.source, base=Path(sys.argv[1]), data=data, model="m", root=sys.argv[2])
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = source(tmp_path_factory.mktemp("whole"))
    return take(folder, str(folder / "root")).id


@pytest.fixture(params=["folder", "object store"])
def root(request, tmp_path):
    return str(tmp_path / "root") if request.param == "folder" else request.getfixturevalue("remote_root")


def source(folder, rows=60_000):
    table = pa.table({"id": range(rows), "y": ["yes", "no"] * (rows // 2), "a": [i / 3 for i in range(rows)]})
    pq.write_table(table, folder / "t.parquet")
    return folder


def take(folder, root):
    return create_snapshot(source="t.parquet", base=folder, data=DATA, model="m", root=root)


def started(folder, root, machine="other", **environment):
    """A process that takes the snapshot; on another machine, where the root is not in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder), root],
        stdout=subprocess.PIPE,
        env={**os.environ, "ASSAY_HOME": str(folder / machine), **environment},
    )
    process.stdout.readline()
    process.stdout.close()
    return process


def assert_repaired(folder, root, expected):
    found = [each.id for each in list_snapshots(root, "m")]
    assert found in ([], [expected])
    for each in found:
        open_snapshot(root=root, model="m", snapshot_id=each)
    assert take(folder, root).id == expected
    assert [each.id for each in list_snapshots(root, "m")] == [expected]
    assert verify_snapshot(open_snapshot(root=root, model="m", snapshot_id=expected)) == []
    store = store_of(root, "m")
    assert not list(store.workspace().glob(".staging-*"))
    assert len([name for name in store.names("table") if name.endswith(".parquet")]) == 1


@pytest.mark.parametrize("point", ["snapshot.staged", "snapshot.moved", "snapshot.committed"])
def test_killed_between_two_steps(tmp_path, root, expected, point):
    process = started(source(tmp_path), root, ASSAY_FAULT_POINT=point)
    assert process.wait() == -signal.SIGKILL
    assert list_snapshots(root, "m") == []
    assert_repaired(tmp_path, root, expected)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(tmp_path, root, expected, seed):
    process = started(source(tmp_path), root)
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    process.wait()
    assert_repaired(tmp_path, root, expected)


def test_two_at_once_make_one(tmp_path, root, expected):
    source(tmp_path)
    pair = [started(tmp_path, root, machine) for machine in ("one", "other")]
    assert [process.wait() for process in pair] == [0, 0]
    assert_repaired(tmp_path, root, expected)


def test_a_damaged_file_of_an_interrupted_run_is_made_whole(tmp_path, root, expected, s3_server):
    process = started(source(tmp_path), root, ASSAY_FAULT_POINT="snapshot.committed")
    assert process.wait() == -signal.SIGKILL
    store = store_of(root, "m")
    (name,) = [name for name in store.names("table") if name.endswith(".parquet")]
    half = store.now(f"table/{name}")[0].read_bytes()[:1000]
    if store.shared:
        key = store.place(f"table/{name}").removeprefix(f"s3://{BUCKET}/")
        client(s3_server).put_object(Bucket=BUCKET, Key=key, Body=half)
    else:
        store.now(f"table/{name}")[0].write_bytes(half)
    assert_repaired(tmp_path, root, expected)
