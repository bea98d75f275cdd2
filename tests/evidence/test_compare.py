"""Two verdicts agree when nothing that was decided or measured differs, and every difference is named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import TIMED, Check, Distribution, GroupMetrics, Limit, Measured, Outcome, Verdict
from assay.core.distribution import Cell, Rows
from assay.evidence.compare import differences

CHECK = Check(
    name="tpr_difference", attribute="sex", outcome=Outcome.PASS, reason="fine", metric="tpr", compare="difference",
    groups=({"sex": "f"}, {"sex": "m"}), estimate=0.05, interval=(0.02, 0.08), confidence=0.95, limit=Limit(max=0.1),
    support=120,
)  # fmt: skip
GROUP = GroupMetrics(
    group={"sex": "f"}, n=200, metrics={"tpr": Measured(estimate=0.7, interval=(0.6, 0.8), support=80)}
)
VERDICT = Verdict(
    gate="fairness", outcome=Outcome.PASS, attempt=1, model="m", policy_sha256="p", snapshot="s", code_version="c",
    started_at="t", seconds=1.0, previous=None, checks=(CHECK,), groups=(GROUP,),
)  # fmt: skip
AT = "fairness/tpr_difference/sex: "


def with_check(**changes):
    return replace(VERDICT, checks=(replace(CHECK, **changes),))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"outcome": Outcome.FAIL}, "outcome recorded PASS, replayed FAIL"),
        ({"estimate": 0.06}, "estimate recorded 0.05, replayed 0.06"),
        ({"estimate": None}, "estimate recorded 0.05, replayed nothing"),
        ({"estimate": 0.05000001}, "estimate recorded 0.05, replayed 0.05000001"),
        ({"interval": (0.02, 0.09)}, "interval recorded [0.02, 0.08], replayed [0.02, 0.09]"),
        ({"confidence": 0.9}, "confidence recorded 0.95, replayed 0.9"),
        ({"limit": Limit(max=0.2)}, "limit recorded max 0.1, replayed max 0.2"),
        ({"support": 121}, "support recorded 120, replayed 121"),
        ({"groups": ({"sex": "x"},)}, "groups recorded [sex f, sex m], replayed [sex x]"),
        ({"severity": "info"}, "severity recorded critical, replayed info"),
    ],
)
def test_a_difference_in_a_check_is_named_with_both_values(changed, told):
    assert differences(VERDICT, with_check(**changed)) == [AT + told]


def timed(estimate, outcome, **changes):
    """A verdict whose second check read a clock."""
    clock = replace(CHECK, name="latency", compare=TIMED, estimate=estimate, interval=(0, estimate), outcome=outcome)
    worse = Outcome.FAIL if outcome is Outcome.FAIL else Outcome.PASS
    return replace(VERDICT, outcome=worse, checks=(CHECK, replace(clock, **changes)))


def test_what_a_clock_showed_is_no_difference_nor_what_follows_from_it():
    assert differences(timed(1.0, Outcome.PASS), timed(9.0, Outcome.FAIL, support=7)) == []
    told = differences(timed(1.0, Outcome.PASS), timed(1.0, Outcome.PASS, limit=Limit(max=0.5)))
    assert told == ["fairness/latency/sex: limit recorded max 0.1, replayed max 0.5"]


def test_a_clock_excuses_no_other_check_and_no_outcome_that_does_not_follow():
    slow = timed(9.0, Outcome.FAIL)
    failed = replace(slow, checks=(replace(CHECK, outcome=Outcome.FAIL), slow.checks[1]))
    assert differences(timed(1.0, Outcome.PASS), failed) == [
        "fairness: outcome recorded PASS, replayed FAIL",
        AT + "outcome recorded PASS, replayed FAIL",
    ]
    forged = replace(slow, outcome=Outcome.PASS)
    assert differences(forged, slow) == ["fairness: outcome recorded PASS, replayed FAIL"]


@pytest.mark.parametrize("part", ["model", "policy_sha256", "snapshot", "code_version"])
def test_a_verdict_about_something_else_does_not_agree(part):
    found = differences(VERDICT, replace(VERDICT, **{part: "x"}))
    assert found == [f"fairness: {part} recorded {getattr(VERDICT, part)}, replayed x"]


def test_checks_and_groups_on_one_side_only_are_named():
    assert differences(VERDICT, replace(VERDICT, checks=())) == [AT + "recorded, but not replayed"]
    assert differences(replace(VERDICT, checks=()), VERDICT) == [AT + "not recorded, but replayed"]
    assert differences(VERDICT, replace(VERDICT, groups=())) == ['fairness/{"sex":"f"}: recorded, but not replayed']


def test_counts_of_groups_are_compared():
    smaller = replace(GROUP, n=199, metrics={"tpr": Measured(estimate=0.7, interval=(0.6, 0.8), support=79)})
    assert differences(VERDICT, replace(VERDICT, groups=(smaller,))) == [
        'fairness/{"sex":"f"}: n recorded 200, replayed 199',
        'fairness/{"sex":"f"}: tpr.support recorded 80, replayed 79',
    ]


def test_place_time_and_wording_are_not_compared():
    other = replace(with_check(reason="in other words"), attempt=3, previous="d", started_at="u", seconds=9.0)
    assert differences(VERDICT, other) == []


def test_what_was_written_and_read_back_agrees_with_what_was_measured():
    whole = with_check(estimate=1.0, interval=(0.0, 1.0))
    assert differences(Verdict.from_dict(whole.to_dict()), whole) == []


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_numbers_agree_to_the_ninth_digit_and_no_further(one, other):
    agree = not differences(with_check(estimate=one), with_check(estimate=other))
    assert agree == (abs(one - other) <= max(1e-9, 1e-9 * max(abs(one), abs(other))))


def test_how_columns_are_spread_is_compared():
    cells = (Cell(name="a", data=40), Cell(name="b", data=None))
    spread = Distribution(column="job", kind="category", data=Rows(rows=45, missing=0), cells=cells)
    recorded = replace(VERDICT, distributions=(spread,))
    assert differences(recorded, replace(recorded, seconds=7.0)) == []
    other = replace(spread, data=Rows(rows=46, missing=0))
    assert differences(recorded, replace(VERDICT, distributions=(other,))) == [
        "fairness/distribution of job: data recorded rows 45, missing 0, replayed rows 46, missing 0"
    ]
    gone = ["fairness/distribution of job: recorded, but not replayed"]
    assert differences(recorded, VERDICT) == gone
