"""What a split promises, held against tables that nobody would make on purpose."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core import UserError
from assay.data.dealing import TEST, TRAIN, Dealer, deal
from assay.policy import Data, Split

FIRST = datetime(1899, 12, 31)
TYPES = {"id": pa.string(), "y": pa.string(), "a": pa.float64(), "b": pa.string(), "who": pa.string(),
         "at": pa.timestamp("us")}  # fmt: skip

promise = settings(deadline=None, max_examples=60)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
cells = st.tuples(
    st.sampled_from([None, float("nan"), 0.0, -0.0, 1.0, 1e-300, float("inf")]) | st.floats(),
    st.none() | st.sampled_from(["", "x", "null", "(missing)", "x\0", "é", "e\u0301"]),
    st.sampled_from(["", "g", "g ", "\u200b", "7"]) | texts,
    st.integers(0, 6),
)
shares = st.sampled_from([(0.0, 0.001), (0.0, 0.999), (0.2, 0.3), (0.001, 0.001), (0.899, 0.1), (0.1, 0.899)])


def rows_of(found, names):
    columns = {
        "id": names,
        "y": ["yes", "no"] * len(found),
        "a": [a for a, *_ in found],
        "b": [b for _, b, *_ in found],
        "who": [who for *_, who, _ in found],
        "at": [FIRST + timedelta(days=day) for *_, day in found],
    }
    return pa.table({name: pa.array(columns[name][: len(found)], type_) for name, type_ in TYPES.items()})


@st.composite
def tables(draw, most=30, fewest=1):
    found = draw(st.lists(cells, min_size=fewest, max_size=most))
    names = draw(st.lists(texts, min_size=len(found), max_size=len(found), unique=True))
    return rows_of(found, names)


@st.composite
def policies(draw, **fixed):
    by = fixed.get("by") or draw(st.sampled_from(["random", "group", "time", None]))
    validation, test = draw(shares)
    if by is None:
        return policy(None, holdout=test)
    duplicates = fixed.get("duplicates") or draw(st.sampled_from(["apart", "together"]))
    column = "who" if by == "group" else None
    return policy(Split(by=by, column=column, validation=validation, test=test, duplicates=duplicates))


def policy(split, **more):
    return Data(
        source="x", key="id", label="y", positive="yes", features=["a", "b"], sensitive=["who"], time="at", split=split,
        **more,
    )  # fmt: skip


def twins(rows):
    """A name for the features of each row: null and NaN are alike, and so are 0 and -0."""

    def plain(value):
        return None if value is None or value != value else value + 0.0

    return [(plain(a), b) for a, b in zip(rows["a"].to_pylist(), rows["b"].to_pylist(), strict=True)]


def together(names, sides):
    """Whether rows of one name are on one side."""
    return len({*zip(names, sides.tolist(), strict=True)}) == len({*names})


def joined(groups, features):
    """A name for all that hangs together, by walking from row to row."""
    part = list(range(len(groups)))
    for _ in part:
        for one, other in combinations(range(len(part)), 2):
            if groups[one] == groups[other] or features[one] == features[other]:
                part[one] = part[other] = min(part[one], part[other])
    return part


@promise
@given(tables(), policies(), st.randoms())
def test_neither_the_order_of_the_rows_nor_their_batches_matter(rows, data, random):
    sides, order = deal(rows, data).sides, random.sample(range(rows.num_rows), rows.num_rows)
    assert (deal(rows.take(order), data).sides == sides[order]).all()
    dealer = Dealer(data)
    for batch in rows.select(dealer.columns).to_batches(max_chunksize=random.randint(1, 7)):
        dealer.take(batch)
    assert (dealer.deal().sides == sides).all()


@promise
@given(tables(), policies(duplicates="together"))
def test_rows_with_the_same_features_are_never_torn_apart(rows, data):
    if data.split is not None:
        assert together(twins(rows), deal(rows, data).sides)


@promise
@given(tables(most=12), policies(by="group"))
def test_neither_are_groups_nor_what_equal_rows_join_to_them(rows, data):
    groups = rows["who"].to_pylist()
    sides = deal(rows, data).sides
    assert together(groups, sides)
    if data.split.duplicates == "together":
        assert together(joined(groups, twins(rows)), sides)


@promise
@given(tables(), policies(by="time"))
def test_no_instant_is_torn_apart_and_nobody_is_tested_on_the_past(rows, data):
    sides, times, found = deal(rows, data).sides, rows["at"].to_pylist(), twins(rows)
    if data.split.duplicates == "together":
        times = [min(other for other, twin in zip(times, found, strict=True) if twin == own) for own in found]
    assert together(times, sides)
    in_time = sides[np.argsort(times, kind="stable")].astype(int)
    assert (np.diff(in_time) >= 0).all()  # training, then validation, then test
    assert in_time[-1] == TEST


@promise
@given(tables(), tables(), policies(by="random"))
def test_other_rows_never_move_a_row_that_is_dealt_at_random(rows, more, data):
    assert (deal(pa.concat_tables([rows, more]), data).sides[: rows.num_rows] == deal(rows, data).sides).all()


@promise
@given(tables(), tables(), policies(by="group"))
def test_other_rows_move_a_group_only_where_they_join_it_to_another(rows, more, data):
    told = [f"new {number}" for number in range(more.num_rows)]  # no row of `more` is like one of `rows`
    more = more.set_column(3, "b", pa.array(told, pa.string()))
    assert (deal(pa.concat_tables([rows, more]), data).sides[: rows.num_rows] == deal(rows, data).sides).all()


@promise
@given(tables(), tables(), policies(by="time", duplicates="apart"))
def test_later_rows_move_earlier_ones_towards_training_alone(rows, more, data):
    later = pa.array([each + timedelta(days=30) for each in more["at"].to_pylist()], pa.timestamp("us"))
    both = pa.concat_tables([rows, more.set_column(5, "at", later)])
    assert (deal(both, data).sides[: rows.num_rows] <= deal(rows, data).sides).all()


def test_groups_that_are_dealt_as_one_are_tested_on_no_more_often_than_others():
    """The least of many hashes is small: by itself it would send nearly every large cluster to the test side."""
    clusters, size = 4000, 8
    number = np.repeat(np.arange(clusters), size)
    rows = pa.table({"a": number, "b": ["x"] * len(number), "who": np.arange(len(number))})
    sides = deal(rows, policy(Split(by="group", column="who", test=0.3))).sides
    assert together(number.tolist(), sides)
    share = (sides[::size] == TEST).mean()
    assert abs(share - 0.3) < 5 * (0.3 * 0.7 / clusters) ** 0.5


@pytest.mark.parametrize(
    ("split", "column", "cells", "told"),
    [
        (None, "id", ["p", None, "q", None], "id: is null in 2 of 4 rows"),
        (Split(duplicates="apart"), "id", [None, None, None, "q"], "id: is null in 3 of 4 rows"),
        (Split(by="group", column="who"), "who", [1.0, float("nan"), None, 2.0], "who: is null in 2 of 4 rows"),
        (Split(by="group", column="who"), "who", pa.nulls(4), "who: is null in 4 of 4 rows"),
        (Split(by="time"), "at", pa.array([1, 2, None, 3], pa.timestamp("us")), "at: is null in 1 of 4 rows"),
        (
            Split(by="group", column="who"), "who",
            pa.DictionaryArray.from_arrays(pa.array([0, 1, 1, 0], pa.int32()), pa.array(["g", None])),
            "who: is null in 2 of 4 rows",
        ),
    ],
    ids=["holdout", "random", "nan", "all", "time", "dictionary"],
)  # fmt: skip
def test_rows_with_nothing_to_go_by_are_all_counted_before_they_are_refused(split, column, cells, told):
    rows = rows_of([(1.0, "x", "g", 1)] * 4, ["p", "q", "r", "s"])
    rows = rows.set_column(rows.column_names.index(column), column, cells if isinstance(cells, pa.Array) else [cells])
    dealer = Dealer(policy(split))
    for batch in rows.to_batches(max_chunksize=1):
        dealer.take(batch)
    with pytest.raises(UserError) as raised:
        dealer.deal()
    mend = "fill it or leave those rows out at the source"
    assert str(raised.value) == f"{told}, which a split by it cannot place ({mend})"


def test_a_key_that_the_split_does_not_go_by_is_not_asked_for():
    rows = rows_of([(1.0, "x", "g", 1)] * 4, ["p", "q", "r", "s"]).drop(["id"])
    assert len(set(deal(rows, policy(Split())).sides.tolist())) == 1


def test_zero_in_a_group_is_one_group_whatever_its_sign():
    rows = rows_of([(float(n), "x", "g", 1) for n in range(40)], [f"p{n}" for n in range(40)])
    rows = rows.set_column(4, "who", pa.array([0.0, -0.0] * 20))
    sides = deal(rows, policy(Split(by="group", column="who", duplicates="apart"))).sides
    assert len(set(sides.tolist())) == 1


@pytest.mark.parametrize("type_", [pa.binary(), pa.list_(pa.int64())], ids=str)
def test_a_group_that_is_no_value_is_refused_by_its_type(type_):
    cells = pa.array([b"\xff", b"x"] if type_ == pa.binary() else [[1], [2]], type_)
    rows = rows_of([(1.0, "x", "g", 1)] * 2, ["p", "q"]).set_column(4, "who", cells)
    with pytest.raises(UserError, match=r"who: has type .*, which a split cannot go by"):
        deal(rows, policy(Split(by="group", column="who")))


@pytest.mark.parametrize("type_", ["timestamp[ns]", "timestamp[us, tz=Europe/Rome]", "date32[day]", "timestamp[s]"])
def test_every_kind_of_time_is_cut_where_it_should_be(type_):
    types = {str(each): each for each in (pa.timestamp("ns"), pa.timestamp("us", "Europe/Rome"), pa.date32(),
                                          pa.timestamp("s"))}  # fmt: skip
    zone = UTC if "tz" in type_ else None
    days = [datetime(1969, 12, 29, tzinfo=zone) + timedelta(days=day) for day in range(10)]
    times = pa.array(days, types[type_])
    if type_ == "timestamp[ns]":
        times = pa.array(np.array(days, dtype="datetime64[ns]") + np.timedelta64(1, "ns"))
    rows = rows_of([(float(n), "x", "g", 1) for n in range(10)], [str(n) for n in range(10)])
    dealt = deal(rows.set_column(5, "at", times), policy(Split(by="time", validation=0.2, test=0.2)))
    assert dealt.sides.tolist() == [0] * 6 + [1] * 2 + [2] * 2
    assert dealt.cuts == {"validation": "1970-01-04T00:00:00", "test": "1970-01-06T00:00:00"}


@promise
@given(policies())
def test_no_rows_are_dealt_to_nobody(data):
    rows = rows_of([], [])
    assert deal(rows, data).sides.tolist() == []
    assert Dealer(data).deal().sides.tolist() == []


@promise
@given(tables(), policies())
def test_the_manifest_s_numbers_are_those_of_the_sides(rows, data):
    dealt, split = deal(rows, data), data.split or Split()
    facts = dealt.facts(split)
    assert sum(facts["rows"].values()) == rows.num_rows
    assert facts["rows"]["train"] == int((dealt.sides == TRAIN).sum())
    assert deal(rows, data).facts(split) == facts
