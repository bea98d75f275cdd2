from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import UserError
from assay.data.dealing import TEST, TRAIN, VALIDATION, Dealer, deal, feature_hashes
from assay.data.snapshots import create_snapshot
from assay.data.splits import holdout_mask
from assay.policy import Data, Split

FIRST = datetime(2024, 1, 1)


def policy(**split):
    plain = {"source": "x", "key": "id", "label": "y", "positive": "yes", "features": ["a", "b"], "sensitive": ["who"]}
    return Data(**plain, time="at", split=Split(**split) if split else None)


def people(n, seed=0, *, values=1000, groups=50):
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, n, n).tolist()
    return pa.table(
        {
            "id": np.arange(n),
            "y": rng.choice(["yes", "no"], n),
            "a": rng.integers(0, values, n),
            "b": rng.choice(["p", "q"], n),
            "who": rng.integers(0, groups, n),
            "at": pa.array([FIRST + timedelta(hours=h) for h in hours], pa.timestamp("us")),
        }
    )


def sides_of(values, sides):
    found = {}
    for value, side in zip(values, sides.tolist(), strict=True):
        found.setdefault(value, set()).add(side)
    return found


def test_without_a_split_the_test_side_is_the_holdout():
    rows = people(2000)
    assert ((deal(rows, policy()).sides == TEST) == holdout_mask(rows["id"], 0.3)).all()


def test_a_random_split_goes_by_the_key_alone():
    rows, data = people(5000), policy(validation=0.2, test=0.1, duplicates="apart")
    sides = deal(rows, data).sides
    assert ((sides == TEST) == holdout_mask(rows["id"], 0.1)).all()
    order = np.random.default_rng(1).permutation(5000)[:700]
    assert (deal(rows.take(order), data).sides == sides[order]).all()


@pytest.mark.parametrize("by", [{"by": "random"}, {"by": "group", "column": "who"}, {"by": "time"}])
@pytest.mark.parametrize("duplicates", ["apart", "together"])
def test_the_shares_are_met(by, duplicates):
    rows = people(40_000, values=10**9, groups=10_000)
    sides = deal(rows, policy(**by, validation=0.2, test=0.1, duplicates=duplicates)).sides
    shares = np.bincount(sides, minlength=3) / len(sides)
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=0.02)


