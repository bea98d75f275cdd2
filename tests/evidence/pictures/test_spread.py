"""The picture of a column: what is drawn is what the distribution holds, and every number stands in its table."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.evidence.pictures.drawn import rendered, svg

from assay.core import Distribution, Limit
from assay.core.distribution import Cell, Rows
from assay.evidence.pictures.spread import FLOOR, LEFT, RIGHT, ranges, shares, values
from assay.evidence.pictures.spread_words import cell_name

AGES = Distribution(
    column="age",
    kind="whole",
    data=Rows(rows=1000, missing=50),
    reference=Rows(rows=500, missing=0),
    cells=(
        Cell(high=17.0, data=None, reference=0, outside=True),
        Cell(low=17.0, high=20.0, data=90, reference=60),
        Cell(low=20.0, high=25.0, data=600, reference=340),
        Cell(low=25.0, high=30.0, data=200, reference=100),
        Cell(low=30.0, data=60, reference=0, outside=True),
    ),
    limit=Limit(min=17.0, max=29.0),
    filled=True,
    step=5.0,
)
JOBS = Distribution(
    column="job",
    kind="category",
    data=Rows(rows=100, missing=0),
    reference=Rows(rows=200, missing=10),
    cells=(
        Cell(name="a", data=50, reference=100),
        Cell(name="<b>&", data=40, reference=None, outside=True),
        Cell(data=10, reference=90),
        Cell(data=None, reference=0, outside=True),
    ),
)
TIMES = Distribution(
    column="at",
    kind="time",
    data=Rows(rows=300, missing=0),
    cells=(
        Cell(high=0.0, data=0),
        Cell(low=0.0, high=86400.0, data=100),
        Cell(low=86400.0, high=172800.0, data=200),
        Cell(low=172800.0, data=0),
    ),
    step=86400.0,
)


def test_bars_are_as_high_as_the_shares_that_they_show_for_their_width():
    drawn = ranges(AGES)
    heights = {bar.x: FLOOR - bar.y for bar in drawn.data}
    cut, whole, last = [heights[x] for x in sorted(heights)][1:4]
    assert cut / whole == pytest.approx((0.09 / (3 / 5)) / 0.6, rel=0.02)  # a limit cuts it to three years of five
    assert last / whole == pytest.approx(0.2 / 0.6, rel=0.02)
    assert len(drawn.data) == len(drawn.reference) == len(AGES.cells) + 1  # the missing ones


def test_bars_lie_side_by_side_within_the_picture():
    bars = sorted(ranges(AGES).data, key=lambda bar: bar.x)
    ends = [(bar.x, bar.x + bar.width) for bar in bars]
    assert ends[0][0] >= LEFT
    assert ends[-1][1] <= RIGHT
    assert all(one[1] <= other[0] + 0.11 for one, other in pairwise(ends))


def test_limits_stand_where_what_is_allowed_begins_and_ends():
    drawn = ranges(AGES)
    assert [limit.text for limit in drawn.limits] == ["≥ 17", "≤ 29"]
    assert [limit.x for limit in drawn.limits] == list(drawn.scale)
    assert len(drawn.beyond) == 3  # either side, and missing values, which must not be


def test_what_is_not_allowed_is_marked_by_more_than_colour():
    picture = svg(rendered("column", AGES))
    kinds = [(each.get("class") or "") for each in picture]
    assert kinds.count("crossed") == kinds.count("rows-of beyond") == 3
    assert [each.text for each in picture if each.get("class") == "tick end bold"] == []
    words = [each.text for each in svg(rendered("column", JOBS)) if each.get("class") == "tick end bold"]
    assert words == [
        "not allowed: 40 %, reference fewer than 10 rows",
        "not allowed: fewer than 10 rows, reference 0 %",
    ]


def test_values_are_as_long_as_their_shares_each_of_its_own_table():
    first, second, others, *_ = values(JOBS)
    assert first.data.width == pytest.approx(first.reference.width, abs=0.1)
    assert second.data.width / first.data.width == pytest.approx(0.8, abs=0.01)
    assert 0 < second.reference.width < 5
    assert others.reference.width / others.data.width == pytest.approx(4.5, abs=0.05)
    assert [each.name for each in values(JOBS)] == ["a", "<b>&", "(all others)", "(others, not allowed)", "(missing)"]


def test_without_a_reference_nothing_stands_beside():
    alone = replace(JOBS, reference=None)
    assert {each.reference for each in values(alone)} == {None}
    assert ranges(TIMES).reference == []
    assert "Reference" not in rendered("column", alone)


def test_times_are_dates():
    assert [tick.label for tick in ranges(TIMES).ticks] == ["1970-01-01", "1970-01-02"]
    assert [cell_name(TIMES, cell) for cell in TIMES.cells] == [
        "before 1970-01-01", "1970-01-01 to 1970-01-02", "1970-01-02 to 1970-01-03", "from 1970-01-03 on",
    ]  # fmt: skip


@pytest.mark.parametrize("spread", [AGES, JOBS, TIMES], ids=lambda each: each.column)
def test_every_number_stands_in_the_table(spread):
    text = rendered("column", spread)
    table = ET.fromstring(text[text.index("<table") : text.index("</table>") + 8])
    told = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")][1:]
    assert len(told) == len(list(shares(spread))) == len(spread.cells) + 1
    for row, cell in zip(told, spread.cells, strict=False):
        assert row[0] == cell_name(spread, cell)
        assert row[1] == ("fewer than 10" if cell.data is None else f"{cell.data:,}")
        assert row[-1] == ("no" if cell.outside else "")


@pytest.mark.parametrize("rows", [0, 1, 12])
def test_a_column_without_cells_tells_how_much_is_missing(rows):
    bare = Distribution(column="mail", kind="withheld", data=Rows(rows=rows, missing=0), note="personal")
    assert f"0 of {rows} rows have no value" in rendered("column", bare)


def test_nothing_but_empty_cells_can_be_drawn():
    empty = replace(
        AGES, cells=tuple(replace(cell, data=0, reference=0) for cell in AGES.cells), data=Rows(rows=0, missing=0)
    )
    assert svg(rendered("column", empty)) is not None
    only = replace(AGES, cells=(Cell(high=3.0, data=10, reference=20), Cell(low=3.0, data=0, reference=0)))
    assert svg(rendered("column", only)) is not None
