"""The promise of a confidence sequence: looking often costs nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from assay.stats.sequential import confidence_sequence, mean_bounds

ALPHA = 0.1
RUNS = 300
STREAMS = {
    "coin": (lambda rng: rng.binomial(1, 0.3, 600), 0.3, 0.0),
    "rare": (lambda rng: rng.binomial(1, 0.02, 600), 0.02, 0.0),
    "skewed": (lambda rng: rng.beta(0.2, 1.8, 600), 0.1, 0.0),
    "difference": (lambda rng: np.clip(rng.normal(0.02, 0.2, 600), -0.96, 1), 0.02, -1.0),
}


def crossings(bounds, stream, mean, low):
    rng = np.random.default_rng(20)
    crossed = 0
    for _ in range(RUNS):
        lower, upper = bounds(stream(rng), low=low)
        crossed += bool(np.any(lower > mean) or np.any(upper < mean))
    return crossed


@pytest.mark.parametrize("name", STREAMS)
def test_the_mean_is_missed_at_any_look_with_probability_at_most_alpha(name):
    def bounds(values, low):  # running intersections: the last bounds miss if any did
        return mean_bounds(values, low=low, high=1.0, alpha=ALPHA)[1:]

    crossed = crossings(bounds, *STREAMS[name])
    assert binomtest(crossed, RUNS, ALPHA, alternative="greater").pvalue > 1e-3


def test_the_simulation_would_notice_an_interval_that_does_not_allow_peeking():
    def z_interval(values, low):
        n = np.arange(1, values.size + 1)[30:]
        mean = np.cumsum(values)[30:] / n
        radius = norm.ppf(1 - ALPHA / 2) * np.sqrt(mean * (1 - mean) / n)
        return mean - radius, mean + radius

    crossed = crossings(z_interval, *STREAMS["coin"])
    assert binomtest(crossed, RUNS, ALPHA, alternative="greater").pvalue < 1e-6


def test_quiet_streams_are_known_well_after_500_observations():
    values = np.clip(np.random.default_rng(1).normal(0, 0.05, 500), -1, 1)
    _, lower, upper = mean_bounds(values, low=-1.0, high=1.0, alpha=0.025)
    assert upper - lower < 0.03


def test_more_data_narrows_the_interval_around_the_mean():
    values = np.random.default_rng(2).binomial(1, 0.3, 20_000)
    widths = []
    for n in (100, 1_000, 20_000):
        _, lower, upper = mean_bounds(values[:n], low=0.0, high=1.0, alpha=0.05)
        widths.append(upper - lower)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]
    assert widths[2] < 0.05


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.01, 0.5))
@settings(max_examples=60, deadline=None)
def test_what_was_said_of_a_prefix_still_stands(values, alpha):
    lower, upper = confidence_sequence(values, low=0.0, high=1.0, alpha=alpha)
    assert np.all(np.diff(lower) >= 0)
    assert np.all(np.diff(upper) <= 0)
    for n in {1, len(values) // 2 + 1, len(values)}:
        _, low, high = mean_bounds(values[:n], low=0.0, high=1.0, alpha=alpha)
        assert lower[n - 1] <= low + 1e-9  # the whole sequence is rounded outwards to its grid
        assert upper[n - 1] >= high - 1e-9
        assert low - lower[n - 1] <= lower[-1] / 255 + 1e-9
    assert lower[-1] == pytest.approx(low if n == len(values) else lower[-1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_scaling_and_mirroring_the_values_scales_and_mirrors_the_bounds(values):
    _, low, high = mean_bounds(values, low=0.0, high=1.0, alpha=0.05)
    _, mirrored_low, mirrored_high = mean_bounds([-3 * x for x in values], low=-3.0, high=0.0, alpha=0.05)
    assert mirrored_low == pytest.approx(-3 * high, abs=1e-6)
    assert mirrored_high == pytest.approx(-3 * low, abs=1e-6)


def test_no_observation_says_nothing():
    estimate, lower, upper = mean_bounds([], low=-1.0, high=1.0, alpha=0.05)
    assert np.isnan(estimate)
    assert (lower, upper) == (-1.0, 1.0)
    lower_path, upper_path = confidence_sequence([], low=-1.0, high=1.0, alpha=0.05)
    assert lower_path.shape == upper_path.shape == (0,)


@pytest.mark.parametrize(
    ("values", "low", "high", "alpha", "said"),
    [
        ([0.5, 1.2], 0.0, 1.0, 0.05, "between 0.0 and 1.0"),
        ([0.5, float("nan")], 0.0, 1.0, 0.05, "finite"),
        ([0.5], 1.0, 1.0, 0.05, "low must be below high"),
        ([0.5], 0.0, float("inf"), 0.05, "finite"),
        ([0.5], 0.0, 1.0, 0.0, "alpha"),
        ([[0.5]], 0.0, 1.0, 0.05, "shape"),
    ],
)
def test_impossible_input_is_refused(values, low, high, alpha, said):
    for function in (mean_bounds, confidence_sequence):
        with pytest.raises(ValueError, match=said):
            function(values, low=low, high=high, alpha=alpha)
