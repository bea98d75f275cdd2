"""Rows that were set aside go with their snapshot, and rows in an object store go like those in a folder."""

import os
import signal
from types import SimpleNamespace
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.data.expiring import FIELDS, FIRST, after, delete, killed_deleting, rows, take
from tests.objects import BUCKET, keys_below, object_store

from assay.core import UserError
from assay.data import cache, expiry, snapshots
from assay.data.quarantine import QuarantineSieve, open_entry, quarantined
from assay.data.snapshots import create_snapshot, open_snapshot
from assay.data.verify import verify_snapshot
from assay.policy import Data

OVER = after(11)


def sifted(folder, bad, *, on=FIRST, purpose="loans", keep_days=10):
    """A snapshot of the rows of `take`, after as many others were set aside."""
    table = pa.concat_tables([rows(), rows(shift=-1000, count=2 * bad)])
    table = table.set_column(0, "id", pa.array(range(table.num_rows)))
    pq.write_table(table, folder / "t.parquet")
    data = Data(**FIELDS, keep_days=keep_days, purpose=purpose)

    def negative(files):
        read = pa.concat_tables([pq.read_table(file) for file in files])
        places = pc.indices_nonzero(pc.less(read["a"], 0)).cast(pa.int64())
        found = pa.table({"row": places, "reasons": ['["negative a"]'] * len(places)})
        reasons = {"negative a": len(places)}
        return SimpleNamespace(read=read.num_rows, rows=len(places), reasons=reasons, found=found)

    sieve = QuarantineSieve(negative, limit=0.9, data=data, model="m")
    now = f"{on.isoformat()}T04:05:06.789Z"
    with (
        mock.patch.object(snapshots, "utc_now", return_value=now),
        mock.patch("assay.data.quarantine.utc_now", return_value=now),
    ):
        return create_snapshot(
            source=data.source, base=folder, data=data, model="m", root=str(folder / "root"), sieve=sieve
        )


def parquet(folder):
    return sorted((folder / "root").rglob("*.parquet"))


def test_rows_that_were_set_aside_go_with_their_snapshot(tmp_path):
    taken = sifted(tmp_path, bad=3)
    (entry,) = quarantined(str(tmp_path / "root"), "m", taken.id)
    assert (entry.rows, len(parquet(tmp_path))) == (6, 2)
    assert {each.snapshot for each in delete(tmp_path, OVER)} == {taken.id, entry.id}
    assert parquet(tmp_path) == []
    with pytest.raises(UserError, match="its rows were deleted on"):
        open_entry(root=str(tmp_path / "root"), model="m", entry_id=entry.id)


def test_what_was_set_aside_goes_when_its_own_time_is_over_and_never_outlives_its_snapshot(tmp_path):
    root = str(tmp_path / "root")
    sifted(tmp_path, bad=3)
    again = sifted(tmp_path, bad=5, on=after(5), purpose="marketing")  # the same clean rows, out of others
    first, second = quarantined(root, "m", again.id)
    assert [each.snapshot for each in delete(tmp_path, OVER)] == [first.id]
    assert verify_snapshot(open_snapshot(root=root, model="m", snapshot_id=again.id)) == []
    assert verify_snapshot(open_entry(root=root, model="m", entry_id=second.id)) == []
    third = sifted(tmp_path, bad=7, on=after(6), purpose="marketing", keep_days=400)
    sifted(tmp_path, bad=8, on=after(7), purpose="marketing", keep_days=1)  # they have thought better of it
    gone = [delete(tmp_path, after(20)) for _ in range(2)]
    assert [gone[0][0].snapshot, third.id] == [again.id, again.id]
    assert parquet(tmp_path) == []


def test_a_deletion_that_was_killed_between_both_is_ended(tmp_path):
    taken = sifted(tmp_path, bad=3)
    assert killed_deleting(tmp_path, OVER, "expiry.deleted") == -signal.SIGKILL
    assert [each.parent.parent.name for each in parquet(tmp_path)] == ["quarantine"]
    (due,) = expiry.overdue(str(tmp_path / "root"), "m", OVER)
    assert (expiry.parent_of(due), due.id != taken.id) == (taken.id, True)
    delete(tmp_path, OVER)
    assert parquet(tmp_path) == []


@pytest.fixture(scope="module")
def store():
    with object_store() as environment:
        yield environment


def test_rows_in_an_object_store_go_and_so_do_their_copies_here(tmp_path, store, monkeypatch):
    for name, value in {**store, "ASSAY_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setitem(os.environ, name, value)
    root = f"s3://{BUCKET}/expiry"
    taken = take(tmp_path, root=root)
    kept = take(tmp_path, rows(shift=1), keep_days=90, root=root)
    copies = [cache.place_of(file["sha256"]) for file in taken.manifest["files"]]
    assert taken.table().equals(rows())
    assert [copy.is_file() for copy in copies] == [True]
    (due,) = expiry.overdue(root, "m", OVER)
    deletion = expiry.delete_rows(due, by="ann", today=OVER)
    assert (deletion.left(), [copy.is_file() for copy in copies]) == ([], [False])
    assert len([name for name in keys_below(store, "expiry/m/table/") if name.endswith(".parquet")]) == 1
    with pytest.raises(UserError, match="its rows were deleted on"):
        open_snapshot(root=root, model="m", snapshot_id=taken.id)
    assert verify_snapshot(open_snapshot(root=root, model="m", snapshot_id=kept.id)) == []
    assert expiry.strays(root, "m") == []  # not looked for where others write
    again = take(tmp_path, on=after(20), root=root)
    assert (again.id, verify_snapshot(again)) == (taken.id, [])
    deletion.end()
    assert verify_snapshot(again) == []


def test_a_model_may_have_the_name_of_the_folder_for_rows_set_aside(tmp_path):
    pq.write_table(rows(), tmp_path / "t.parquet")
    data, root = Data(**FIELDS, keep_days=10), str(tmp_path / "root")
    with mock.patch.object(snapshots, "utc_now", return_value=f"{FIRST.isoformat()}T04:05:06.789Z"):
        create_snapshot(source="t.parquet", base=tmp_path, data=data, model="quarantine", root=root)
    (due,) = expiry.overdue(root, "quarantine", OVER)
    assert expiry.parent_of(due) == due.id
    assert expiry.delete_rows(due, by="ann", today=after(10)) is None
    assert expiry.delete_rows(due, by="ann", today=OVER).left() == []
