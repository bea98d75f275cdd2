"""Every group of a verdict is in a figure of its attribute, with the limit where it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.governance.verdict.made import check, group, measured, verdict

from assay.core import GroupMetrics, Limit, Outcome
from assay.evidence.card.words import TIMES
from assay.governance.verdict.groups import attributes

F, M, X = ({"sex": name} for name in "FMX")


def figures(checks, groups):
    (found,) = attributes(verdict("fairness", checks, groups))
    return found


def test_one_figure_for_each_metric_of_each_attribute_those_with_a_limit_first():
    groups = [group(sex="F"), group(sex="M"), group(sex="F", race="x"), group(score="[0, 1]")]
    made = attributes(verdict("fairness", [check()], groups))
    assert [(each.title, each.count) for each in made] == [("Groups by sex", 2), (f"Groups by sex {TIMES} race", 1)]
    assert [[f.caption for f in each.judged] for each in made] == [["true positive rate by sex"], []]
    assert [len(each.others) for each in made] == [1, 2]


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=30))
def test_every_group_is_there_the_highest_first_and_the_unmeasured_last(rates):
    made = figures([], [group(at, sex=f"g{at}", rate=rate) for at, rate in enumerate(rates)])
    for figure in made.others:
        assert sorted(line.name for line in figure.lines) == sorted(f"g{at}" for at in range(len(rates)))
        shown = [line.estimate for line in figure.lines]
        measured = [rate for rate in shown if rate is not None]
        assert measured == sorted(measured, reverse=True)
        assert shown[: len(measured)] == measured


def test_a_level_is_a_limit_for_each_group():
    held = [
        check("tpr_level", compare="level", limit=Limit(min=0.4), groups=[F]),
        check("tpr_level_2", compare="level", limit=Limit(max=0.9), groups=[M]),
    ]
    (figure,) = figures(held, [group(sex="F"), group(sex="M"), group(sex="X")]).judged
    assert {line.limit for line in figure.lines} == {Limit(min=0.4, max=0.9)}
    assert {line.name for line in figure.lines if line.decisive} == {"F", "M"}
    assert "≥ 0.4 and ≤ 0.9" in figure.level


@pytest.mark.parametrize(
    ("compare", "limit", "shaded"),
    [("difference", Limit(max=0.1), (0.2, 0.3)), ("ratio", Limit(min=0.8), (0.48, 0.6))],
)
def test_a_comparison_is_shaded_as_far_as_it_lets_the_compared_groups_be_apart(compare, limit, shaded):
    held = check(f"tpr_{compare}", compare=compare, limit=limit)
    (figure,) = figures([held], [group(sex="F", rate=0.6), group(sex="M", rate=0.2), group(sex="X", rate=0.1)]).judged
    found = {(line.limit.min, line.limit.max) for line in figure.lines}
    assert len(found) == 1
    assert found.pop() == pytest.approx(shaded)
    assert compare in figure.level


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "tpr_difference_within_job"},  # of standardised rates, which the groups' own are not
        {"name": "tpr_difference_gained"},
        {"groups": None},
        {"groups": [F, {"sex": "gone"}]},
        {"limit": None},
    ],
)
def test_nothing_is_shaded_that_no_limit_says_of_these_numbers(changes):
    held = check(**{"name": "tpr_difference", **changes, "outcome": Outcome.INCONCLUSIVE})
    (figure,) = figures([held], [group(sex="F"), group(sex="M")]).judged
    assert {line.limit for line in figure.lines} == {None}
    assert "Shaded" not in figure.level


def test_weak_slices_are_held_against_the_limit_of_the_search():
    sizes = {"age > 60": 0.3, "age <= 60 and job = x": 0.1}
    found = [
        GroupMetrics(group={"slice": name}, n=300, metrics=dict.fromkeys(("excess", "log_loss"), measured(value)))
        for name, value in sizes.items()
    ]
    weak = check(
        "weak_slice", metric="log_loss", compare="excess", attribute=None, groups=[{"slice": "age > 60"}],
        limit=Limit(max=0.15),
    )  # fmt: skip
    (made,) = attributes(verdict("performance", [weak], found))
    assert made.title == "Weak slices that were found"
    (figure,) = made.judged
    assert {line.limit for line in figure.lines} == {Limit(max=0.15)}
    assert [line.name for line in figure.lines if line.decisive] == ["age > 60"]


def test_classes_held_against_the_rest_are_judged_by_their_own_checks():
    rates = {f"tpr[{of}]": measured(0.5) for of in ("low_risk", "high_risk")}
    held = check("tpr_difference[low_risk]", metric="tpr[low_risk]")
    made = figures([held], [GroupMetrics(group=name, n=9, metrics=rates) for name in (F, M)])
    assert [figure.caption for figure in made.judged] == ["true positive rate for low_risk by sex"]
    assert [figure.caption for figure in made.others] == ["true positive rate for high_risk by sex"]
    assert made.judged[0].lines[0].limit == Limit(min=0.5, max=0.6)
