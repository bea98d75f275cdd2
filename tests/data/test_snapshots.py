import json
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import UnavailableError, UserError, sha256_file
from assay.data import content
from assay.data.content import canonical_table, content_digest, files_digest
from assay.data.snapshots import create_snapshot, list_snapshots, open_snapshot
from assay.policy import Data

DATA = Data(source="x", key="id", label="y", positive="yes", features=["a"], sensitive=["sex"])
ROWS = {"id": [1, 2, 3, 4], "y": ["yes", "no", None, "no"], "a": [1.0, None, 3.0, 0.5], "sex": ["f", "m", "f", "m"]}
GOOD = pa.table(ROWS | {"y": ["yes", "no", "yes", "no"], "note": [None, "é", "", "x"]})


def save(tmp_path, table=GOOD, name="t.parquet", **options):
    pq.write_table(table, tmp_path / name, **options)
    return tmp_path / name


def create(tmp_path, source):
    return create_snapshot(source=source, data=DATA, model="loan", root=str(tmp_path / "root"))


def reopen(tmp_path, snapshot_id):
    return open_snapshot(root=str(tmp_path / "root"), model="loan", snapshot_id=snapshot_id)


def kept(tmp_path):
    """Every file but those that tell when the rows were taken again."""
    every = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and "takings" not in path.parts]
    return {path: sha256_file(path) for path in every}


def test_a_snapshot_holds_every_column_and_row_in_order(tmp_path):
    snapshot = reopen(tmp_path, create(tmp_path, save(tmp_path)).id)
    assert snapshot.rows == 4
    assert snapshot.table().equals(GOOD)
    assert snapshot.table(["sex", "id"]).equals(GOOD.select(["sex", "id"]))
    assert all(path.is_absolute() for path in snapshot.files())


def test_the_manifest_pins_source_and_files(tmp_path):
    source = save(tmp_path)
    snapshot = create(tmp_path, source)
    manifest = json.loads((tmp_path / "root/loan/manifests" / f"{snapshot.id}.json").read_text())
    assert manifest == snapshot.manifest
    assert manifest["source_sha256"] == sha256_file(source)
    assert snapshot.id == f"loan-{manifest['content_sha256'][:16]}"
    for file, path in zip(manifest["files"], snapshot.files(), strict=True):
        assert (file["sha256"], file["bytes"]) == (sha256_file(path), path.stat().st_size)


def test_the_same_content_is_the_same_snapshot_and_is_not_written_again(tmp_path):
    first = create(tmp_path, save(tmp_path))
    before = kept(tmp_path)
    rewritten = save(tmp_path, name="other.parquet", compression="zstd", row_group_size=1)
    again = create(tmp_path, rewritten)
    assert (again.id, again.manifest, again.manifest_sha256) == (first.id, first.manifest, first.manifest_sha256)
    assert kept(tmp_path) == before


def test_each_content_is_a_version_that_stays(tmp_path):
    first = create(tmp_path, save(tmp_path))
    more = GOOD.append_column("extra", pa.array([1, 2, 3, 4]))
    second = create(tmp_path, save(tmp_path, more))
    assert [each.id for each in list_snapshots(str(tmp_path / "root"), "loan")] == [first.id, second.id]
    assert reopen(tmp_path, first.id).table().equals(GOOD)
    assert reopen(tmp_path, second.id).table().equals(more)


def test_delta_readers_see_the_version(tmp_path):
    from deltalake import DeltaTable

    create(tmp_path, save(tmp_path))
    second = create(tmp_path, save(tmp_path, GOOD.slice(0, 3)))
    table = DeltaTable(tmp_path / "root/loan/table", version=second.manifest["table_version"])
    assert table.to_pyarrow_table().equals(GOOD.slice(0, 3))


def test_a_run_that_broke_before_the_manifest_is_repaired_by_running_again(tmp_path):
    source = save(tmp_path)
    first = create(tmp_path, source)
    (tmp_path / "root/loan/manifests" / f"{first.id}.json").unlink()
    assert list_snapshots(str(tmp_path / "root"), "loan") == []
    again = create(tmp_path, source)
    assert (again.id, again.files()) == (first.id, first.files())


def test_a_changed_file_is_named(tmp_path):
    snapshot = create(tmp_path, save(tmp_path))
    file = snapshot.files()[0]
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UserError, match=f"{file.name}: was changed"):
        reopen(tmp_path, snapshot.id)
    file.unlink()
    with pytest.raises(UserError, match=f"{file.name}: is missing"):
        create(tmp_path, save(tmp_path))


def test_an_unknown_snapshot_is_named_with_the_nearest(tmp_path):
    snapshot = create(tmp_path, save(tmp_path))
    with pytest.raises(UserError, match=f'did you mean "{snapshot.id}"'):
        reopen(tmp_path, snapshot.id[:-1])


def test_an_id_is_never_a_path(tmp_path):
    (tmp_path / "root/loan").mkdir(parents=True)
    (tmp_path / "root/loan/manifests").mkdir()
    (tmp_path / "root/loan/other.json").write_text("{}")
    with pytest.raises(UserError, match="no such snapshot"):
        reopen(tmp_path, "../other")


