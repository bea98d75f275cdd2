import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import UserError
from assay.gates.contract.builtin import facts as module
from assay.gates.contract.builtin.coding import cells
from assay.gates.contract.builtin.facts import Profile, Values, look_at, sampling
from assay.gates.contract.builtin.table import open_table

FRAME = pd.DataFrame(
    {
        "n": [3, 1, 2, 2],
        "x": [0.5, None, float("nan"), 2.5],
        "text": ["b", None, "a", "b"],
        "t": ["x", "y", "z", "z"],
        "day": pd.to_datetime(["2026-01-01", "2026-01-02", None, "2026-01-04"]),
        "b": [True, False, True, True],
        "none": pd.Series([None] * 4, dtype="string"),
    }
)


@pytest.mark.parametrize("form", ["parquet", "csv", "parts"])
def test_a_table_is_known_by_its_columns_and_their_values(tmp_path, form):
    if form == "csv":
        FRAME.to_csv(tmp_path / "a.csv", index=False)
        files = [tmp_path / "a.csv"]
    else:
        parts = [FRAME] if form == "parquet" else [FRAME[:3], FRAME[3:]]
        files = [tmp_path / f"{at}'s [1].parquet" for at in range(len(parts))]
        for part, file in zip(parts, files, strict=True):
            part.to_parquet(file)
    with open_table(files) as table:
        found = look_at(table)
        assert [row[0] for row in table.ask("SELECT number FROM {rows} ORDER BY number")] == [0, 1, 2, 3]
        assert table.ask("SELECT c0 FROM {rows} ORDER BY number") == [(3,), (1,), (2,), (2,)]
    assert (found.rows, found.sampled, found.census) == (4, 4, True)
    assert list(found.columns) == list(FRAME.columns)
    assert found.profiles["n"] == Profile(present=4, low=1, high=3)
    assert (found.profiles["x"].present, found.profiles["none"].present) == (2, 0)
    kinds = [column.kind for column in found.columns.values()]
    assert kinds == ["number", "number", "text", "text", "time", "text", "text"]
    assert found.sample["x"].numbers.tolist() == pytest.approx([0.5, np.nan, np.nan, 2.5], nan_ok=True)
    assert found.sample["text"].codes.tolist() == [0, -1, 1, 0]
    assert list(found.sample["text"].texts) == ["b", "a"]
    assert found.sample["none"].codes.tolist() == [-1] * 4


def test_columns_that_differ_in_case_alone_are_two(tmp_path):
    pq.write_table(pa.table({"T": [1, 2], "t": ["a", None]}), tmp_path / "t.parquet")
    with open_table([tmp_path / "t.parquet"]) as table:
        found = look_at(table)
    assert (found.profiles["T"].high, found.profiles["t"].present) == (2, 1)


def test_a_large_table_is_sampled_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "sampling", lambda rows, most=100: sampling(rows, most))
    pq.write_table(pa.table({"n": range(10_000)}), tmp_path / "n.parquet")
    with open_table([tmp_path / "n.parquet"]) as table:
        found, again = look_at(table), look_at(table)
    assert not found.census
    assert 70 <= found.sampled <= 280
    assert found.sample["n"].numbers.tolist() == again.sample["n"].numbers.tolist()
    assert found.profiles["n"].present == 10_000


def test_nested_columns_and_no_rows_are_looked_at(tmp_path):
    pq.write_table(
        pa.table({"l": pa.array([], pa.list_(pa.int64())), "n": pa.array([], pa.int64())}), tmp_path / "e.parquet"
    )
    with open_table([tmp_path / "e.parquet"]) as table:
        found = look_at(table)
    assert found.rows == 0
    assert list(found.sample) == ["n"]


def test_a_file_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="no such file"), open_table([tmp_path / "none.parquet"]):
        pass


@given(st.integers(1, 10**9))
def test_a_sample_is_large_enough(rows):
    part = rows / (sampling(rows) + 1)
    assert part == rows or 100_000 <= part < 200_000


numbers = st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=40)


@given(numbers, st.integers(1, 12))
def test_every_row_has_one_cell(values, most):
    column = Values(numbers=np.array([np.nan if each is None else each for each in values], dtype=float))
    found = cells(column, most)
    counts = found.counts(column)
    assert counts.sum() == len(values)
    assert counts[-1] == values.count(None)
    assert found.count <= most + 2
    order = found.of(column)
    pairs = [(value, code) for value, code in zip(values, order, strict=True) if value is not None]
    assert all(one[1] <= other[1] for one in pairs for other in pairs if one[0] <= other[0])


def test_rare_categories_share_a_cell():
    column = Values(codes=np.array([0, 0, 0, 1, 2, -1]), texts=["a", "b", "c"])
    assert cells(column, most=5, rows_each=2).counts(column).tolist() == [3, 2, 1]
    with pytest.raises(ValueError, match="text"):
        cells(column, most=5).of(Values(numbers=np.ones(3)))
