"""A forest plot shows its numbers where its own axis says that they are."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.evidence.pictures.drawn import rendered, rows, svg

from assay.core import Limit, Outcome
from assay.evidence.pictures.figure import Figure, Line, cells, used_columns
from assay.evidence.pictures.forest import LEFT, MOST, RIGHT, forest
from assay.evidence.pictures.scale import Scale

finite = st.floats(-1e6, 1e6)
limits = st.none() | st.builds(Limit, min=st.none() | finite, max=st.none() | finite)


@st.composite
def lines(draw, limit=limits):
    low, estimate, high = sorted(draw(st.tuples(finite, finite, finite)))
    return Line(
        name=draw(st.text("ab <&>'", max_size=12)), n=1, estimate=estimate,
        interval=draw(st.sampled_from([None, (low, high)])),
        limit=draw(limit), outcome=draw(st.none() | st.sampled_from(list(Outcome))),
    )  # fmt: skip


def figure(*drawn, anchor=None, level=""):
    return Figure(caption="c", lines=drawn, level=level, anchor=anchor)


def sides(line):
    return [side for side in (line.limit.min, line.limit.max) if side is not None] if line.limit else []


@given(st.lists(lines(), max_size=6), st.none() | finite)
def test_a_picture_stays_inside_its_frame_and_in_order(drawn, anchor):
    picture = forest(figure(*drawn, anchor=anchor))
    assert (picture is None) == (not any(line.interval for line in drawn))
    if picture is None:
        return
    for mark in picture.marks:
        xs = [mark.estimate, *(mark.interval or ()), *(mark.allowed or ()), *mark.limits]
        assert all(LEFT <= x <= RIGHT for x in xs)
        if mark.interval:
            assert mark.interval[0] <= mark.estimate <= mark.interval[1]
    assert 1 <= len(picture.ticks) <= 12


@given(st.lists(lines(), min_size=1, max_size=6))
def test_what_is_drawn_is_what_was_measured(drawn):
    values = [value for line in drawn for value in (line.estimate, *(line.interval or ()), *sides(line))]
    assume(max(values) - min(values) > 1e-3 and any(line.interval for line in drawn))
    picture = svg(rendered("figure", figure(*drawn)))
    scale = Scale.over(values, left=LEFT, right=RIGHT)
    unit = (scale.high - scale.low) / (RIGHT - LEFT)
    near = 0.6 * unit + 1e-3 * max(map(abs, (scale.low, scale.high)))  # a tick's label has four digits
    for line, row in zip(drawn, rows(picture), strict=True):
        assert row.estimate == pytest.approx(line.estimate, abs=near)
        assert (row.interval is None) == (line.interval is None)
        if line.interval:
            assert row.interval == pytest.approx(line.interval, abs=near)
        assert row.limits == pytest.approx(sides(line), abs=near)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_shaded_side_is_the_allowed_one(estimate, bound):
    assume(abs(estimate - bound) > 0.02)
    for limit, inside in ((Limit(max=bound), estimate <= bound), (Limit(min=bound), estimate >= bound)):
        line = Line(name="x", estimate=estimate, interval=(estimate, estimate), n=1, limit=limit)
        (row,) = rows(svg(rendered("figure", figure(line))))
        assert (row.allowed[0] <= row.estimate <= row.allowed[1]) == inside


def test_an_outcome_has_a_shape_and_a_word_of_its_own():
    drawn = [Line(name="x", estimate=0.5, interval=(0.4, 0.6), n=1, outcome=each) for each in Outcome]
    found = rows(svg(rendered("figure", figure(*drawn))))
    assert [row.said for row in found] == [str(each) for each in Outcome]
    markup = rendered("figure", figure(*drawn))
    shapes = {markup.split(f'class="dot {each}" ')[1].split("/>")[0].rpartition("l")[2] for each in Outcome}
    assert len(shapes) == len(Outcome)


def many(n):
    return [
        Line(name=f"g{at}", estimate=at / n, interval=(at / n - 0.1, at / n + 0.1), n=at, decisive=at == n // 2)
        for at in range(n)
    ]


@given(st.integers(MOST + 1, 400))
def test_of_many_the_decisive_and_the_extremes_are_drawn_and_all_stand_in_the_table(n):
    drawn = figure(*many(n))
    picture = forest(drawn)
    shown = [mark.line.name for mark in picture.marks]
    assert len(shown) == MOST
    assert picture.left_out == n - MOST
    assert {"g0", "g1", f"g{n - 1}", f"g{n - 2}", f"g{n // 2}"} <= set(shown)
    markup = rendered("figure", drawn)
    assert all(f'<th scope="row">g{at}</th>' in markup for at in range(n))
    assert f"{MOST} of {n} are drawn" in markup


def test_failures_are_drawn_before_passes():
    failing = Line(name="bad", estimate=0.5, interval=(0.4, 0.6), n=1, outcome=Outcome.FAIL)
    passing = [Line(name=f"g{at}", estimate=at, interval=(at, at + 1), n=1, outcome=Outcome.PASS) for at in range(99)]
    assert "bad" in [mark.line.name for mark in forest(figure(*passing, failing)).marks]


def test_a_long_name_loses_its_middle_where_its_number_begins():
    name = "selection rate difference " + "n" * 99 + " by sex"
    long = Line(name=name, estimate=0.5, interval=(0.4, 0.6), n=1)
    (mark,) = forest(figure(long)).marks
    assert re.fullmatch(r"selection.*….* by sex", mark.name)
    assert len(mark.name) + len(mark.value) <= 64
    assert rendered("figure", figure(long)).count(name) == 3  # behind it, in the words and in the table


def test_hostile_names_are_shown_as_words():
    hostile = "<script>alert(1)</script>\"'&"
    markup = rendered("figure", figure(Line(name=hostile, estimate=0.5, interval=(0.4, 0.6), n=1, detail=hostile)))
    assert "<script" not in markup
    assert rows(svg(markup))[0].name == hostile


def test_a_picture_is_told_in_words():
    line = Line(name="a", estimate=0.5, interval=(0.4, 0.6), n=7, limit=Limit(max=0.7), outcome=Outcome.PASS)
    picture = svg(rendered("figure", figure(line)))
    assert picture.get("role") == "img"
    assert [each.tag for each in picture][:2] == ["title", "desc"]
    assert picture[1].text.startswith("Estimate: a, 0.500 [0.400 to 0.600]  n 7. Allowed: ≤ 0.7.")


@given(finite, st.floats(1e-6, 1e6))
def test_an_axis_has_a_few_round_labels_that_rise(low, width):
    scale = Scale.over([low, low + width], left=0, right=300)
    places = [tick.x for tick in scale.ticks]
    assert 1 <= len(places) <= 12
    assert places == sorted(places)


def test_bare_numbers_need_no_picture():
    bare = figure(Line(name="x", estimate=3.0, interval=None, n=1))
    assert forest(bare) is None
    assert "<svg" not in rendered("figure", bare)
    assert "<table" in rendered("figure", bare)


def test_a_line_without_a_judgement_has_no_columns_for_one():
    bare = Line(name="x", estimate=1.0, interval=None, n=3, source="s")
    judged = Line(name="x", estimate=1.0, interval=None, n=3, source="s", outcome=Outcome.PASS, limit=Limit(min=0.5))
    assert "Limit" not in used_columns(figure(bare))
    assert "Limit" in used_columns(figure(bare, judged))
    assert "Record" not in used_columns(figure(Line(name="x", estimate=1.0, interval=None, n=3)))
    assert set(used_columns(figure(bare, judged))) <= set(cells(bare))
