"""What a drafted suite holds, why, and that it holds where it should and fails where it should."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core import Outcome, UserError
from assay.core.settings import PACKAGE
from assay.data.draft.contract import suggest
from assay.data.draft.seen import family, look
from assay.data.engine import open_rows, open_table
from assay.gates import contract

ADULT = pd.read_parquet(PACKAGE.parent / "models" / "income" / "data" / "adult.parquet")


def visits(n=600, seed=0):
    rng = np.random.default_rng(seed)
    entered = [date(2024, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 200, n)]
    plan = rng.choice(["basic", "plus", "gold"], n, p=[0.5, 0.3, 0.2])
    gap = rng.random(n) < 0.1
    return pd.DataFrame(
        {
            "id": range(n),
            "entered": entered,
            "left": [day + timedelta(days=int(d)) for day, d in zip(entered, rng.integers(0, 30, n), strict=True)],
            "plan": np.where(gap, None, plan),
            "fee": np.where(gap, np.nan, pd.Series(plan).map({"basic": 1, "plus": 2, "gold": 5})),
            "tier": np.where(gap, None, pd.Series(plan).map({"basic": "a", "plus": "b", "gold": "b"})),
            "minutes": rng.normal(50, 10, n),
            "fine": np.where(rng.random(n) < 0.9, 0, rng.integers(1, 100, n)),
            "wild": rng.standard_cauchy(n),
            "member": rng.random(n) < 0.5,
            "note": [f"note {i}" for i in range(n)],
            "empty": pd.Series([None] * n, dtype="string"),
        }
    )


def drafted(frame, **options):
    with open_table(pa.Table.from_pandas(frame)) as rows:
        return suggest(rows, name="draft", **options)


def judged(tmp_path, frame, suite):
    frame.to_parquet(tmp_path / "t.parquet")
    return contract.judge(contract.measure(files=[tmp_path / "t.parquet"], suite=suite, key="id"))


def found(suite, kind, **about):
    return [
        each
        for each in suite["expectations"]
        if each["type"] == kind and all(each["kwargs"].get(name) == value for name, value in about.items())
    ]


def test_a_draft_holds_on_its_data_and_says_why(tmp_path):
    suite = drafted(visits(), key="id")
    assert all(each["meta"]["notes"].endswith((".", "either")) for each in suite["expectations"])
    assert [check for check in judged(tmp_path, visits(), suite).checks if check.outcome is not Outcome.PASS] == []
    assert judged(tmp_path, visits(seed=1), suite).outcome is Outcome.PASS
    (plan,) = found(suite, "expect_column_values_to_be_in_set", column="plan")
    assert plan["kwargs"]["value_set"] == ["basic", "gold", "plus"]
    assert "all" in plan["meta"]["notes"].lower()
    (note,) = found(suite, "expect_column_values_to_be_unique", column="note")
    assert note["severity"] == "warning"
    (key,) = found(suite, "expect_column_values_to_be_unique", column="id")
    assert key["severity"] == "critical"
    assert not found(suite, "expect_column_values_to_not_be_null", column="empty")


def test_columns_that_belong_together_are_found():
    suite = drafted(visits(), key="id")
    (pair,) = found(suite, "expect_column_pair_values_to_be_in_set")
    assert (pair["kwargs"]["column_A"], pair["kwargs"]["column_B"]) == ("plan", "tier")
    assert pair["kwargs"]["value_pairs_set"] == [["basic", "a"], ["gold", "b"], ["plus", "b"]]
    (order,) = found(suite, "expect_column_pair_values_a_to_be_greater_than_b")
    assert (order["kwargs"]["column_A"], order["kwargs"]["column_B"]) == ("left", "entered")
    (gap,) = found(suite, "unexpected_rows_expectation")
    assert gap["kwargs"]["unexpected_rows_query"].endswith('"plan" IS NULL AND "tier" IS NOT NULL')


def test_a_column_dealt_anew_is_found_where_it_is_tied_to_another(tmp_path):
    """The tie may have exceptions, and need not name one value for each."""
    rng = np.random.default_rng(1)
    kind = rng.choice(["child", "pupil", "adult", "retired"], 4000, p=[0.2, 0.2, 0.5, 0.1])
    marital = np.where(np.isin(kind, ["child", "pupil"]), "single", rng.choice(["single", "married", "widowed"], 4000))
    marital[:3] = "married"
    rows = pd.DataFrame({"id": range(4000), "kind": kind, "marital": marital, "coin": rng.choice(["h", "t"], 4000)})
    suite = drafted(rows, key="id")
    (tie,) = found(suite, "expect_column_pair_values_to_be_in_set")
    assert (tie["kwargs"]["column_A"], tie["kwargs"]["column_B"]) == ("kind", "marital")
    assert ["child", "married"] not in tie["kwargs"]["value_pairs_set"]
    assert 0.9 < tie["kwargs"]["mostly"] < 1
    assert "All but" in tie["meta"]["notes"]
    assert judged(tmp_path, rows, suite).outcome is Outcome.PASS
    hit = rng.random(4000) < 0.3
    rows.loc[hit, "marital"] = rng.permutation(rows.loc[hit, "marital"])
    bad = [check.name for check in judged(tmp_path, rows, suite).checks if check.outcome is not Outcome.PASS]
    assert bad == ["expect_column_pair_values_to_be_in_set"]


def null_burst(rows):
    rows.loc[:20, "minutes"] = None


def new_plan(rows):
    rows.loc[:40, ["plan", "tier"]] = ["trial", "a"]


def other_unit(rows):
    rows["minutes"] *= 60


def shifted(rows):
    rows["minutes"] += 10


def shifted_zeros(rows):
    rows["fine"] += 1


def swapped(rows):
    rows[["entered", "left"]] = rows[["left", "entered"]].to_numpy()


def text_for_numbers(rows):
    rows["minutes"] = rows["minutes"].astype(str)


def repeated_key(rows):
    rows.loc[1, "id"] = 0


def future(rows):
    rows.loc[5, ["entered", "left"]] = [date(2031, 1, 1)] * 2


def disagreeing(rows):
    rows.loc[rows["plan"] == "plus", "tier"] = "a"


def half_gone(rows):
    rows.drop(index=range(301), inplace=True)


@pytest.mark.parametrize(
    "damage",
    [
        null_burst, new_plan, other_unit, shifted, shifted_zeros, swapped, text_for_numbers, repeated_key, future,
        disagreeing, half_gone,
    ],
)  # fmt: skip
def test_a_draft_fails_on_damage(tmp_path, damage):
    rows = visits()
    damage(rows)
    assert judged(tmp_path, rows, drafted(visits(), key="id")).outcome in (Outcome.FAIL, Outcome.ERROR)


def test_a_draft_holds_on_clean_resamples(tmp_path):
    """A resample has rows twice by its making; a half is held to the draft of all rows."""
    suite = drafted(ADULT, key="person_id")
    for seed in range(2):
        again = ADULT.sample(len(ADULT), replace=True, random_state=seed).assign(person_id=range(len(ADULT)))
        for rows, twice in ((again, {"expect_compound_columns_to_be_unique"}), (ADULT.iloc[seed::2], set())):
            rows.to_parquet(tmp_path / "t.parquet")
            judgement = contract.judge(contract.measure(files=[tmp_path / "t.parquet"], suite=suite))
            assert {check.name for check in judgement.checks if check.outcome is not Outcome.PASS} == twice


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_draft_holds_on_whatever_small_data(tmp_path_factory, data):
    n = data.draw(st.integers(1, 30))
    cells = {
        "i": st.integers(-(2**40), 2**40),
        "f": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "s": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3),
        "b": st.booleans(),
        "d": st.dates(date(1, 1, 3)),
        "few": st.integers(0, 2),
    }
    table = pa.table(
        {name: data.draw(st.lists(st.none() | kind, min_size=n, max_size=n)) for name, kind in cells.items()}
    )
    with open_table(table) as rows:
        suite = suggest(rows, name="draft")
    path = tmp_path_factory.mktemp("small") / "t.parquet"
    pq.write_table(table, path)
    judgement = contract.judge(contract.measure(files=[path], suite=suite))
    assert [check for check in judgement.checks if check.outcome is not Outcome.PASS] == []


def test_what_cannot_be_drafted_from_is_said():
    with pytest.raises(UserError, match=r'no column "idd" \(did you mean "id"'):
        drafted(visits(), key="idd")
    with pytest.raises(UserError, match="has no rows"):
        drafted(visits().head(0))


def test_a_file_is_looked_at_as_a_table_is(tmp_path):
    table = pa.Table.from_pandas(visits(), preserve_index=False)
    pq.write_table(table, tmp_path / "t.parquet")
    told = []
    with open_table(table) as rows, open_rows([tmp_path / "t.parquet"]) as same:
        assert look(rows, table.column_names) == look(same, table.column_names, lambda *step: told.append(step))
    assert told[-1] == ("looking at columns", 11, 12)
    assert [family(table.schema.field(name).type) for name in ("left", "minutes", "member")] == [
        "date",
        "number",
        "boolean",
    ]
