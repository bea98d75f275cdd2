"""Volume and freshness: what is held against the snapshots before."""

from datetime import datetime, timedelta

import pytest
from tests.gates.contract.builtin.tables import NOW, checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Past, Roles

ROLES = Roles(key="id", time="at")
PLAIN = NOW.replace(tzinfo=None)


def rows(n, newest=PLAIN - timedelta(days=1)):
    return {"id": range(n), "at": [newest - timedelta(days=at) for at in range(n)]}


def past(*counts, age=1.0):
    taken = [NOW - timedelta(days=7 * (len(counts) - at)) for at in range(len(counts))]
    return [Past(rows=n, taken_at=t, newest=t - timedelta(days=age)) for n, t in zip(counts, taken, strict=True)]


@pytest.mark.parametrize(
    ("n", "outcome"), [(799, Outcome.FAIL), (800, Outcome.PASS), (1500, Outcome.PASS), (1501, Outcome.FAIL)]
)
def test_rows_are_counted_against_the_usual(tmp_path, n, outcome):
    check = checks(tmp_path, {"id": range(n)}, only("volume"), history=past(900, 1000, 5000))["volume", None]
    assert (check.outcome, check.estimate) == (outcome, n / 1000)
    assert f"{n:,} rows, usually 1,000" in check.reason


def test_of_few_rows_some_may_be_missing_by_chance(tmp_path):
    few, fewer = (checks(tmp_path, rows(n), only("volume"), history=past(90, 100, 5000))["volume", None]
                  for n in (79, 30))  # fmt: skip
    assert (few.outcome, few.severity) == (Outcome.INCONCLUSIVE, "warning")
    assert "more or less are chance" in few.reason
    assert (fewer.outcome, fewer.severity) == (Outcome.FAIL, "critical")


def test_the_reference_will_do_without_a_history(tmp_path):
    check = checks(tmp_path, rows(100), only("volume"), reference=rows(200))["volume", None]
    assert (check.outcome, check.estimate) == (Outcome.FAIL, 0.5)
    assert checks(tmp_path, rows(10), only("volume")) == {}


def test_of_no_rows_nothing_is_judged_whatever_was_usual_and_nothing_else_is_asked(tmp_path):
    found = checks(tmp_path, {"id": [], "at": []}, only("volume", "freshness", "all_null", "pii"))
    assert [(key, check.outcome) for key, check in found.items()] == [(("volume", None), Outcome.ERROR)]
    assert found["volume", None].reason.startswith("there are no rows at all")


def test_of_one_row_nothing_is_judged_though_it_was_usual(tmp_path):
    for history in ({}, {"history": past(1, 1)}):
        check = checks(tmp_path, rows(1), only("volume"), **history)["volume", None]
        assert (check.outcome, check.severity) == (Outcome.ERROR, "critical")
        assert check.reason.startswith("there is one row")


@pytest.mark.parametrize(("age", "outcome"), [(1, Outcome.PASS), (6, Outcome.PASS), (7, Outcome.FAIL)])
def test_age_is_held_against_the_oldest_so_far(tmp_path, age, outcome):
    data = rows(5, PLAIN - timedelta(days=age))
    history = past(*[5] * 20, age=3)
    check = checks(tmp_path, data, only("freshness"), roles=ROLES, history=history)["freshness", "at"]
    assert (check.outcome, check.estimate) == (outcome, age)
    assert "at most 6.0 (2 times the oldest so far)" in check.reason


@pytest.mark.parametrize(("many", "age", "blocks"), [(1, 30, False), (3, 7, False), (3, 60, True), (20, 10, True)])
def test_few_snapshots_do_not_say_what_is_old(tmp_path, many, age, blocks):
    data, history = rows(5, PLAIN - timedelta(days=age)), past(*[5] * many, age=3)
    check = checks(tmp_path, data, only("freshness"), roles=ROLES, history=history)["freshness", "at"]
    found = (Outcome.FAIL, "critical") if blocks else (Outcome.INCONCLUSIVE, "warning")
    assert (check.outcome, check.severity) == found
    assert blocks or "freshness.max_age_days" in check.reason


def test_the_policys_age_goes_before_the_historys(tmp_path):
    policy = only(freshness={"max_age_days": 0.5})
    check = checks(tmp_path, rows(5), policy, roles=ROLES, history=past(5, age=30))["freshness", "at"]
    assert (check.outcome, check.limit.max) == (Outcome.FAIL, 0.5)


def test_times_to_come_fail_and_are_not_the_newest(tmp_path):
    data = rows(4)
    data["at"][0] = PLAIN + timedelta(days=400)
    found = checks(tmp_path, data, only("freshness"), roles=ROLES, history=past(5))
    assert (found["future_times", "at"].outcome, found["future_times", "at"].estimate) == (Outcome.FAIL, 0.25)
    assert found["freshness", "at"].estimate == 2


def test_without_times_nothing_is_fresh(tmp_path):
    data = {"id": [1, 2], "at": [None, datetime(2030, 1, 1)]}
    found = checks(tmp_path, data, only("freshness"), roles=ROLES, history=past(5))
    assert found["freshness", "at"].outcome is Outcome.INCONCLUSIVE
    assert checks(tmp_path, rows(3), only("freshness"), history=past(5)) == {}


@pytest.mark.parametrize("policy", [only("freshness"), only(freshness={"max_age_days": 30})])
@pytest.mark.parametrize("at", [["2026-01-30", "2026-01-31"], [1, 2]])
def test_what_is_no_time_tells_nothing_of_the_newest_row(tmp_path, at, policy):
    found = checks(tmp_path, {"id": [1, 2], "at": at}, policy, roles=ROLES)
    check = found["freshness", "at"]
    assert (len(found), check.outcome, check.severity) == (1, Outcome.FAIL, "critical")
    assert "Make it a date or a timestamp" in check.reason
    empty = checks(tmp_path, {"id": [1, 2], "at": [None, None]}, policy, roles=ROLES)
    assert empty["future_times", "at"].outcome is Outcome.INCONCLUSIVE
