from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.data.diff import diff
from assay.data.snapshots import create_snapshot
from assay.data.verify import verify_snapshot
from assay.policy import Data
from assay.stats.divergence import psi

N = 4000


def people(seed=0, n=N):
    rng = np.random.default_rng(seed)
    return {
        "id": np.arange(n) + seed * 10**6,
        "y": rng.choice(["yes", "no"], n),
        "age": rng.normal(40, 10, n),
        "children": rng.choice([0, 1, 2, 3], n, p=[0.5, 0.25, 0.15, 0.1]),
        "city": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
        "mail": [f"{seed}-{i}@x.org" for i in range(n)],
        "at": pa.array([datetime(2024, 1, 1) + timedelta(minutes=int(m)) for m in rng.integers(0, 10**5, n)]),
    }


def take(tmp_path, rows, **more):
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    plain = {
        "source": "t.parquet",
        "key": "id",
        "label": "y",
        "positive": "yes",
        "features": ["age"],
        "sensitive": ["age"],
    }
    data = Data(**plain, **more)
    return create_snapshot(source=data.source, base=tmp_path, data=data, model="m", root=str(tmp_path / "root"))


def compared(tmp_path, after, before=None, **more):
    return diff(take(tmp_path, before or people()), take(tmp_path, after, **more))


def movements(found):
    return {each.column: each for each in found.movements}


def test_other_rows_of_the_same_population_have_not_moved(tmp_path):
    found = compared(tmp_path, people(1))
    assert all(each.interval[0] == 0 for each in found.movements)
    assert all(each.p_value > 0.05 for each in found.movements)
    assert found.not_compared == ("id", "mail")
    assert (found.added, found.removed, found.retyped) == ((), (), ())


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("age", lambda cells: cells + 5),
        ("age", lambda cells: np.where(np.arange(N) % 5 == 0, np.nan, cells)),
        ("children", lambda cells: np.minimum(3, cells + 1)),
        ("city", lambda cells: np.where(np.arange(N) % 4 == 0, "new", cells)),
        ("city", lambda cells: pa.array([None if i % 5 == 0 else c for i, c in enumerate(cells)])),
        ("at", lambda cells: pa.array([cell + timedelta(days=20) for cell in cells.to_pylist()])),
    ],
)
def test_what_moved_comes_first(tmp_path, column, change):
    after = people(1)
    after[column] = change(after[column])
    found = compared(tmp_path, after)
    first = found.movements[0]
    assert first.column == column
    assert first.interval[0] > 0.05
    assert first.p_value < 1e-6 or first.missing[1] > 0.1


def test_new_categories_and_missing_values_are_named(tmp_path):
    after = people(1)
    after["city"] = pa.array([None if i % 10 == 0 else "new" if i % 10 == 1 else "a" for i in range(N)])
    moved = movements(compared(tmp_path, after))["city"]
    assert moved.appeared == ("new",)
    assert moved.missing == (0.0, pytest.approx(0.1))


def test_the_index_is_that_of_the_categories_counted_by_hand(tmp_path):
    one, other = people(), people(1)
    moved = movements(compared(tmp_path, other, one))["city"]
    counts = [[int((rows["city"] == value).sum()) for value in "abc"] + [0, 0] for rows in (one, other)]
    assert moved.psi == pytest.approx(psi(*counts))


def test_columns_that_come_go_and_change_are_told(tmp_path):
    after = people(1)
    after["born"] = after.pop("at")
    after["children"] = after["children"].astype(str)
    found = compared(tmp_path, after, keep_days=9)
    assert found.added == (("born", "timestamp[us]"),)
    assert found.removed == (("at", "timestamp[us]"),)
    assert found.retyped == (("children", "int64", "string"),)
    assert "keep_until" in [name for name, _, _ in found.terms]
    assert "children" not in movements(found)


def test_rows_are_counted_and_a_column_without_values_has_not_moved(tmp_path):
    before, after = people(), people(1, 1000)
    before["nothing"], after["nothing"] = (pa.nulls(len(each["id"]), pa.float64()) for each in (before, after))
    found = compared(tmp_path, after, before)
    assert found.rows == (N, 1000)
    assert movements(found)["nothing"].interval[0] == 0
    assert movements(found)["nothing"].missing == (1.0, 1.0)


def test_a_whole_snapshot_verifies_and_each_damage_is_found(tmp_path):
    taken = take(tmp_path, people())
    assert verify_snapshot(taken) == []
    (file,) = taken.files()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert [each.message for each in verify_snapshot(taken)] == ["was changed since the snapshot was made"]
    file.unlink()
    assert [each.message for each in verify_snapshot(taken)] == ["is missing"]


def test_another_key_of_pseudonyms_is_told_and_is_no_shift(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "a key that nobody else has")
    terms = {"pseudonymize": ["city", "mail"]}
    before = take(tmp_path, people(), **terms)
    same = diff(before, take(tmp_path, people(1), **terms))
    assert (same.rekeyed, movements(same)["city"].interval[0]) == ((), 0)
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "another key that nobody has")
    found = diff(before, take(tmp_path, people(1), **terms))
    assert found.rekeyed == ("city", "mail")
    assert not {"city", "mail"} & {*movements(found), *found.not_compared}
    ((_, old, new),) = (each for each in found.terms if each[0] == "pseudonymized")
    assert old["columns"] == new["columns"]
    assert old["key_check"] != new["key_check"]


def test_pseudonyms_are_not_compared_with_what_they_stand_for(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "a key that nobody else has")
    found = compared(tmp_path, people(1), pseudonymize=["city"])
    assert found.rekeyed == ("city",)
    assert "city" not in movements(found)
