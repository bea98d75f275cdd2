"""Manifests and tombstones that somebody has edited: named with what is wrong, and nothing else is read or deleted."""

import json

import pytest
from tests.data.expiring import FIRST, after, delete, take

from assay.core import UserError, sha256_bytes
from assay.data import expiry
from assay.data.snapshots import find_snapshot, list_snapshots, open_snapshot
from assay.data.verify import verify_snapshot

OVER = after(11)
ONE = {"path": "table/x.parquet", "sha256": "0" * 64, "bytes": 1}


def edit(folder, taken, **fields):
    path = folder / f"root/m/manifests/{taken.id}.json"
    told = {**json.loads(path.read_bytes()), **fields}
    path.write_text(json.dumps({name: value for name, value in told.items() if value is not ...}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "m-0000000000000000"), ("id", 5), ("model", "n"), ("table_version", "0"), ("table_version", True),
        ("files", ...), ("files", []), ("files", ["x"]), ("files", "x"), ("files", [{**ONE, "path": 3}]),
        ("files", [{**ONE, "path": "/etc/hostname"}]), ("files", [{**ONE, "path": "table/../../../x.parquet"}]),
        ("files", [{**ONE, "path": "manifests"}]), ("files", [{**ONE, "sha256": "x"}]),
        ("files", [{**ONE, "bytes": -1}]),
        ("schema", []), ("schema", ...), ("schema", [{"name": "id"}]), ("rows", "200"), ("rows", -1),
        ("content_sha256", ...), ("created_at", ...), ("created_at", "yesterday"), ("extracted_at", "2026-03-01"),
        ("keep_until", "soon"), ("keep_until", 20260301), ("keep_until", "20260301"), ("split", "x"),
        ("quarantine", [1]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_manifest_is_named_whoever_asks(tmp_path, field, value):
    taken = take(tmp_path)
    edit(tmp_path, taken, **{field: value})
    root = str(tmp_path / "root")
    for ask in (
        lambda: find_snapshot(root=root, model="m", snapshot_id=taken.id),
        lambda: list_snapshots(root, "m"),
        lambda: expiry.overdue(root, "m", OVER),
        lambda: take(tmp_path),
    ):
        with pytest.raises(UserError, match=rf"{taken.id}\.json: is not a snapshot manifest: {field} \("):
            ask()


def test_json_without_end_is_no_manifest(tmp_path):
    taken = take(tmp_path)
    (tmp_path / f"root/m/manifests/{taken.id}.json").write_text('{"id":' + "[" * 100_000)
    with pytest.raises(UserError, match="is not a snapshot manifest"):
        list_snapshots(str(tmp_path / "root"), "m")


def test_no_file_outside_the_table_is_deleted_whatever_a_manifest_says(tmp_path):
    other, taken = tmp_path / "prices.parquet", take(tmp_path)
    other.write_bytes(b"x")
    edit(tmp_path, taken, files=[{"path": "../../prices.parquet", "sha256": sha256_bytes(b"x"), "bytes": 1}])
    with pytest.raises(UserError, match="is not a snapshot manifest: files"):
        delete(tmp_path, OVER)
    assert other.exists()


@pytest.mark.parametrize(
    "forged",
    [
        {"files": ["../../prices.parquet"]}, {"files": ["table/other.parquet"]}, {"files": 5}, {"at": 4}, {"by": None},
        {"rows": "x"}, {"keep_until": "soon"}, {"manifest": "{}"}, {"snapshot": "m-0000000000000000"}, {"more": 1},
    ],
)  # fmt: skip
def test_a_forged_tombstone_is_named_and_deletes_nothing(tmp_path, forged):
    other, taken = tmp_path / "prices.parquet", take(tmp_path)
    other.write_bytes(b"x")
    (tombstone,) = delete(tmp_path, OVER)
    path = tmp_path / f"root/m/expired/{tombstone.place}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **forged}))
    root = str(tmp_path / "root")
    for ask in (
        lambda: expiry.deletions(root, "m"),
        lambda: open_snapshot(root=root, model="m", snapshot_id=taken.id),
        lambda: take(tmp_path, on=FIRST),
    ):
        with pytest.raises(UserError, match=rf"{tombstone.place}\.json: is not the tombstone of a snapshot"):
            ask()
    assert other.exists()


def test_a_tombstone_over_a_manifest_that_names_other_files_deletes_nothing(tmp_path):
    """Whoever forges both has to find a manifest of that very digest."""
    taken = take(tmp_path)
    (tombstone,) = delete(tmp_path, OVER)
    path = tmp_path / f"root/m/expired/{tombstone.place}.json"
    told = json.loads(tombstone.manifest)
    told["files"].append({**ONE, "path": "table/other.parquet"})
    path.write_text(json.dumps({**tombstone.facts(), "manifest": json.dumps(told), "files": ["table/other.parquet"]}))
    with pytest.raises(UserError, match="is not the tombstone"):
        open_snapshot(root=str(tmp_path / "root"), model="m", snapshot_id=taken.id)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"extracted_at": "soon"}', "[" * 100_000])
def test_a_taking_that_is_none_is_named_and_not_the_manifest(tmp_path, content):
    taken = take(tmp_path)
    take(tmp_path, on=after(1))
    (file,) = (tmp_path / "root/m/takings").rglob("*.json")
    file.write_text(content)
    with pytest.raises(UserError, match=f"{file.name}: is not the record of a taking"):
        open_snapshot(root=str(tmp_path / "root"), model="m", snapshot_id=taken.id)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rows", 3, "holds 40 rows, the manifest says 3"),
        ("schema", [{"name": "id", "type": "int64"}], "holds other columns than the manifest says"),
    ],
)
def test_what_a_manifest_says_of_the_rows_is_held_against_them(tmp_path, field, value, message):
    taken = take(tmp_path)
    edit(tmp_path, taken, **{field: value})
    (found,) = verify_snapshot(find_snapshot(root=str(tmp_path / "root"), model="m", snapshot_id=taken.id))
    assert found.message == message
