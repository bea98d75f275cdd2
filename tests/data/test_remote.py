"""Snapshots whose root is in an object store: the same as in a folder, with copies here that are never trusted."""

import json
import threading
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.objects import BUCKET, client, keys_below
from typer.testing import CliRunner

from assay.cli import app
from assay.core import UnavailableError, UserError
from assay.data import cache, expiry, snapshots, table
from assay.data.diff import diff
from assay.data.sieve import Sieve
from assay.data.snapshots import create_snapshot, find_snapshot, list_snapshots, models_with_snapshots, open_snapshot
from assay.data.store_remote import RemoteStore
from assay.data.verify import verify_snapshot
from assay.policy import Data

DATA = Data(source="x", key="id", label="y", positive="yes", features=["a"], sensitive=["sex"])
FOR_A_DAY = DATA.model_copy(update={"keep_days": 1})
GOOD = pa.table({"id": range(200), "y": ["yes", "no"] * 100, "a": [i / 3 for i in range(200)], "sex": ["f", "m"] * 100})


def take(tmp_path, root, rows=GOOD, data=DATA, **how):
    source = tmp_path / f"{tmp_path.name}-{rows.num_rows}.parquet"  # two takings at one instant differ by their source
    pq.write_table(rows, source)
    return create_snapshot(source=source, data=data, model="loan", root=root, **how)


def key_of(root, path):
    return f"{root.removeprefix(f's3://{BUCKET}/')}/loan/{path}"


def spoil(s3_server, root, path):
    """Change a byte of a file in the store."""
    found = client(s3_server).get_object(Bucket=BUCKET, Key=key_of(root, path))["Body"].read()
    client(s3_server).put_object(Bucket=BUCKET, Key=key_of(root, path), Body=bytes([found[0] ^ 1]) + found[1:])


def test_it_is_the_snapshot_that_a_folder_would_have(tmp_path, remote_root):
    taken, local = take(tmp_path, remote_root), take(tmp_path, str(tmp_path / "root"))
    times = ("files", "extracted_at", "created_at")
    assert {k: v for k, v in taken.manifest.items() if k not in times} == {
        k: v for k, v in local.manifest.items() if k not in times
    }
    assert [(f["sha256"], f["bytes"]) for f in taken.manifest["files"]] == [
        (f["sha256"], f["bytes"]) for f in local.manifest["files"]
    ]
    opened = open_snapshot(root=f"{remote_root}/", model="loan", snapshot_id=taken.id)
    assert (opened, opened.manifest_sha256) == (taken, taken.manifest_sha256)
    assert opened.table().equals(GOOD)
    assert all(path.is_file() for path in opened.files())
    assert verify_snapshot(opened) == []


def test_each_content_is_a_version_that_delta_readers_see(tmp_path, remote_root):
    from deltalake import DeltaTable

    first, second = take(tmp_path, remote_root), take(tmp_path, remote_root, GOOD.slice(0, 60))
    again = take(tmp_path, remote_root)
    assert [each.id for each in list_snapshots(remote_root, "loan")] == [first.id, second.id]
    assert (again.id, len(again.takings)) == (first.id, 2)
    assert models_with_snapshots(remote_root) == ["loan"]
    for each, rows in ((first, 200), (second, 60)):
        options = {"allow_http": "true"}
        seen = DeltaTable(f"{remote_root}/loan/table", version=each.manifest["table_version"], storage_options=options)
        assert seen.to_pyarrow_table().equals(GOOD.slice(0, rows))
    assert diff(first, second).rows == (200, 60)


def test_a_manifest_names_no_door_and_no_machine(tmp_path, s3_server, remote_root):
    taken = take(tmp_path, remote_root)
    told = json.dumps(dict(taken.manifest)) + repr(taken)
    assert not [value for name, value in s3_server.items() if name != "AWS_REGION" and value in told]


def test_copies_are_checked_and_fetched_again(tmp_path, remote_root):
    taken = take(tmp_path, remote_root)
    (copy,) = taken.files()
    copy.write_bytes(b"damaged")
    assert open_snapshot(root=remote_root, model="loan", snapshot_id=taken.id).table().equals(GOOD)
    copy.unlink()
    (found,) = list_snapshots(remote_root, "loan")
    assert found.table().equals(GOOD)


def test_a_damaged_file_in_the_store_is_named(tmp_path, s3_server, remote_root):
    taken = take(tmp_path, remote_root)
    (file,) = taken.manifest["files"]
    place = f"{remote_root}/loan/{file['path']}"
    spoil(s3_server, remote_root, file["path"])
    assert [str(each) for each in verify_snapshot(taken)] == [f"{place}: was changed since the snapshot was made"]
    cache.place_of(file["sha256"]).unlink()
    for ask in (taken.files, taken.table, lambda: reopened(remote_root, taken.id)):
        with pytest.raises(UserError, match=f"{place}: was changed"):
            ask()
    client(s3_server).delete_object(Bucket=BUCKET, Key=key_of(remote_root, file["path"]))
    with pytest.raises(UserError, match=f"{place}: is missing"):
        reopened(remote_root, taken.id)


def reopened(root, snapshot_id):
    return open_snapshot(root=root, model="loan", snapshot_id=snapshot_id)


def test_a_damaged_manifest_and_an_absent_one_are_named(tmp_path, s3_server, remote_root):
    taken = take(tmp_path, remote_root)
    with pytest.raises(UserError, match=f'{remote_root}: no such snapshot .did you mean "{taken.id}"'):
        reopened(remote_root, taken.id[:-1] + "0")
    spoil(s3_server, remote_root, f"manifests/{taken.id}.json")
    with pytest.raises(UserError, match=rf"{remote_root}/loan/manifests/{taken.id}\.json: is not a snapshot manifest"):
        find_snapshot(root=remote_root, model="loan", snapshot_id=taken.id)


