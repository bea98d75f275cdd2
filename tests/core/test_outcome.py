"""Outcomes join in any order, the worst wins, and nothing is never PASS."""

from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import EXIT_CODES, Check, Limit, Outcome, decide, judge_interval, worst

outcomes = st.lists(st.sampled_from(Outcome))
numbers = st.floats(-2, 2)


@given(outcomes)
def test_the_worst_wins_in_any_order(drawn):
    assert worst(drawn) is worst(reversed(drawn))
    for outcome in drawn:
        assert worst([worst(drawn), outcome]) is worst(drawn)


def test_the_order_of_badness():
    order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAIL]
    for better, worse in pairwise(order):
        for pair in permutations([better, worse]):
            assert worst(pair) is worse


def test_nothing_measured_is_inconclusive():
    assert worst([]) is Outcome.INCONCLUSIVE
    assert decide([]) is Outcome.INCONCLUSIVE
    warning = Check(name="a", outcome=Outcome.PASS, reason="", severity="warning")
    assert decide([warning]) is Outcome.INCONCLUSIVE


def test_exit_codes():
    assert {str(outcome): outcome.exit_code for outcome in Outcome} == {
        "PASS": 0,
        "FAIL": 1,
        "INCONCLUSIVE": 3,
        "ERROR": 4,
    }
    assert set(EXIT_CODES) == set(Outcome)


@given(numbers, numbers, numbers, numbers)
def test_a_limit_moved_inwards_never_improves_the_outcome(low, high, limit, tighter):
    low, high = sorted((low, high))
    tighter, limit = sorted((limit, tighter))
    order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]

    def judged(bound):
        return order.index(judge_interval(estimate=low, interval=(low, high), limit=Limit(max=bound))[0])

    assert judged(tighter) >= judged(limit)


@given(numbers, numbers, numbers)
def test_a_minimum_is_a_maximum_mirrored(low, high, limit):
    low, high = sorted((low, high))
    mirrored = judge_interval(estimate=-high, interval=(-high, -low), limit=Limit(max=-limit))[0]
    assert judge_interval(estimate=high, interval=(low, high), limit=Limit(min=limit))[0] is mirrored


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((0.0, 0.1), Outcome.PASS),
        ((0.1, 0.1), Outcome.PASS),
        ((0.1, 0.2), Outcome.INCONCLUSIVE),
        ((0.11, 0.2), Outcome.FAIL),
        ((0.0, float("nan")), Outcome.INCONCLUSIVE),
        ((float("nan"), 0.05), Outcome.INCONCLUSIVE),
        ((0.05, 0.0), Outcome.INCONCLUSIVE),
        (None, Outcome.INCONCLUSIVE),
    ],
)
def test_touching_the_limit_is_allowed_and_nan_never_passes(interval, outcome):
    assert judge_interval(estimate=0.05, interval=interval, limit=Limit(max=0.1))[0] is outcome


def test_no_estimate_never_passes():
    assert judge_interval(estimate=None, interval=(0, 0), limit=Limit(max=1))[0] is Outcome.INCONCLUSIVE
