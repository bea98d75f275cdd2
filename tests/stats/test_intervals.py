"""Score intervals: published values, limits that hold, and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import beta, binomtest
from scipy.stats.contingency import relative_risk

from assay.stats import intervals
from assay.stats.intervals import (
    confidence_of,
    jeffreys,
    koopman_ratio,
    mover_ratio,
    newcombe_difference,
    normal_quantile,
    rates,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def recovered(first, second, confidence):
    return mover_ratio(rates(*first, confidence), rates(*second, confidence))


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
    low, high = recovered(first, second, 0.95)

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
    low, high = recovered(first, second, 0.95)
    other_low, other_high = recovered(second, first, 0.95)
    assert (low == 0 and np.isinf(other_high)) or low * other_high == pytest.approx(1)
    assert (other_low == 0 and np.isinf(high)) or high * other_low == pytest.approx(1)


@given(counts, counts)
def test_the_estimate_lies_in_its_interval(first, second):
    (s1, n1), (s2, n2) = first, second
    low, high = newcombe_difference(s1, n1, s2, n2, 0.95)
    assert -1 <= low <= s1 / n1 - s2 / n2 + 1e-12
    assert s1 / n1 - s2 / n2 - 1e-12 <= high <= 1
    if s2:
        low, high = recovered(first, second, 0.95)
        assert low - 1e-12 <= (s1 / n1) / (s2 / n2) <= high + 1e-12


def test_without_trials_there_is_no_interval():
    assert np.isnan(wilson(0, 0, 0.95)).all()
    assert np.isnan(jeffreys(0, 0, 0.95)).all()
    assert np.isnan(newcombe_difference(0, 0, 3, 9, 0.95)).all()
    assert np.isnan(koopman_ratio(3, 9, 0, 0, 0.95)).all()
    assert np.isnan(koopman_ratio(0, 0, 3, 9, 0.95)).all()
    assert np.isnan(recovered((3, 9), (0, 0), 0.95)).all()


@pytest.mark.parametrize("bad", [(-1, 4), (5, 4)])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(ValueError, match="0 <= successes <= trials"):
        wilson(*bad, 0.95)


@pytest.mark.parametrize("bad", [0, 1, 1.2, float("nan")])
def test_impossible_confidence_is_refused(bad):
    with pytest.raises(ValueError, match="confidence"):
        normal_quantile(bad)


@given(counts, st.floats(0.5, 0.999))
def test_jeffreys_is_the_middle_of_its_posterior(count, confidence):
    successes, trials = count
    low, high = jeffreys(successes, trials, confidence)
    posterior = beta(successes + 0.5, trials - successes + 0.5)
    tail = (1 - confidence) / 2
    assert low == (0 if successes == 0 else pytest.approx(posterior.ppf(tail), abs=1e-9))
    assert high == (1 if successes == trials else pytest.approx(posterior.ppf(1 - tail), abs=1e-9))


def test_koopman_as_published():
    """Koopman (1984): 36 of 40 against 16 of 80, and the other way round."""
    assert koopman_ratio(36, 40, 16, 80, 0.95) == pytest.approx((2.94, 7.15), abs=5e-3)
    assert koopman_ratio(16, 80, 36, 40, 0.95) == pytest.approx((1 / 7.15, 1 / 2.94), rel=2e-3)


inner = st.integers(2, 400).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


@given(inner, inner)
def test_koopman_limits_are_where_the_likeliest_rates_are_refused(first, second):
    """Long hand: maximise the likelihood under the ratio, then Pearson's chi-square of both sides."""
    (x1, n1), (x2, n2) = first, second
    for ratio in np.ravel(koopman_ratio(x1, n1, x2, n2, 0.95)):

        def slope(p, r=ratio):  # of the log-likelihood in the second rate, times what keeps it finite
            return (x1 + x2) * (1 - r * p) * (1 - p) - p * (r * (n1 - x1) * (1 - p) + (n2 - x2) * (1 - r * p))

        rate = brentq(slope, 0.0, min(1.0, 1 / ratio), xtol=1e-15)
        chi = sum((x - n * p) ** 2 / (n * p * (1 - p)) for x, n, p in ((x1, n1, ratio * rate), (x2, n2, rate)))
        assert chi == pytest.approx(normal_quantile(0.95) ** 2, rel=1e-4)


@given(counts, counts)
def test_koopman_the_other_way_round_has_the_reciprocal_limits(first, second):
    (x1, n1), (x2, n2) = first, second
    low, high = koopman_ratio(*first, *second, 0.95)
    _, other_high = koopman_ratio(*second, *first, 0.95)
    assert (low == 0) == (x1 == 0) == np.isinf(other_high)
    assert low == 0 or low * other_high == pytest.approx(1, rel=1e-6)
    if x1 and x2:
        assert low <= (x1 / n1) / (x2 / n2) * (1 + 1e-9) <= high * (1 + 1e-8)


def test_on_many_rows_the_score_ratio_is_the_logarithmic_one():
    ours = koopman_ratio(40_000, 100_000, 30_000, 80_000, 0.95)
    theirs = relative_risk(40_000, 100_000, 30_000, 80_000).confidence_interval(0.95)
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-4)
    assert recovered((40_000, 100_000), (30_000, 80_000), 0.95) == pytest.approx((theirs.low, theirs.high), rel=1e-4)


def test_a_level_and_its_quantile_undo_each_other():
    assert confidence_of(normal_quantile(0.999)) == pytest.approx(0.999, abs=1e-12)


SIZES, SHARES, RUNS = (20, 100, 500, 5000), (0.01, 0.05, 0.2, 0.5), 4000


@pytest.mark.parametrize("name", ["wilson", "jeffreys", "newcombe_difference", "koopman_ratio", "mover_ratio"])
def test_simulated_coverage(name, capsys):
    """Seeded: over the grid it is on average 95 %, and nowhere far below it."""
    random, found = np.random.default_rng(20), {}
    for n in SIZES:
        for p in SHARES:
            first, second = random.binomial(n, p, RUNS), random.binomial(2 * n, 0.8 * p, RUNS)
            if name in ("wilson", "jeffreys"):
                low, high, truth = *getattr(intervals, name)(first, n, 0.95), p
            elif name == "newcombe_difference":
                low, high, truth = *newcombe_difference(first, n, second, 2 * n, 0.95), 0.2 * p
            elif name == "koopman_ratio":
                low, high, truth = *koopman_ratio(first, n, second, 2 * n, 0.95), 1.25
            else:
                low, high, truth = *recovered((first, n), (second, 2 * n), 0.95), 1.25
            found[n, p] = float(np.mean((low <= truth) & (truth <= high)))
    with capsys.disabled():
        print(f"\n{name}: " + ", ".join(f"n={n} p={p:g}: {share:.3f}" for (n, p), share in found.items()))
    assert 0.945 < np.mean(list(found.values())) < 0.985
    assert min(found.values()) > 0.915
