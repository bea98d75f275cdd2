"""Rows go when no purpose keeps them, whatever is killed on the way; what they were stays told."""

import json
import signal
from contextlib import nullcontext

import pytest
from deltalake import DeltaTable
from tests.data.expiring import after, delete, killed_deleting, killed_taking, parquet, rows, staged, take

from assay.core import UnavailableError, UserError, sha256_bytes
from assay.data import expiry, snapshots, staging
from assay.data.snapshots import find_snapshot, list_snapshots, open_snapshot
from assay.data.verify import verify_snapshot

OVER = after(11)


def root(tmp_path):
    return str(tmp_path / "root")


def find(tmp_path, taken):
    return find_snapshot(root=root(tmp_path), model="m", snapshot_id=taken.id)


def refused(tmp_path, taken):
    with pytest.raises(UserError) as raised:
        open_snapshot(root=root(tmp_path), model="m", snapshot_id=taken.id)
    (problem,) = raised.value.problems
    return problem.message


def test_rows_go_on_the_day_after_the_last_one(tmp_path):
    taken = take(tmp_path)
    manifest = (tmp_path / f"root/m/manifests/{taken.id}.json").read_bytes()
    assert expiry.overdue(root(tmp_path), "m", after(10)) == []
    assert delete(tmp_path, after(10)) == []
    (tombstone,) = delete(tmp_path, OVER)
    assert (tombstone.snapshot, tombstone.by, tombstone.keep_until) == (taken.id, "ann", after(10).isoformat())
    assert (tombstone.rows, tombstone.bytes) == (40, taken.manifest["files"][0]["bytes"])
    assert parquet(tmp_path) == []
    assert (tmp_path / f"root/m/manifests/{taken.id}.json").read_bytes() == manifest == tombstone.manifest.encode()
    assert sha256_bytes(manifest) == tombstone.manifest_sha256
    message = (
        f"its rows were deleted on {tombstone.at[:10]} as data.keep_days asked: they might be kept until 2026-03-11"
    )
    assert refused(tmp_path, taken) == message
    assert find(tmp_path, taken).tombstone == tombstone
    assert verify_snapshot(find(tmp_path, taken)) == []
    assert delete(tmp_path, OVER) == []


def test_rows_without_a_day_and_those_whose_day_is_to_come_stay(tmp_path):
    for table, days in ((rows(), None), (rows(shift=1), 90), (rows(shift=2), 10)):
        last = take(tmp_path, table, keep_days=days)
    assert [each.snapshot for each in delete(tmp_path, OVER)] == [last.id]
    kept = [each for each in list_snapshots(root(tmp_path), "m") if each.tombstone is None]
    assert len(kept) == 2
    for each in kept:
        assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=each.id)) == []


def test_the_longest_overdue_come_first(tmp_path):
    ids = [take(tmp_path, rows(shift=days), keep_days=days).id for days in (5, 1, 3)]
    assert [each.id for each in expiry.overdue(root(tmp_path), "m", OVER)] == [ids[1], ids[2], ids[0]]


def test_rows_taken_again_since_somebody_looked_stay(tmp_path):
    (due,) = (take(tmp_path), expiry.overdue(root(tmp_path), "m", OVER))[1]
    take(tmp_path, on=after(8), purpose="marketing")
    assert expiry.delete_rows(due, by="ann", today=OVER) is None
    assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=due.id)) == []
    assert not (tmp_path / "root/m/expired").exists()


@pytest.fixture
def elsewhere(monkeypatch):
    """Take rows as another machine would, which the lock here does not stop."""

    def act(tmp_path):
        with monkeypatch.context() as patched:
            patched.setattr(staging, "_locked", lambda *_: nullcontext())
            return take(tmp_path, on=after(8))

    return act


@pytest.mark.parametrize("first", ["taken", "buried"])
def test_rows_that_another_machine_takes_at_that_very_moment_stay(tmp_path, monkeypatch, elsewhere, first):
    (due,) = (take(tmp_path), expiry.overdue(root(tmp_path), "m", OVER))[1]
    written = expiry.Tombstone.write

    def write(self, store):
        if first == "taken":
            elsewhere(tmp_path)
        written(self, store)
        if first == "buried":
            elsewhere(tmp_path)

    monkeypatch.setattr(expiry.Tombstone, "write", write)
    deletion = expiry.delete_rows(due, by="ann", today=OVER)
    assert (deletion is None) == (first == "taken")  # in the other case these were new rows, and the old ones went
    kept = open_snapshot(root=root(tmp_path), model="m", snapshot_id=due.id)
    assert (kept.keep_until, verify_snapshot(kept)) == (after(18).isoformat(), [])
    assert len(parquet(tmp_path)) == 1


