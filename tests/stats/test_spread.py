"""The spread over many groups: its estimate, its extremes, and limits that hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from assay.stats.intervals import newcombe_difference, rates
from assay.stats.spread import comparisons, extreme, fall_of_largest, range_difference, range_ratio

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
groups = st.lists(counts, min_size=2, max_size=6)


@pytest.mark.parametrize("method", [range_difference, range_ratio])
def test_a_spread_needs_two_groups_with_trials(method):
    with pytest.raises(ValueError, match="two groups"):
        method(rates([1], [2], 0.95))
    with pytest.raises(ValueError, match="without trials"):
        method(rates([1, 0], [2, 0], 0.95))


@given(groups)
def test_spreads_name_the_extreme_groups_and_hold_their_estimate(counted):
    successes, trials = np.array(counted).T
    shares = successes / trials
    difference = range_difference(rates(successes, trials, 0.95))
    assert difference.estimate == shares.max() - shares.min() == shares[difference.highest] - shares[difference.lowest]
    assert 0 <= difference.low <= difference.estimate + 1e-12
    assert difference.estimate - 1e-12 <= difference.high <= 1
    ratio = range_ratio(rates(successes, trials, 0.95))
    if successes.any():
        assert ratio.estimate == pytest.approx(shares.min() / shares.max())
        assert 0 <= ratio.low <= ratio.estimate + 1e-12
        assert ratio.estimate - 1e-12 <= ratio.high <= 1
    else:
        assert np.isnan(ratio.estimate)


@given(counts, counts)
def test_two_groups_need_no_correction(first, second):
    spread = range_difference(rates(*zip(first, second, strict=True), 0.95))
    low, high = newcombe_difference(*first, *second, 0.95)
    assert (spread.low, spread.high) == pytest.approx((max(0, low, -high), max(high, -low)))


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        ([0.5, 0.4], [60, 200]),
        ([0.3, 0.3, 0.3, 0.3], [80, 150, 300, 1000]),
        ([0.9, 0.7, 0.8], [50, 100, 400]),
        ([0.1, 0.05, 0.02], [150, 300, 600]),
    ],
)
def test_simulated_coverage_of_spreads(shares, sizes):
    """Seeded; a binomial test refuses a coverage that is credibly below the nominal one."""
    random, runs, confidence = np.random.default_rng(7), 600, 0.9
    shares, sizes = np.array(shares), np.array(sizes)
    each = 1 - (1 - confidence) / comparisons(len(shares))
    inside = {"difference": 0, "ratio": 0}
    for successes in random.binomial(sizes, shares, size=(runs, len(sizes))):
        spread = range_difference(rates(successes, sizes, each))
        inside["difference"] += spread.low <= shares.max() - shares.min() <= spread.high
        spread = range_ratio(rates(successes, sizes, each))
        inside["ratio"] += spread.low <= shares.min() / shares.max() <= spread.high
    for kind, count in inside.items():
        assert binom.cdf(count, runs, confidence) > 1e-3, (kind, count / runs)


@given(groups, st.data())
def test_against_a_reference_only_its_pairs_count(counted, data):
    successes, trials = np.array(counted).T
    at = data.draw(st.integers(0, len(counted) - 1))
    shares = successes / trials
    found = range_difference(rates(successes, trials, 0.95), at)
    assert found.estimate == np.abs(shares - shares[at]).max()
    assert at in (found.highest, found.lowest)
    assert found.low - 1e-12 <= found.estimate <= found.high + 1e-12
    pairs = [newcombe_difference(*counted[i], *counted[at], 0.95) for i in range(len(counted)) if i != at]
    assert found.high == pytest.approx(max(max(-low, high) for low, high in pairs))
    ratio = range_ratio(rates(successes, trials, 0.95), at)
    others = np.delete(shares, at)
    if shares.any() and shares[at] and others.all():
        assert ratio.estimate == pytest.approx(min((others / shares[at]).min(), (shares[at] / others).min()))


@given(groups)
def test_the_extreme_levels(counted):
    successes, trials = np.array(counted).T
    each = rates(successes, trials, 0.95)
    top, bottom = extreme(each, highest=True), extreme(each, highest=False)
    assert (top.estimate, bottom.estimate) == (each.value.max(), each.value.min())
    assert (top.low, top.high, bottom.low, bottom.high) == (
        each.low.max(),
        each.high.max(),
        each.low.min(),
        each.high.min(),
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.lists(st.floats(0, 1), min_size=1, max_size=5), st.data())
def test_a_fall_of_the_largest_is_held_when_every_fall_is(before, after, data):
    """Shift the estimates by less than the half-widths: the true fall stays inside."""
    shift = st.floats(-0.05, 0.05)
    moved = [np.array([each + data.draw(shift) for each in side]) for side in (before, after)]
    _, low, high = fall_of_largest(*moved, np.full((len(before), len(after)), 0.1))
    assert low - 1e-12 <= max(before) - max(after) <= high + 1e-12