def test_a_broken_manifest_is_named(tmp_path):
    snapshot = create(tmp_path, save(tmp_path))
    (tmp_path / "root/loan/manifests" / f"{snapshot.id}.json").write_text("{")
    with pytest.raises(UserError, match="is not a snapshot manifest"):
        reopen(tmp_path, snapshot.id)


def test_a_source_that_breaks_the_policy_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="label is null"):
        create(tmp_path, save(tmp_path, pa.table(ROWS)))
    assert not (tmp_path / "root").exists()


def test_an_absent_column_of_a_snapshot_is_named(tmp_path):
    with pytest.raises(UserError, match='did you mean "sex"'):
        create(tmp_path, save(tmp_path)).table(["sexx"])


def test_a_root_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "root").write_text("a file where a folder should be")
    with pytest.raises(UnavailableError, match="writing a snapshot of loan failed"):
        create(tmp_path, save(tmp_path))


FULL_DISK = """
import resource, sys
from pathlib import Path
from assay.core import UnavailableError
from assay.data.snapshots import create_snapshot
from assay.policy import Data
data = Data(source="x", key="id", label="y", positive="yes", features=["a"], sensitive=["a"])
resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    create_snapshot(source=Path(sys.argv[1]), data=data, model="loan", root=sys.argv[2])
except UnavailableError as error:
    print(error)
    sys.exit(4)
"""


@pytest.mark.parametrize("limit", [0, 50, 5_000])
def test_a_disk_that_fills_up_is_unavailable_and_registers_nothing(tmp_path, limit):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    source = save(tmp_path, pa.table({"id": range(20_000), "y": ["yes", "no"] * 10_000, "a": range(20_000)}))
    command = [sys.executable, "-c", FULL_DISK.replace("BYTES", str(limit)), str(source), str(tmp_path / "root")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 4, run.stderr
    assert "snapshot of loan failed" in run.stdout
    assert list_snapshots(str(tmp_path / "root"), "loan") == []
    data = Data(source="x", key="id", label="y", positive="yes", features=["a"], sensitive=["a"])
    repaired = create_snapshot(source=source, data=data, model="loan", root=str(tmp_path / "root"))
    assert repaired.table().equals(pq.read_table(source))


def test_a_manifest_that_cannot_be_written_leaves_no_snapshot(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnavailableError, match="No space left"):
        create(tmp_path, save(tmp_path))
    assert list_snapshots(str(tmp_path / "root"), "loan") == []


cells = {
    pa.int64(): st.none() | st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.none() | st.floats(allow_nan=False),
    pa.string(): st.none() | st.text(max_size=4),
    pa.bool_(): st.none() | st.booleans(),
}


@st.composite
def tables(draw):
    n = draw(st.integers(1, 12))
    types = draw(st.lists(st.sampled_from(list(cells)), min_size=1, max_size=4))
    columns = [pa.array(draw(st.lists(cells[type_], min_size=n, max_size=n)), type_) for type_ in types]
    return pa.table(columns, names=[f"c{i}" for i in range(len(types))])


@given(tables(), st.integers(0, 12))
def test_the_digest_does_not_see_chunks(table, cut):
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    assert content_digest(chunked) == content_digest(table)


@given(tables(), st.integers(0, 12), st.integers(1, 5), st.integers(1, 4))
def test_files_read_piece_by_piece_have_the_digest_of_their_rows(tmp_path_factory, table, cut, window, wide):
    folder = tmp_path_factory.mktemp("parts")
    paths = [folder / "0.parquet", folder / "1.parquet"]
    for part, path in zip((table.slice(0, cut), table.slice(cut)), paths, strict=True):
        pq.write_table(part, path, row_group_size=2)
    read = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(content, "_WINDOW", window)
        patched.setattr(content, "_WIDE", wide)
        assert files_digest(paths, read.append) == content_digest(canonical_table(table, "x"))
    assert sum(read) == table.num_rows


@given(tables(), tables())
def test_different_tables_have_different_digests(one, other):
    # compared as text, where -0.0 is not 0.0
    same = one.schema == other.schema and str(one.to_pylist()) == str(other.to_pylist())
    assert (content_digest(one) == content_digest(other)) == same


def test_storage_types_do_not_change_the_digest():
    plain = pa.table({"t": ["a", None, "b"], "n": [1, 2, None]})
    other = pa.table(
        {
            "t": plain["t"].cast(pa.large_string()).dictionary_encode(),
            "n": plain["n"].cast(pa.uint16()),
        }
    )
    assert content_digest(canonical_table(other, "x")) == content_digest(canonical_table(plain, "x"))


def test_what_a_snapshot_cannot_hold_is_listed():
    table = pa.table({"tags": [["a"]], "big": pa.array([2**64 - 1], pa.uint64()), "ok": [1]})
    with pytest.raises(UserError) as caught:
        canonical_table(table, "x")
    assert [problem.path for problem in caught.value.problems] == ["tags", "big"]
