"""A reliability diagram shows each bin where its score and its share are, and says where they differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.pictures.drawn import rendered, svg

from assay.core import GroupMetrics, Measured
from assay.evidence.pictures.reliability import BOTTOM, LEFT, RIGHT, TOP, reliability

share = st.floats(0, 1)


def a_bin(low, high, predicted, happened, n=100):
    """A bin of the score; `happened` is estimate, low, high."""
    mean = Measured(estimate=predicted, interval=(predicted, predicted), support=n)
    base = None if happened is None else Measured(estimate=happened[0], interval=happened[1:], support=n)
    return GroupMetrics(
        group={"score": f"[{low:.4g}, {high:.4g})"},
        n=n,
        metrics={"mean_score": mean} | ({} if base is None else {"base_rate": base}),
    )


@given(share, st.tuples(share, share, share))
def test_a_bin_is_drawn_where_it_was_measured(predicted, shares):
    low, estimate, high = sorted(shares)
    (bin_,) = reliability([a_bin(0.2, 0.4, predicted, (estimate, low, high))]).bins
    across, up = (RIGHT - LEFT), (BOTTOM - TOP)
    assert (bin_.x - LEFT) / across == pytest.approx(predicted, abs=2e-4)
    assert (BOTTOM - bin_.y) / up == pytest.approx(estimate, abs=2e-4)
    assert [(BOTTOM - y) / up for y in bin_.bar] == pytest.approx([low, high], abs=2e-4)
    assert (bin_.band[0] - LEFT) / across == pytest.approx(0.2, abs=2e-4)
    assert bin_.band[2] / across == pytest.approx(0.2, abs=4e-4)


@given(share, st.tuples(share, share, share))
def test_only_intervals_that_do_not_meet_tell_a_difference(predicted, shares):
    low, estimate, high = sorted(shares)
    (bin_,) = reliability([a_bin(0, 1, predicted, (estimate, low, high))]).bins
    assert bin_.says == (
        "more than predicted" if low > predicted else "less than predicted" if high < predicted else "as predicted"
    )


def test_the_picture_the_words_and_the_table_agree():
    bins = [
        a_bin(0.5, 1, 0.7, (0.5, 0.4, 0.6)),
        a_bin(0, 0.25, 0.1, (0.2, 0.15, 0.3)),
        a_bin(0.25, 0.5, 0.4, (0.41, 0.3, 0.5), n=900),
    ]
    drawn = reliability(bins)
    assert [each.name for each in drawn.bins] == ["[0, 0.25)", "[0.25, 0.5)", "[0.5, 1)"]
    markup = rendered("calibration", drawn, "Calibration", "")
    picture = svg(markup)
    assert "In 2 of them what happened surely differs" in picture[1].text
    shapes = [each.get("d").count("l6 11") - each.get("d").count("l6 -11") for each in picture.iter("path")
              if "dot" in (each.get("class") or "")]  # fmt: skip
    assert shapes == [1, -1]  # up where more happened, down where less did; the third is a circle
    assert len(list(picture.iter("circle"))) == 1
    heights = [float(each.get("height")) for each in picture.iter("rect") if each.get("class") == "rows"]
    assert heights[1] == pytest.approx(9 * heights[0], abs=0.6)
    for bin_ in drawn.bins:
        assert f'<th scope="row">{bin_.name}</th>' in markup
        assert bin_.says in markup


def test_a_bin_that_could_not_be_measured_is_named_and_not_drawn():
    (bin_,) = reliability([a_bin(0, 0.5, 0.2, None, n=0)]).bins
    assert (bin_.x, bin_.bar, bin_.says) == (None, None, "not measured")
    markup = rendered("calibration", reliability([a_bin(0, 0.5, 0.2, None, n=0)]), "c", "")
    assert "not measured" in markup


def test_groups_of_people_are_no_bins():
    people = GroupMetrics(group={"sex": "F"}, n=3, metrics={})
    both = GroupMetrics(group={"score": "[0, 1)", "sex": "F"}, n=3, metrics={})
    assert reliability([people, both]) is None


def test_hostile_edges_are_words():
    hostile = GroupMetrics(group={"score": "<script>"}, n=3, metrics={})
    assert "<script>" not in rendered("calibration", reliability([hostile]), "c", "")
