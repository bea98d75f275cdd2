import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core import UserError
from assay.data.engine import open_rows, open_table
from assay.data.engine_open import open_parquet

NAN = float("nan")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 2, None]}), path)
    return path


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("duckbd", 'ASSAY_ENGINE: there is no engine "duckbd" (did you mean "duckdb"?)'),
        ("exasol", "pip install 'ibis-framework[exasol]'"),
        ("sqlite", "the engine sqlite cannot answer: sqlite does not support direct registration of parquet data."),
    ],
)
def test_an_engine_that_does_not_serve_is_told_with_its_mend(file, monkeypatch, engine, message):
    monkeypatch.setenv("ASSAY_ENGINE", engine)
    with pytest.raises(UserError) as raised, open_rows([file]):
        pass
    assert message in str(raised.value)


def test_an_engine_out_of_reach_is_an_os_error(file, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_ENGINE", f"duckdb://{tmp_path}/none/rows.duckdb")
    with pytest.raises(OSError, match="the engine duckdb cannot be reached"), open_rows([file]):
        pass


def test_an_engine_is_given_by_its_url(file, monkeypatch):
    monkeypatch.setenv("ASSAY_ENGINE", "duckdb://?threads=1")
    with open_rows([file]) as rows:
        assert rows.count == 3


def test_what_an_engine_cannot_hold_is_an_os_error(monkeypatch):
    monkeypatch.setenv("ASSAY_ENGINE", "datafusion")
    with pytest.raises(OSError, match=r"datafusion: .*binary_view"), open_table(pa.table({"b": [b"a"]})):
        pass


def test_names_of_files_are_no_patterns(tmp_path):
    for name in ("a[1].parquet", "a1.parquet"):
        pq.write_table(pa.table({"n": [len(name)]}), tmp_path / name)
    with open_rows([tmp_path / "a[1].parquet"]) as rows:
        assert rows.summaries(["n"])["n"].low == len("a[1].parquet")


@pytest.mark.parametrize("engine", ["datafusion", "duckdb"])
@pytest.mark.parametrize(
    ("values", "low", "high", "missing"),
    [
        (
            pa.array([Decimal("1.10"), Decimal("-2.50"), None], pa.decimal128(9, 2)),
            Decimal("-2.50"),
            Decimal("1.10"),
            1,
        ),
        (pa.array([10**25, 1, 1], pa.decimal128(38, 0)), Decimal(1), Decimal(10**25), 0),
        (pa.array([2**64 - 1, 0, None], pa.uint64()), 0, 2**64 - 1, 1),
        (pa.array([0.5, NAN, None], pa.float32()), 0.5, 0.5, 2),
        (pa.array([NAN, NAN, NAN]), None, None, 3),
        (pa.array([True, False, None]), False, True, 1),
        (pa.array(["p", "q", None]).dictionary_encode(), "p", "q", 1),
        (pa.array(["é", "日本", None], pa.large_string()), "é", "日本", 1),
        (pa.array([[1], [1, 2], None]), None, None, 1),
        (pa.array([{"a": 1}, {"a": 2}, None]), None, None, 1),
    ],
    ids=lambda each: str(each.type) if isinstance(each, pa.Array | pa.DictionaryArray) else "",
)
def test_every_type_of_column_is_summed_up(monkeypatch, engine, values, low, high, missing):
    monkeypatch.setenv("ASSAY_ENGINE", engine)
    with open_table(pa.table({"o\"d'd; -- ü": values, "O\"D'D; -- Ü": [1, 2, 3]})) as rows:
        found = rows.summaries(rows.schema.names)["o\"d'd; -- ü"]
        present = [value for value, _ in rows.largest_categories("o\"d'd; -- ü", 5)]
        tallied = rows.tallies("o\"d'd; -- ü", present) if not pa.types.is_struct(values.type) else [1, 1]
    assert (found.low, found.high, found.nulls) == (low, high, missing)
    assert sum(tallied) == 3 - missing


@pytest.mark.parametrize("engine", ["datafusion", "duckdb"])
def test_edges_are_met_to_the_last_bit(monkeypatch, engine):
    monkeypatch.setenv("ASSAY_ENGINE", engine)
    values = np.random.default_rng(5).normal(size=200) * 10.0 ** np.arange(-100, 100)
    edges = [-np.inf, *np.sort(values), np.inf]
    with open_table(pa.table({"x": values})) as rows:
        assert rows.histograms({"x": edges})["x"].tolist() == [0, *[1] * 200, 0, 0]


def test_moments_are_met_to_the_microsecond():
    instants = pa.array([0, 1, 1_700_000_000_123_456, 1_700_000_000_123_457], pa.timestamp("us"))
    with open_table(pa.table({"at": instants})) as rows:
        edges = rows.quantiles(["at"], [0.25, 0.75])["at"]
        assert rows.histograms({"at": edges})["at"].tolist() == [1, 2, 1]


@pytest.mark.parametrize("engine", ["datafusion", "duckdb"])
def test_instants_are_told_in_one_time_zone(monkeypatch, engine):
    monkeypatch.setenv("ASSAY_ENGINE", engine)
    with open_table(pa.table({"at": pa.array([0], pa.timestamp("us", "Europe/Berlin"))})) as rows:
        assert rows.summaries(["at"])["at"].low.isoformat() == "1970-01-01T00:00:00+00:00"


def test_the_library_is_imported_by_who_asks_alone():
    code = "import sys, assay.cli, assay.data.engine, assay.data.diff; sys.exit('ibis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_column_of_a_very_wide_table_is_not_taken_for_another(tmp_path):
    file, names = tmp_path / "wide.parquet", [f"c{number}" for number in range(5_000)]
    table = pa.table({name: [number] for number, name in enumerate(names)})
    pq.write_table(table, file)
    for _ in range(10):  # an engine that lists columns without an order mixes them up in one of some six readings
        with open_parquet([file], table.schema, engine="duckdb", memory="1GB") as rows:
            assert [rows.largest_categories(name, 2) for name in names[::1_000]] == [
                [(number, 1)] for number in range(0, 5_000, 1_000)
            ]
            assert rows._table.columns == tuple(names)
            (kept,) = rows._backend.raw_sql("SELECT current_setting('preserve_insertion_order')").fetchone()
            assert not kept  # what holds whole columns outside the memory limit stays off