def test_rows_taken_again_while_they_are_deleted_are_refused_and_taken_once_more(tmp_path, monkeypatch):
    (due,) = (take(tmp_path), expiry.overdue(root(tmp_path), "m", OVER))[1]
    buried = expiry.Tombstone(
        snapshot=due.id, manifest_sha256=due.manifest_sha256, keep_until=due.keep_until, by="ann",
        at="2026-03-12T00:00:00Z", rows=40, bytes=0, files=(),
        manifest=(tmp_path / f"root/m/manifests/{due.id}.json").read_text(),
    )  # fmt: skip
    monkeypatch.setattr(snapshots, "add_taking", lambda store, *_: buried.write(store))
    with pytest.raises(UnavailableError, match="are being deleted"):
        take(tmp_path, on=after(8))
    monkeypatch.undo()
    assert take(tmp_path, on=after(8)).manifest_sha256 != due.manifest_sha256


def test_the_same_rows_may_be_taken_again_after_they_were_deleted(tmp_path):
    first = take(tmp_path)
    take(tmp_path, rows(shift=1), keep_days=90)
    (tombstone,) = delete(tmp_path, OVER)
    again = take(tmp_path, on=after(20))
    assert again.id == first.id
    assert again.manifest_sha256 != first.manifest_sha256
    assert [each["extracted_at"][:10] for each in again.takings] == ["2026-03-21"]
    opened = open_snapshot(root=root(tmp_path), model="m", snapshot_id=again.id)
    assert (opened.table().equals(rows()), verify_snapshot(opened)) == (True, [])
    (second,) = delete(tmp_path, after(31))
    assert {each.tombstone.place for each in expiry.deletions(root(tmp_path), "m")} == {tombstone.place, second.place}
    assert take(tmp_path, on=after(40)).table().equals(rows())


def test_delta_goes_on_after_its_rows_were_deleted(tmp_path):
    take(tmp_path)
    delete(tmp_path, OVER)
    later = take(tmp_path, rows(shift=1), on=after(12))
    table = DeltaTable(tmp_path / "root/m/table")
    assert table.to_pyarrow_table().sort_by("id").equals(rows(shift=1))
    assert len(table.history()) == 2
    assert later.manifest["table_version"] == 1


@pytest.mark.parametrize("point", ["expiry.buried", "expiry.half_deleted", "expiry.deleted"])
def test_killed_in_between_it_says_what_happened_and_is_ended_by_doing_it_again(tmp_path, point):
    taken = take(tmp_path)
    other = take(tmp_path, rows(shift=1), keep_days=90)
    assert killed_deleting(tmp_path, OVER, point) == -signal.SIGKILL
    assert refused(tmp_path, taken).startswith("its rows were deleted on")
    (begun,) = expiry.deletions(root(tmp_path), "m")
    assert begun.tombstone.by == "night"
    assert len(begun.left()) == (point == "expiry.buried")
    assert [each.message for each in verify_snapshot(find(tmp_path, taken))] == [
        "is still there, though its rows were deleted"
    ] * len(begun.left())
    begun.end()
    begun.end()
    assert (begun.left(), len(parquet(tmp_path)), verify_snapshot(find(tmp_path, taken))) == ([], 1, [])
    assert [each.tombstone for each in expiry.deletions(root(tmp_path), "m")] == [begun.tombstone]
    assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=other.id)) == []


def test_what_a_kill_left_of_a_deletion_does_not_keep_the_rows_from_being_taken_again(tmp_path):
    taken = take(tmp_path)
    assert killed_deleting(tmp_path, OVER, "expiry.buried") == -signal.SIGKILL
    again = take(tmp_path, on=after(20))
    (begun,) = expiry.deletions(root(tmp_path), "m")
    begun.end()
    assert (again.id, len(parquet(tmp_path))) == (taken.id, 1)
    assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=again.id)) == []


def test_a_file_that_two_snapshots_name_stays_with_the_one_that_is_kept(tmp_path):
    kept = take(tmp_path, rows(shift=1), keep_days=90)
    taken = take(tmp_path)
    path = tmp_path / f"root/m/manifests/{taken.id}.json"
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps({**told, "files": [*told["files"], *kept.manifest["files"]]}))
    (tombstone,) = delete(tmp_path, OVER)
    assert tombstone.files == (told["files"][0]["path"],)
    assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=kept.id)) == []


@pytest.mark.parametrize("deleted_before", [False, True])
@pytest.mark.parametrize("point", ["snapshot.staged", "snapshot.moved", "snapshot.committed"])
def test_what_a_killed_taking_has_left_of_rows_goes_too_and_may_be_taken_again(tmp_path, point, deleted_before):
    other = take(tmp_path, rows(shift=1), keep_days=90)
    if deleted_before:
        take(tmp_path)
        delete(tmp_path, OVER)
    assert killed_taking(tmp_path, point) == -signal.SIGKILL
    assert (len(expiry.strays(root(tmp_path), "m")), len(staged(tmp_path))) == (point != "snapshot.staged", 1)
    swept = expiry.sweep(root(tmp_path), "m")
    assert len(swept) == (point != "snapshot.staged")
    assert (expiry.strays(root(tmp_path), "m"), staged(tmp_path), len(parquet(tmp_path))) == ([], [], 1)
    again = take(tmp_path, on=after(20))
    for each in (again, other):
        assert verify_snapshot(open_snapshot(root=root(tmp_path), model="m", snapshot_id=each.id)) == []
    assert (len(parquet(tmp_path)), expiry.sweep(root(tmp_path), "m")) == (2, [])