def test_a_source_that_breaks_the_policy_leaves_nothing(tmp_path, s3_server, remote_root):
    with pytest.raises(UserError, match="a: no such column"):
        take(tmp_path, remote_root, GOOD.drop_columns("a"))
    assert list_snapshots(remote_root, "loan") == []
    assert keys_below(s3_server, key_of(remote_root, "")) == [key_of(remote_root, ".assay")]
    assert not list((tmp_path / "home").rglob("*.parquet"))


def test_what_was_not_written_as_it_was_read_is_not_registered(tmp_path, s3_server, remote_root, monkeypatch):
    bring = RemoteStore.bring

    def bring_and_spoil(store, file, path):
        bring(store, file, path)
        spoil(s3_server, remote_root, path)

    with monkeypatch.context() as patched:
        patched.setattr(RemoteStore, "bring", bring_and_spoil)
        with pytest.raises(UnavailableError, match="what was written is not what was read"):
            take(tmp_path, remote_root)
    assert list_snapshots(remote_root, "loan") == []
    taken = take(tmp_path, remote_root)  # the same version of the table, whole now
    assert taken.manifest["table_version"] == 0
    assert verify_snapshot(taken) == []


class Recompressed(Sieve):
    """Gives the same rows in other bytes, as another release of Arrow may."""

    def sift(self, staged, place):
        for path in staged:
            pq.write_table(pq.read_table(path), path, compression="zstd")
        return list(staged)


def meet(monkeypatch, owner, name):
    """Let two that come to a function go on only when both are there, the first time that each comes."""
    both, function, come = threading.Barrier(2), getattr(owner, name), set()

    def waiting(*given, **more):
        if threading.get_ident() not in come and len(come) < 2 and given[1:2] != (".assay",):
            come.add(threading.get_ident())
            both.wait(8)
        return function(*given, **more)

    monkeypatch.setattr(owner, name, waiting)


@pytest.mark.parametrize("other_bytes", [False, True])
@pytest.mark.parametrize(
    ("owner", "name"), [(snapshots, "commit"), (table, "_write"), (table, "_holding"), (RemoteStore, "exchange")]
)
def test_two_machines_that_take_the_same_rows_leave_one_snapshot(
    tmp_path, s3_server, remote_root, monkeypatch, owner, name, other_bytes
):
    taken = raced(tmp_path, remote_root, monkeypatch, (owner, name), [GOOD, GOOD], other_bytes=other_bytes)
    assert len({(each.id, each.manifest_sha256) for each in taken}) == 1
    assert sorted(len(each.takings) for each in taken) == [1, 2]
    assert [each.id for each in list_snapshots(remote_root, "loan")] == [taken[0].id]
    for path in (tmp_path / "home/cache/snapshots/files").iterdir():
        path.unlink()
    assert verify_snapshot(reopened(remote_root, taken[0].id)) == []
    if not other_bytes:
        kept = [key for key in keys_below(s3_server, key_of(remote_root, "table/")) if not key.endswith("_checkpoint")]
        assert len(kept) == 2  # one version, one file


def test_two_machines_that_take_different_rows_leave_both(tmp_path, remote_root, monkeypatch):
    taken = raced(tmp_path, remote_root, monkeypatch, (table, "_write"), [GOOD, GOOD.slice(0, 50)])
    assert {each.manifest["table_version"] for each in taken} == {0, 1}
    for each in list_snapshots(remote_root, "loan"):
        assert verify_snapshot(each) == []


def test_two_machines_that_take_deleted_rows_anew_leave_one_manifest(tmp_path, remote_root, monkeypatch):
    kept = take(tmp_path, remote_root, data=FOR_A_DAY)
    over = kept.taken_at.date() + timedelta(days=2)
    (due,) = expiry.overdue(remote_root, "loan", over)
    gone = expiry.delete_rows(due, by="night", today=over)
    assert gone.left() == []
    with pytest.raises(UserError, match="its rows were deleted"):
        reopened(remote_root, kept.id)
    taken = raced(tmp_path, remote_root, monkeypatch, (RemoteStore, "exchange"), [GOOD, GOOD])
    assert {each.id for each in taken} == {kept.id}
    assert len({each.manifest_sha256 for each in [*taken, kept]}) == 2
    assert verify_snapshot(reopened(remote_root, kept.id)) == []


def raced(tmp_path, root, monkeypatch, where, tables, *, other_bytes=False):
    """Take two snapshots at once, each on a machine of its own as far as locks go."""
    meet(monkeypatch, *where)
    monkeypatch.setattr(cache, "workspace", lambda _: tmp_path / f"machine-{threading.current_thread().name}")
    taken, failed = [], []

    def run(at):
        folder = tmp_path / str(at)
        folder.mkdir()
        try:
            taken.append(take(folder, root, tables[at], sieve=Recompressed() if at and other_bytes else None))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(at,), name=str(at)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    return taken


def test_the_commands_take_a_url(tmp_path, remote_root, monkeypatch):
    taken, less = take(tmp_path, remote_root), take(tmp_path, remote_root, GOOD.slice(0, 60))
    monkeypatch.setenv("ASSAY_SNAPSHOTS", remote_root)

    def run(*words, code=0):
        result = CliRunner().invoke(app, ["snapshot", *words, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    assert [each["id"] for each in run("list")] == [taken.id, less.id]
    assert run("show", taken.id)["id"] == taken.id
    assert run("diff", taken.id, less.id)["rows"] == [200, 60]
    assert [each["sound"] for each in run("verify")] == [True, True]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    down = CliRunner().invoke(app, ["snapshot", "show", taken.id])
    assert down.exit_code == 4
    assert "Traceback" not in down.output