@given(st.integers(2, 300), st.integers(0, 99), st.sampled_from(["random", "group", "time"]))
def test_equal_rows_and_groups_are_never_torn_apart(n, seed, by):
    rows = people(n, seed, values=max(2, n // 3), groups=max(2, n // 4))
    column = "who" if by == "group" else None
    sides = deal(rows, policy(by=by, column=column, validation=0.2, test=0.3)).sides
    features = list(zip(rows["a"].to_pylist(), rows["b"].to_pylist(), strict=True))
    assert all(len(found) == 1 for found in sides_of(features, sides).values())
    if by == "group":
        assert all(len(found) == 1 for found in sides_of(rows["who"].to_pylist(), sides).values())


def test_the_latest_rows_are_tested_on_and_an_instant_stays_whole():
    rows = people(3000)
    dealt = deal(rows, policy(by="time", validation=0.2, test=0.1, duplicates="apart"))
    times = np.array(rows["at"].to_pylist())
    latest = [times[dealt.sides == side].max() for side in (TRAIN, VALIDATION)]
    earliest = [times[dealt.sides == side].min() for side in (VALIDATION, TEST)]
    assert latest[0] < earliest[0]
    assert latest[1] < earliest[1]
    assert dealt.cuts == {"validation": earliest[0].isoformat(), "test": earliest[1].isoformat()}


def test_a_row_that_was_there_before_is_not_tested_on():
    old, new = [FIRST + timedelta(days=d) for d in (0, 9)]
    columns = {"id": [1, 2, 3, 4], "y": ["yes"] * 4, "a": [7, 8, 9, 7], "b": ["p"] * 4, "who": [0] * 4}
    rows = pa.table(columns | {"at": [old, old, new, new]})
    assert deal(rows, policy(by="time", test=0.25)).sides.tolist() == [TRAIN, TRAIN, TEST, TRAIN]


@pytest.mark.parametrize("by", [{"by": "random"}, {"by": "group", "column": "who"}, {"by": "time"}])
def test_batches_make_no_difference(by):
    rows, data = people(1000, values=100), policy(**by, validation=0.1)
    dealer = Dealer(data)
    for batch in rows.select(dealer.columns).to_batches(max_chunksize=77):
        dealer.take(batch)
    assert (dealer.deal().sides == deal(rows, data).sides).all()


@given(st.lists(st.tuples(st.none() | st.floats(), st.none() | st.text(max_size=2)), min_size=1, max_size=40))
def test_rows_are_alike_when_every_cell_is(cells):
    rows = pa.table(
        {"a": pa.array([a for a, _ in cells], pa.float64()), "b": pa.array([b for _, b in cells], pa.string())}
    )

    def plain(row):
        return (None if row[0] is None or row[0] != row[0] else row[0] + 0.0, row[1])

    hashed, meant = feature_hashes(rows, ["a", "b"]).tolist(), [plain(row) for row in cells]
    for one, other in zip(range(len(cells)), range(1, len(cells)), strict=False):
        assert (hashed[one] == hashed[other]) == (meant[one] == meant[other])


def test_the_split_is_the_same_in_every_release():
    rows = people(30, values=25, groups=12)
    found = {
        by: deal(rows, policy(by=by, column="who" if by == "group" else None, validation=0.2)).sides
        for by in ("random", "group", "time")
    }
    assert {by: "".join(map(str, sides.tolist())) for by, sides in found.items()} == {
        "random": "200211002222100012220012001202",
        "group": "200200022020220000002000022022",
        "time": "011000000202121222200020122020",
    }  # another hash would move rows between training and test of models already made


def test_the_manifest_records_the_split(tmp_path):
    rows, data = people(500), policy(by="time", validation=0.2, test=0.1)
    pq.write_table(rows, tmp_path / "t.parquet")
    taken = create_snapshot(source=tmp_path / "t.parquet", data=data, model="m", root=str(tmp_path / "root"))
    dealt = deal(taken.table(), data)
    assert taken.manifest["split"] == dealt.facts(data.split)
    assert sum(taken.manifest["split"]["rows"].values()) == 500


@pytest.mark.parametrize(
    ("column", "split", "message"),
    [
        ("who", {"by": "group", "column": "who"}, "who: is null in 1 of 50 rows"),
        ("at", {"by": "time"}, "at: is null in 1 of 50 rows"),
    ],
)
def test_a_row_without_group_or_time_is_refused(tmp_path, column, split, message):
    rows = people(50)
    cells = [None, *rows[column].to_pylist()[1:]]
    rows = rows.set_column(rows.column_names.index(column), column, pa.array(cells, rows[column].type))
    pq.write_table(rows, tmp_path / "t.parquet")
    with pytest.raises(UserError, match=message):
        create_snapshot(source=tmp_path / "t.parquet", data=policy(**split), model="m", root=str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_a_side_without_rows_is_refused(tmp_path):
    pq.write_table(people(50, values=1), tmp_path / "t.parquet")
    rows = people(50, groups=1)
    pq.write_table(rows, tmp_path / "t.parquet")
    data = policy(by="group", column="who")
    with pytest.raises(UserError, match="leaves no row for"):
        create_snapshot(source=tmp_path / "t.parquet", data=data, model="m", root=str(tmp_path / "root"))


def test_bytes_cannot_be_compared_as_features():
    rows = pa.table({"a": pa.array([b"\xff", b"x"])})
    with pytest.raises(UserError, match="a: has type binary, by which rows cannot be compared"):
        feature_hashes(rows, ["a"])
