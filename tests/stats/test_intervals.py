"""Score intervals: published values, limits that hold, and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, binomtest

from assay.stats.intervals import (
    mover_ratio,
    newcombe_difference,
    normal_quantile,
    range_difference,
    range_ratio,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
groups = st.lists(counts, min_size=2, max_size=6)


@pytest.mark.parametrize(  # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(successes, trials, low, high):
    assert wilson(successes, trials, 0.95) == pytest.approx((low, high), abs=5e-5)


@given(counts, st.floats(0.5, 0.999))
def test_wilson_equals_scipy(count, confidence):
    successes, trials = count
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson(successes, trials, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(  # Newcombe (1998), Interval estimation for the difference, table II, method 10
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_as_published(first, second, low, high):
    assert newcombe_difference(*first, *second, 0.95) == pytest.approx((low, high), abs=5e-5)


@given(counts, counts)
def test_mover_limits_are_where_the_difference_touches_zero(first, second):
    """By definition: `R` is a limit when the square-and-add interval of p1 - R p2 ends at 0."""
    (p1, (l1, u1)), (p2, (l2, u2)) = ((s / n, wilson(s, n, 0.95)) for s, n in (first, second))
    low, high = mover_ratio(*first, *second, 0.95)

    def lower_end(ratio):
        return p1 - ratio * p2 - np.hypot(p1 - l1, ratio * (u2 - p2))

    def upper_end(ratio):
        return p1 - ratio * p2 + np.hypot(u1 - p1, ratio * (p2 - l2))

    if first[0] > 0:
        assert low == pytest.approx(brentq(lower_end, 0, 1e6, xtol=1e-12), rel=1e-6)
    else:
        assert low == 0
    if second[0] > 0:
        assert high == pytest.approx(brentq(upper_end, 0, 1e6, xtol=1e-12), rel=1e-6)
    else:
        assert np.isinf(high)


@given(counts, counts)
def test_the_ratio_the_other_way_round_has_the_reciprocal_limits(first, second):
    low, high = mover_ratio(*first, *second, 0.95)
    other_low, other_high = mover_ratio(*second, *first, 0.95)
    assert (low == 0 and np.isinf(other_high)) or low * other_high == pytest.approx(1)
    assert (other_low == 0 and np.isinf(high)) or high * other_low == pytest.approx(1)


@given(counts, counts)
def test_the_estimate_lies_in_its_interval(first, second):
    (s1, n1), (s2, n2) = first, second
    low, high = newcombe_difference(s1, n1, s2, n2, 0.95)
    assert -1 <= low <= s1 / n1 - s2 / n2 + 1e-12
    assert s1 / n1 - s2 / n2 - 1e-12 <= high <= 1
    if s2:
        low, high = mover_ratio(s1, n1, s2, n2, 0.95)
        assert low - 1e-12 <= (s1 / n1) / (s2 / n2) <= high + 1e-12


def test_without_trials_there_is_no_interval():
    assert np.isnan(wilson(0, 0, 0.95)).all()
    assert np.isnan(newcombe_difference(0, 0, 3, 9, 0.95)).all()
    assert np.isnan(mover_ratio(3, 9, 0, 0, 0.95)).all()


@pytest.mark.parametrize("bad", [(-1, 4), (5, 4)])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="0 <= successes <= trials"):
        wilson(*bad, 0.95)


@pytest.mark.parametrize("bad", [0, 1, 1.2, float("nan")])
def test_impossible_confidence_is_refused(bad):
    with pytest.raises(ValueError, match="confidence"):
        normal_quantile(bad)


@pytest.mark.parametrize("method", [range_difference, range_ratio])
def test_a_spread_needs_two_groups_with_trials(method):
    with pytest.raises(ValueError, match="two groups"):
        method([1], [2], 0.95)
    with pytest.raises(ValueError, match="without trials"):
        method([1, 0], [2, 0], 0.95)


@given(groups)
def test_spreads_name_the_extreme_groups_and_hold_their_estimate(counted):
    successes, trials = np.array(counted).T
    rates = successes / trials
    difference = range_difference(successes, trials, 0.95)
    assert difference.estimate == rates.max() - rates.min() == rates[difference.highest] - rates[difference.lowest]
    assert 0 <= difference.low <= difference.estimate + 1e-12
    assert difference.estimate - 1e-12 <= difference.high <= 1
    ratio = range_ratio(successes, trials, 0.95)
    if successes.any():
        assert ratio.estimate == pytest.approx(rates.min() / rates.max())
        assert 0 <= ratio.low <= ratio.estimate + 1e-12
        assert ratio.estimate - 1e-12 <= ratio.high <= 1
    else:
        assert np.isnan(ratio.estimate)


@given(counts, counts)
def test_two_groups_need_no_correction(first, second):
    spread = range_difference(*zip(first, second, strict=True), 0.95)
    low, high = newcombe_difference(*first, *second, 0.95)
    assert (spread.low, spread.high) == pytest.approx((max(0, low, -high), max(high, -low)))


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        ([0.5, 0.4], [60, 200]),
        ([0.3, 0.3, 0.3, 0.3], [80, 150, 300, 1000]),
        ([0.9, 0.7, 0.8], [50, 100, 400]),
        ([0.1, 0.05, 0.02], [150, 300, 600]),
    ],
)
def test_simulated_coverage_of_spreads(rates, sizes):
    """Seeded; a binomial test refuses a coverage that is credibly below the nominal one."""
    random, runs, confidence = np.random.default_rng(7), 600, 0.9
    rates, sizes = np.array(rates), np.array(sizes)
    inside = {"difference": 0, "ratio": 0}
    for successes in random.binomial(sizes, rates, size=(runs, len(sizes))):
        spread = range_difference(successes, sizes, confidence)
        inside["difference"] += spread.low <= rates.max() - rates.min() <= spread.high
        spread = range_ratio(successes, sizes, confidence)
        inside["ratio"] += spread.low <= rates.min() / rates.max() <= spread.high
    for kind, count in inside.items():
        assert binom.cdf(count, runs, confidence) > 1e-3, (kind, count / runs)
