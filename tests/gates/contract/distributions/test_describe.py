"""How columns are spread: every row in one cell, the contract's limits between cells, the same every time."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gates.contract.distributions.spreading import expects, judged, rows, spread

from assay.core import Distribution, Outcome, Stopwatch, Subject, Verdict, bind, canonical_json
from assay.core.distribution import coarse
from assay.gates.contract import described
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.table import open_table
from assay.gates.contract.distributions.allowed import Allowed
from assay.gates.contract.distributions.cells import ByRange, counts
from assay.gates.contract.distributions.grid import grid

NUMBERS = st.lists(st.one_of(st.integers(-50, 50).map(float), st.floats(-1e6, 1e6)), min_size=30, max_size=80)
SIDES = st.one_of(st.none(), st.integers(-60, 60).map(float), st.floats(-1e5, 1e5))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=NUMBERS, low=SIDES, high=SIDES, strict=st.tuples(st.booleans(), st.booleans()), whole=st.booleans())
def test_every_number_lies_in_one_cell_and_outside_exactly_where_it_is_not_allowed(
    tmp_path_factory, values, low, high, strict, whole
):
    if low is not None and high is not None and low > high:
        low, high = high, low
    numbers = np.floor(values) if whole else np.array(values)
    file = tmp_path_factory.getbasetemp() / "numbers.parquet"
    pd.DataFrame({"x": numbers}).to_parquet(file)
    may = Allowed(low=low, high=high, strict=strict)
    made = grid([numbers], may, whole=whole, times=False)
    assert list(made.edges) == sorted(set(made.edges))
    with open_table([file]) as table:
        present, found = counts(table, {"x": (ByRange(kind="number", grid=made), may)})["x"]
    assert present == sum(found) == len(numbers)
    bounds = [None, *made.edges, None]
    outside = sum(n for n, a, b in zip(found, bounds, bounds[1:], strict=False) if made.outside(a, b))
    (below, above), refused = strict, np.zeros(len(numbers), dtype=bool)
    if low is not None:
        refused |= (numbers <= low) if below else (numbers < low)
    if high is not None:
        refused |= (numbers >= high) if above else (numbers > high)
    assert outside == refused.sum()


def test_numbers_are_told_in_ranges_of_one_round_width_beside_the_reference(tmp_path):
    random = np.random.default_rng(1)
    data, then = random.normal(50, 10, 2000), random.normal(40, 10, 1000)
    found = spread(tmp_path, {"x": data}, reference={"x": then})["x"]
    assert found.kind == "number"
    assert found.step == 5
    assert (found.data.rows, found.reference.rows) == (2000, 1000)
    for cell in found.cells:
        low, high = (-math.inf if cell.low is None else cell.low), (math.inf if cell.high is None else cell.high)
        assert cell.data == coarse(int(((data >= low) & (data < high)).sum()))
        assert cell.reference == coarse(int(((then >= low) & (then < high)).sum()))
        assert (cell.low or 0) % 5 == (cell.high or 0) % 5 == 0


def test_a_few_strange_values_do_not_hide_the_others(tmp_path):
    usual = np.arange(10_000) % 60 + 20
    found = spread(
        tmp_path, {"age": np.where(np.arange(10_000) % 50 == 0, usual * 1000, usual)}, reference={"age": usual}
    )
    inside = [cell for cell in found["age"].cells if cell.high is not None and cell.low is not None]
    assert len(inside) > 8
    assert found["age"].cells[-1].data == 200


def test_when_many_are_strange_they_are_on_the_scale(tmp_path):
    usual = np.arange(10_000) % 60 + 20
    found = spread(tmp_path, {"age": np.where(np.arange(10_000) % 5 == 0, usual * 12, usual)}, reference={"age": usual})
    assert max(cell.high or 0 for cell in found["age"].cells) >= 900


def test_values_are_counted_by_name_the_frequent_first_and_those_not_allowed_apart(tmp_path):
    data = ["a"] * 50 + ["b"] * 30 + ["z"] * 20 + [""] * 10 + [f"rare{n}" for n in range(12)] + [None] * 8
    suite = [expects("values_to_be_in_set", "c", value_set=["a", "b", "", "d"]), expects("values_to_not_be_null", "c")]
    found = spread(tmp_path, {"c": data}, reference={"c": ["a"] * 15 + ["d"] * 25}, suite=suite)["c"]
    assert rows(found) == {"d": 0, "a": 50, "b": 30, "z": 20, "(empty)": 10, (None, None): 10}
    assert rows(found, "reference") == {"d": 30, "a": 20, "b": 0, "z": 0, "(empty)": 0, (None, None): 0}
    assert {cell.name for cell in found.cells if cell.outside} == {"z", None}
    assert found.filled
    assert found.data.missing == 8


def test_numbers_of_few_values_are_named_and_those_beyond_a_range_are_not_allowed(tmp_path):
    suite = [expects("values_to_be_between", "flag", min_value=0, max_value=1)]
    found = spread(tmp_path, {"flag": [0] * 40 + [1] * 40 + [2] * 20}, suite=suite)["flag"]
    assert rows(found) == {"0": 40, "1": 40, "2": 20}
    assert [cell.name for cell in found.cells if cell.outside] == ["2"]


def test_times_are_told_in_days_and_months_and_held_against_their_limits(tmp_path):
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(600) % 200, unit="D")
    suite = [expects("values_to_be_between", "at", max_value="2024-07-01T00:00:00")]
    found = spread(tmp_path, {"at": days}, suite=suite)["at"]
    assert found.kind == "time"
    assert found.limit.max == datetime(2024, 7, 1, tzinfo=UTC).timestamp()
    assert [cell.outside for cell in found.cells].count(True) >= 1
    decades = pd.to_datetime([f"{year}-03-04" for year in range(1960, 2020)] * 3)
    years = spread(tmp_path, {"at": decades})["at"]
    assert all(datetime.fromtimestamp(cell.low, UTC).strftime("%m-%d") == "01-01" for cell in years.cells if cell.low)


def test_a_missing_value_may_be_missing_where_the_suite_allows_some(tmp_path):
    suite = [expects("values_to_not_be_null", "x", mostly=0.9)]
    assert not spread(tmp_path, {"x": ["a"] * 30 + [None]}, suite=suite)["x"].filled


@pytest.mark.parametrize("reference", [{"other": ["a"] * 20}, {"x": list(range(20))}])
def test_what_cannot_be_compared_stands_alone_and_says_so(tmp_path, reference):
    found = spread(tmp_path, {"x": ["a"] * 20}, reference=reference)["x"]
    assert found.reference is None
    assert found.note
    assert rows(found) == {"a": 20}


@pytest.mark.parametrize("values", [[None] * 30, [np.inf] * 30, [1.0] * 9, []])
def test_without_values_to_tell_of_nothing_is_told(tmp_path, values):
    found = spread(tmp_path, {"x": pd.Series(values, dtype=float)})["x"]
    assert (found.kind, found.cells) == ("withheld", ())
    assert found.data.rows == len(values)


@pytest.mark.parametrize("number", [0.0, 7.0, -1e-9, 1e300, 123456.789])
def test_a_constant_has_its_name(tmp_path, number):
    found = spread(tmp_path, {"x": [number] * 40})["x"]
    assert list(rows(found).values()) == [40]


def test_values_that_no_scale_holds_are_counted_at_its_ends(tmp_path):
    found = spread(tmp_path, {"x": [*np.linspace(0, 1, 100), *[np.inf] * 10, *[-np.inf] * 20, *[1e300] * 10]})["x"]
    assert found.cells[0].data >= 20
    assert found.cells[-1].data >= 20


def test_the_counts_are_of_all_rows_where_the_cells_come_from_a_sample(tmp_path):
    found = spread(tmp_path, {"c": np.where(np.arange(250_000) % 10 == 0, "rare", "usual")})["c"]
    assert rows(found) == {"usual": 225_000, "rare": 25_000}


def test_only_what_did_not_pass_is_described_and_not_more_than_twenty(tmp_path):
    frame = pd.DataFrame({f"c{n}": ["a"] * 20 for n in range(30)})
    assert len(spread(tmp_path, frame)) == 20
    assert list(spread(tmp_path, frame, columns=["c7", "gone", "c3*c4"])) == ["c7", "c3", "c4"]
    good = judged("c1", outcome=Outcome.PASS)
    assert described(good, files=[tmp_path / "nowhere.parquet"], suite={"expectations": []}, roles=Roles()) is good


def test_a_name_with_a_star_is_one_column(tmp_path):
    assert list(spread(tmp_path, {"a*b": ["x"] * 20, "a": ["y"] * 20}, columns=["a*b"])) == ["a*b"]


def test_the_same_rows_give_the_same_bytes_and_a_verdict_reads_back(tmp_path):
    random = np.random.default_rng(0)
    frame = {"x": random.normal(size=500), "n": random.integers(0, 99, 500), "c": random.choice(["a", "b"], 500)}
    suite = [expects("values_to_be_between", "x", min_value=-1.5)]
    one, other = (spread(tmp_path, frame, suite=suite, reference=frame) for _ in range(2))
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="c")
    judgement = replace(judged("x"), distributions=tuple(one.values()))
    verdict = bind("contract", judgement, subject, Stopwatch())
    assert one == other
    read = Verdict.from_dict(json.loads(canonical_json(verdict.to_dict())))
    assert read == verdict
    assert read.digest == verdict.digest
    assert all(isinstance(each, Distribution) for each in read.distributions)
    assert "distributions" not in bind("contract", judged("x"), subject, Stopwatch()).to_dict()
