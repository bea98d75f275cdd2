from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core import Settings, UserError
from assay.data.engine import open_rows, open_table

N = 3000
RNG = np.random.default_rng(3)
TABLE = pa.table(
    {
        "id": np.arange(N),
        "x": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
        "X": pa.array(RNG.choice([1, 2, 3, None], N).tolist(), pa.int64()),
        'o"dd': RNG.choice(["a", "b", "c"], N, p=[0.6, 0.3, 0.1]),
        "day": [date(2024, 1, 1 + i % 3) for i in range(N)],
        "at": pa.array([datetime(2024, 1, 1, i % 24, tzinfo=UTC) for i in range(N)], pa.timestamp("us", "UTC")),
    }
)


ENGINES = sorted({"datafusion", "duckdb", Settings.from_environment().engine})
"""The engine of every day, another to hold it against, and whichever ASSAY_ENGINE names."""


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    monkeypatch.setenv("ASSAY_ENGINE", request.param)
    return request.param


@pytest.fixture(params=["parquet", "table"])
def rows(request, engine, tmp_path):
    if request.param == "table":
        with open_table(TABLE) as opened:
            yield opened
        return
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for path, part in zip(paths, (TABLE.slice(0, 1000), TABLE.slice(1000)), strict=True):
        pq.write_table(part, path)
    with open_rows(paths) as opened:
        yield opened


def test_columns_are_summed_up(rows):
    found = rows.summaries(TABLE.column_names)
    assert rows.count == N
    assert found["x"].nulls == int(np.isnan(TABLE["x"].to_numpy()).sum())
    assert found["X"].nulls == TABLE["X"].null_count
    assert (found["X"].distinct, found["X"].low, found["X"].high) == (3, 1, 3)
    assert (found['o"dd'].low, found["day"].high) == ("a", date(2024, 1, 3))
    assert found["at"].high == datetime(2024, 1, 1, 23, tzinfo=UTC)


def test_names_that_differ_in_case_alone_are_two_columns(rows):
    found, times = rows.counts(["X"])
    assert found.column_names == ["X"]
    assert times.sum() == N
    assert len(found) == 4


def test_repeated_values_are_counted(rows):
    assert rows.repeated("id", 5) == (0, [])
    assert rows.repeated("X", 2) == (3, [1, 2])


def test_rows_that_are_alike_are_counted(rows):
    frame = TABLE.select(["X", 'o"dd', "day"]).to_pandas()
    assert rows.alike(["id", "X"]) == 0
    assert rows.alike(["X", 'o"dd', "day"]) == int(frame.duplicated(keep=False).sum()) > 0


def test_the_lengths_of_texts_are_told(rows):
    assert rows.lengths(['o"dd']) == {'o"dd': (1, 1)}
    with open_table(pa.table({"s": ["é", "日本語", "", None], "none": pa.array([None] * 4, pa.string())})) as texts:
        assert texts.lengths(["s", "none"]) == {"s": (0, 3)}


def test_categories_come_in_order(rows):
    values, times = np.unique(TABLE['o"dd'].to_numpy(zero_copy_only=False), return_counts=True)
    expected = sorted(zip(values, times.tolist(), strict=True), key=lambda each: -each[1])
    assert rows.largest_categories('o"dd', 2) == expected[:2]
    assert rows.tallies('o"dd', ["b", "nothing"]).tolist() == [times[1], 0]
    assert rows.tallies('o"dd', []).tolist() == []


def test_quantiles_and_histograms_are_numpys(rows):
    x = TABLE["x"].to_numpy()
    x = x[~np.isnan(x)]
    edges = rows.quantiles(["x"], [0.25, 0.5, 0.75])["x"]
    np.testing.assert_allclose(edges, np.quantile(x, [0.25, 0.5, 0.75], method="inverted_cdf"))
    found = rows.histograms({"x": edges})["x"]
    assert found.tolist() == np.bincount(np.searchsorted(edges, x), minlength=4).tolist()
    assert found.sum() == len(x)


def test_times_are_seconds(rows):
    first = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    assert rows.quantiles(["day", "at"], [0.0]) == {"day": [first], "at": [first]}
    assert rows.histograms({"day": [first]})["day"].tolist() == [1000, 2000]


def test_many_columns_are_asked_in_turns(engine):
    wide = pa.table({f"c{i}": [i, i + 1] for i in range(600)})
    with open_table(wide) as rows:
        assert [each.low for each in rows.summaries(wide.column_names).values()] == list(range(600))
        assert rows.histograms({name: [10.0] for name in wide.column_names[:260]})["c10"].tolist() == [1, 1]


def test_a_sample_gives_the_same_quantiles_again(engine, tmp_path):
    path = tmp_path / "big.parquet"
    pq.write_table(pa.table({"x": RNG.permutation(400_000)}), path, row_group_size=50_000)
    found = []
    for _ in range(2):
        with open_rows([path]) as rows:
            found.append(rows.quantiles(["x"], [0.1, 0.5, 0.9])["x"])
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0], [40_000, 200_000, 360_000], atol=4000)


def test_a_file_that_cannot_be_read_is_an_os_error(engine, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path)

    def ask():
        with open_rows([path]) as rows:
            path.write_bytes(b"PAR1 no longer a table PAR1")
            rows.summaries(["id"])

    with pytest.raises(OSError, match=r"(?i)parquet"):
        ask()


def test_the_column_of_times_that_no_calendar_holds_is_named(engine):
    sound = pa.array([0, 1], pa.timestamp("us"))
    far = pa.array([0, 20_000 * 31_556_952_000_000], pa.int64()).cast(pa.timestamp("us"))
    with open_table(pa.table({"id": [1, 2], "at": sound, "born": far, "died": sound})) as rows:
        with pytest.raises(UserError, match=r"^born: holds times before the year 1 or after 9999"):
            rows.summaries(["id", "at", "born", "died"])
        assert rows.summaries(["id", "at", "died"])["at"].low == datetime(1970, 1, 1)
