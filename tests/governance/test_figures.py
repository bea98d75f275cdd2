import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.governance import sample

from assay.core import Check, Limit, Outcome
from assay.governance.figures import MARGIN, WIDTH, Scale, picture, scale_of
from assay.governance.words import number, summary

values = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def checks(draw):
    low, estimate, high = sorted(draw(st.tuples(values, values, values)))
    limit = draw(st.one_of(st.none(), st.builds(Limit, min=values), st.builds(Limit, max=values)))
    compare = draw(st.sampled_from(["level", "difference", "ratio", None]))
    return Check(
        name="c",
        outcome=Outcome.PASS,
        reason="r",
        compare=compare,
        estimate=estimate,
        interval=(low, high),
        limit=limit,
    )


@given(st.lists(checks(), min_size=1, max_size=5))
def test_everything_of_every_check_lies_inside_the_picture_and_in_its_order(found):
    scale = scale_of(found)
    for check in found:
        drawn = picture(check, scale)
        assert MARGIN <= drawn.interval[0] <= drawn.estimate <= drawn.interval[1] <= WIDTH - MARGIN
        assert all(MARGIN <= x <= WIDTH - MARGIN for x in (*drawn.limits, drawn.equality or MARGIN))
        if drawn.allowed:
            assert drawn.allowed[0] <= drawn.allowed[1]


@given(values, st.floats(1e-6, 1e6))
def test_an_axis_has_a_few_round_labels_that_rise(low, width):
    scale = Scale(low=low, high=low + width)
    if scale.high - scale.low < width / 2:
        return  # the width was lost in rounding
    places = [tick.x for tick in scale.ticks]
    assert 1 <= len(places) <= 7
    assert places == sorted(places)


@pytest.mark.parametrize("compare", ["difference", "ratio"])
def test_equality_is_always_in_the_picture(compare):
    check = Check(name="c", outcome=Outcome.FAIL, reason="", compare=compare, estimate=0.4, interval=(0.3, 0.5))
    drawn = picture(check, scale_of([check]))
    assert MARGIN < drawn.equality < WIDTH - MARGIN


def test_what_was_not_measured_is_not_drawn():
    nothing = Check(name="c", outcome=Outcome.INCONCLUSIVE, reason="", limit=Limit(max=0.1))
    undefined = Check(name="c", outcome=Outcome.INCONCLUSIVE, reason="", estimate=math.nan, interval=(0.1, 0.2))
    assert scale_of([nothing]) is None
    assert picture(nothing, Scale(low=0, high=1)) is None
    assert picture(undefined, scale_of([undefined])) is None


def test_a_bare_number_needs_no_picture():
    assert scale_of([Check(name="c", outcome=Outcome.PASS, reason="", estimate=3.0)]) is None


def test_a_summary_counts_and_names_the_worst():
    said = summary(sample.verdict("fairness", sample.fairness(), sample.subject("p")))
    assert said.startswith("1 of 5 checks pass; the worst is tpr_difference by sex \N{MULTIPLICATION SIGN} race")
    assert "fails" in said


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        (sample.performance(), "All 3 checks pass."),
        (sample.contract(), "12 of 13 checks pass, among them every critical one."),
        (sample.one("approval", Outcome.FAIL, "refused by ann"), "Refused by ann."),
        ([], "Nothing was checked, so nothing is shown."),
    ],
)
def test_summaries_in_words(checks, said):
    assert summary(sample.verdict("gate", checks, sample.subject("p"))) == said


def test_a_negative_number_has_a_real_minus():
    assert number(-0.5) == "\N{MINUS SIGN}0.5"
