"""The median in little memory is the median."""

import duckdb
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.gates.contract import measure
from assay.gates.contract import median as under_test
from assay.gates.contract.median import median


def asked(values: object, *, at_once: int = 10) -> tuple[object, list[str]]:
    """What is found, and the queries that it took."""
    queries = []
    with duckdb.connect() as connection:
        connection.register("held", values)
        connection.execute("CREATE TABLE data AS SELECT * FROM held")

        def ask(query: sa.Select) -> list[tuple]:
            queries.append(str(query.compile(compile_kwargs={"literal_binds": True})))
            return connection.execute(queries[-1]).fetchall()

        return median("v", sa.table("data"), ask, at_once=at_once), queries


def table(values: object) -> object:
    import pyarrow as pa

    return pa.table({"v": values})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**40), 2**40)) | st.sampled_from([0, 0, 0, 7]), min_size=11, max_size=200
    )
)
def test_equals_numpy(values):
    import pyarrow as pa

    known = [each for each in values if each is not None]
    found, _ = asked(table(pa.array(values, pa.int64())))
    assert found == (pytest.approx(np.median(known)) if known else None)


@pytest.mark.parametrize("law", ["normal", "ties", "heavy"])
def test_many_numbers_are_never_held_at_once(law):
    generator = np.random.default_rng(3)
    values = {
        "normal": generator.normal(size=200_000),
        "ties": np.where(generator.random(200_000) < 0.9, 0.0, generator.normal(size=200_000)),
        "heavy": generator.standard_cauchy(200_001) ** 3,
    }[law]
    found, queries = asked(table(values))
    assert found == pytest.approx(np.median(values), rel=1e-12)
    assert not any("median(" in query for query in queries)


def test_a_sketch_that_is_far_off_is_not_believed(monkeypatch):
    values = np.arange(1001.0)
    monkeypatch.setattr(under_test, "_sketched", lambda *_: [(0.0, 3.0), (900.0, 901.0)])
    found, queries = asked(table(values))
    assert found == 500
    assert "median(" in queries[-1]


def test_dates_have_duckdbs_median():
    days = np.arange("2020-01-01", "2020-02-01", dtype="datetime64[D]")
    found, _ = asked(table(days))
    assert str(found).startswith("2020-01-16")


def test_an_expectation_asks_for_it(tmp_path):
    import pyarrow.parquet as pq

    values = np.random.default_rng(4).integers(0, 2**40, size=2_000_001)
    pq.write_table(table(values), tmp_path / "v.parquet")
    limits = {"min_value": float(np.median(values)), "max_value": float(np.median(values))}
    entry = {"type": "expect_column_median_to_be_between", "kwargs": {"column": "v", **limits}}
    suite = {"expectations": [{**entry, "meta": {}, "severity": "critical"}]}
    [finding] = measure(files=[tmp_path / "v.parquet"], suite=suite).findings
    assert finding.met
    assert finding.fallback is None
