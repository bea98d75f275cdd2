"""The same rows taken again are one snapshot, and each taking is told by itself."""

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.expiring import FIRST, after, rows, take

from assay.core import UserError
from assay.data.snapshots import find_snapshot
from assay.data.takings import kept_until

DAYS = st.one_of(st.none(), st.dates().map(str))


def found(tmp_path, snapshot):
    return find_snapshot(root=str(tmp_path / "root"), model="m", snapshot_id=snapshot.id)


def test_a_later_taking_tells_of_itself_and_leaves_the_manifest_as_it_is(tmp_path):
    first = take(tmp_path, purpose="loans")
    again = take(tmp_path, on=after(3), purpose="marketing", keep_days=90)
    assert (again.id, again.manifest, again.manifest_sha256) == (first.id, first.manifest, first.manifest_sha256)
    own = again.takings[-1]
    assert (own["purpose"], own["extracted_at"][:10], own["keep_until"]) == ("marketing", "2026-03-04", "2026-06-02")
    assert (again.takings[0]["purpose"], first.taken_at.date(), again.taken_at.date()) == ("loans", FIRST, after(3))
    assert found(tmp_path, first).takings == again.takings
    assert not set(own) & {"id", "files", "rows", "schema", "content_sha256", "table_version"}


def test_takings_are_told_in_the_order_of_time(tmp_path):
    for day in (5, 2, 9):
        last = take(tmp_path, on=after(day))
    assert [each["extracted_at"][:10] for each in found(tmp_path, last).takings] == [
        "2026-03-06", "2026-03-03", "2026-03-10",
    ]  # fmt: skip  # the manifest's comes first, whatever its clock said
    assert last.taken_at.date() == after(9)


def test_the_very_same_taking_is_kept_once(tmp_path):
    for _ in range(3):
        last = take(tmp_path)
    assert len(last.takings) == len(found(tmp_path, last).takings) + 1 == 3


def test_a_file_that_is_no_taking_is_told(tmp_path):
    taken = take(tmp_path)
    take(tmp_path, on=after(1))
    (file,) = (tmp_path / "root/m/takings").rglob("*.json")
    file.write_text("[]")
    with pytest.raises(UserError, match="is not the record of a taking of rows"):
        found(tmp_path, taken)


def test_the_rows_are_kept_as_long_as_any_purpose_keeps_them(tmp_path):
    take(tmp_path, purpose="loans", keep_days=10)
    assert take(tmp_path, on=after(1), purpose="marketing", keep_days=2).keep_until == after(10).isoformat()
    assert take(tmp_path, on=after(2), purpose="marketing", keep_days=30).keep_until == after(32).isoformat()
    assert take(tmp_path, on=after(3), purpose="marketing", keep_days=None).keep_until is None
    assert take(tmp_path, on=after(4), purpose="marketing", keep_days=1).keep_until == after(10).isoformat()


@given(st.lists(st.tuples(st.sampled_from("ab"), DAYS), min_size=1))
def test_a_further_purpose_never_shortens_and_a_shorter_promise_is_heard(takings):
    told = [{"purpose": purpose, "keep_until": until} for purpose, until in takings]
    until = kept_until(told)
    more = kept_until([*told, {"purpose": "c", "keep_until": "2030-01-01"}])
    assert more is None if until is None else more == max(until, "2030-01-01")
    only = [each for each in told if each["purpose"] == told[-1]["purpose"]]
    assert kept_until(only) == told[-1]["keep_until"]


def test_other_rows_are_another_snapshot_with_takings_of_its_own(tmp_path):
    one, other = take(tmp_path), take(tmp_path, rows(shift=1), on=after(1))
    assert one.id != other.id
    assert [len(found(tmp_path, each).takings) for each in (one, other)] == [1, 1]
    assert pq.read_table(one.files()[0])["a"][0].as_py() == 0
