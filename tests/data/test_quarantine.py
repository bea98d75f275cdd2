"""Rows set aside on their way into a snapshot: none is lost, and the rest is what it would be without them."""

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core import UnavailableError, UserError
from assay.data.expiry import delete_rows
from assay.data.quarantine import QuarantineSieve, Sifted, find_entry, open_entry, quarantined
from assay.data.sifting import REASONS, SNAPSHOT, part
from assay.data.snapshots import create_snapshot, list_snapshots
from assay.data.verify import verify_quarantined, verify_snapshot
from assay.policy import Data

DATA = Data(source="t.parquet", key="id", label="y", positive="yes", features=["a"], sensitive=["a"], keep_days=30)
NEGATIVE = '["negative a"]'


@dataclass
class Found:
    read: int
    rows: int
    reasons: dict = field(default_factory=dict)
    found: pa.Table | None = None


def negative(files):
    """Objects to negative numbers, as long as they are at most a tenth."""
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    places = pc.indices_nonzero(pc.less(rows["a"], 0)).cast(pa.int64())
    bad, many = len(places), len(places) > rows.num_rows / 10
    table = pa.table({"row": places, "reasons": pa.array([NEGATIVE] * bad).dictionary_encode()})
    return Found(rows.num_rows, bad, {"negative a": bad} if bad else {}, None if many or not bad else table)


def table(numbers):
    return pa.table(
        {"id": range(len(numbers)), "y": ["yes", "no", "yes", "no", "no"] * (len(numbers) // 5), "a": numbers}
    )


def take(folder, rows, sieve=None, root=None):
    pq.write_table(rows, folder / "t.parquet")
    sieve = sieve or QuarantineSieve(negative, limit=0.1, data=DATA, model="m")
    root = root or str(folder / "root")
    return create_snapshot(source="t.parquet", base=folder, data=DATA, model="m", root=root, sieve=sieve)


def kept_of(rows):
    return rows.filter(pc.greater_equal(rows["a"], 0))


def told(snapshot):
    return snapshot.takings[-1]["quarantine"]


BAD = table([float(-i if i % 25 == 3 else i) for i in range(50)])  # rows 3 and 28


def test_the_rest_is_the_snapshot_and_the_bad_rows_are_kept_with_their_reasons(tmp_path):
    taken, root = take(tmp_path, BAD), str(tmp_path / "root")
    assert taken.table() == kept_of(BAD)
    (entry,) = quarantined(root, "m", taken.id)
    rows = entry.table().to_pylist()
    assert [(row["id"], row["a"], row[REASONS], row[SNAPSHOT]) for row in rows] == [
        (3, -3.0, NEGATIVE, taken.id), (28, -28.0, NEGATIVE, taken.id),
    ]  # fmt: skip
    facts = told(taken)
    assert {name: facts[name] for name in facts if name != "entry"} == {
        "limit": 0.1, "rows_read": 50, "rows_bad": 2, "rows_set_aside": 2, "reasons": {"negative a": 2},
    }  # fmt: skip
    assert facts["entry"]["id"] == entry.id
    assert taken.manifest["quarantine"] == facts
    assert entry.keep_until == taken.keep_until
    assert [*verify_snapshot(taken), *verify_snapshot(entry)] == []


def test_the_same_rows_make_one_entry_and_other_rows_another_beside_the_same_snapshot(tmp_path):
    first, again = take(tmp_path, BAD), take(tmp_path, BAD)
    assert told(again) == told(first)
    other = BAD.set_column(2, "a", pc.if_else(pc.less(BAD["a"], 0), pc.subtract(BAD["a"], 1), BAD["a"]))
    third = take(tmp_path, other)
    assert third.id == again.id == first.id
    assert third.manifest == first.manifest  # which tells of the first taking; each taking tells its own
    assert told(third)["entry"]["id"] != told(first)["entry"]["id"]
    clean = take(tmp_path, kept_of(BAD))
    assert clean.id == first.id
    assert (told(clean)["rows_read"], told(clean)["entry"]) == (48, None)
    assert [each.manifest["table_version"] for each in quarantined(str(tmp_path / "root"), "m", first.id)] == [0, 1]
    assert len(list_snapshots(str(tmp_path / "root"), "m")) == 1


@pytest.mark.parametrize("rows", [table([float(i - 6) for i in range(50)]), table([-1.0] * 50)])
def test_too_many_bad_rows_stay_where_they_are(tmp_path, rows):
    taken = take(tmp_path, rows)
    assert taken.table() == rows
    assert quarantined(str(tmp_path / "root"), "m") == []
    assert (told(taken)["rows_bad"] > 5, told(taken)["rows_set_aside"], told(taken)["entry"]) == (True, 0, None)


@settings(max_examples=12, deadline=None)
@given(st.sets(st.integers(0, 99), max_size=10))
def test_any_bad_rows_leave_the_snapshot_that_the_clean_source_makes(places):
    rows = table([float(-1 if i in places else i) for i in range(100)])
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        taken = take(Path(one), rows)
        assert taken.id == take(Path(other), kept_of(rows)).id
        aside = told(taken)["rows_set_aside"]
        assert taken.rows + aside == told(taken)["rows_read"] == 100
        assert aside == len(places)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=4), st.integers(1, 9))
def test_parting_keeps_every_row_once_and_in_its_order(files, group):
    bad = [each for file in files for each in file]
    places = [place for place, each in enumerate(bad) if each]
    found = pa.table(
        {"row": pa.array(places, pa.int64()), "reasons": pa.array([f"[{p}]" for p in places], pa.string())}
    )
    with TemporaryDirectory() as folder:
        staged, at = [], 0
        for number, file in enumerate(files):
            staged.append(Path(folder) / f"{number}.parquet")
            pq.write_table(pa.table({"n": range(at, at + len(file))}), staged[-1], row_group_size=group)
            at += len(file)
        kept, aside = part(staged, found, Path(folder), "rows")
        rest = [n for file in kept for n in pq.read_table(file)["n"].to_pylist()]
        apart = [row for file in aside for row in pq.read_table(file).to_pylist()]
    assert rest == [place for place, each in enumerate(bad) if not each]
    assert [(row["n"], row[REASONS]) for row in apart] == [(place, f"[{place}]") for place in places]


@pytest.mark.parametrize("places", [[48, 49, 50], [-1], [3, 3]])
def test_places_that_are_not_there_leave_nothing(tmp_path, places):
    def wrong(files):
        rows = pa.table({"row": pa.array(places, pa.int64()), "reasons": ["x"] * len(places)})
        return Found(50, len(places), {}, rows)

    with pytest.raises(UnavailableError):
        take(tmp_path, BAD, QuarantineSieve(wrong, limit=0.1, data=DATA, model="m"))
    assert not (tmp_path / "root").exists()


def test_a_column_with_the_name_of_the_reasons_is_refused(tmp_path):
    with pytest.raises(UserError, match="has a column quarantine_reasons"):
        take(tmp_path, BAD.append_column(REASONS, pa.array(["x"] * 50)))
    assert not (tmp_path / "root").exists()


def test_rows_that_were_deleted_in_time_are_told_of_and_no_loss(tmp_path):
    taken, root = take(tmp_path, BAD), str(tmp_path / "root")
    facts, (entry,) = told(taken), quarantined(root, "m")
    over = date.fromisoformat(entry.keep_until) + timedelta(days=1)
    assert delete_rows(entry, by="ann", today=over) is not None
    sifted = Sifted.of(facts, root=root, model="m")
    assert (sifted.facts(), sifted.entry) == (facts, None)
    with pytest.raises(UserError, match="were deleted"):
        sifted.files()
    assert verify_quarantined(root, taken) == []
    again = take(tmp_path, BAD)
    assert told(again)["entry"]["id"] == entry.id
    assert told(again)["entry"]["manifest_sha256"] != facts["entry"]["manifest_sha256"]
    assert [Sifted.of(each, root=root, model="m").facts() for each in (facts, told(again))] == [facts, told(again)]
    assert verify_quarantined(root, again) == []


def test_rows_are_set_aside_in_an_object_store_as_in_a_folder(tmp_path, remote_root):
    local, taken = take(tmp_path, BAD), take(tmp_path, BAD, root=remote_root)
    again = take(tmp_path, BAD, root=f"{remote_root}/")
    pinned = [told(each)["entry"] for each in (local, taken, again)]
    assert len({(each["id"], each["content_sha256"], each["table_version"]) for each in pinned}) == 1
    (entry,) = quarantined(remote_root, "m", taken.id)
    assert entry.table() == quarantined(str(tmp_path / "root"), "m")[0].table()
    assert Sifted.of(told(again), root=remote_root, model="m").facts() == told(taken)
    assert [*verify_snapshot(taken), *verify_quarantined(remote_root, taken)] == []
    entry.folder.remove(entry.manifest["files"][0]["path"])
    assert [each.message for each in verify_quarantined(remote_root, taken)] == ["is missing"]


def test_what_was_recorded_must_still_be_there(tmp_path):
    taken, root = take(tmp_path, BAD), str(tmp_path / "root")
    facts = json.loads(json.dumps(told(taken)))
    sifted = Sifted.of(facts, root=root, model="m")
    assert (sifted.facts(), sifted.set_aside, len(sifted.files())) == (facts, 2, 1)
    for wrong in ({**facts, "rows_set_aside": 3}, {**facts, "entry": {**facts["entry"], "manifest_sha256": "0"}}):
        with pytest.raises(UserError, match="not the one that was recorded"):
            Sifted.of(wrong, root=root, model="m")
    (file,) = sifted.files()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="was changed"):
        Sifted.of(facts, root=root, model="m")
    assert find_entry(root=root, model="m", entry_id=sifted.entry.id).rows == 2
    file.unlink()
    with pytest.raises(UserError, match="is missing"):
        open_entry(root=root, model="m", entry_id=sifted.entry.id)
