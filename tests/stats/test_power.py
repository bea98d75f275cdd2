"""The gap that so much data shows is shown as often as was said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from assay.stats.power import detectable_rates


@pytest.mark.parametrize(  # n per side for two rates: the formula of Fleiss, Levin, Paik (2003) long hand
    ("low", "high", "power"), [(0.6, 0.7, 0.8), (0.05, 0.1, 0.9), (0.25, 0.4, 0.8)]
)
def test_the_sample_size_formula_solved_backwards(low, high, power):
    mean, z, beyond = (low + high) / 2, norm.ppf(0.975), norm.ppf(power)
    root = z * np.sqrt(2 * mean * (1 - mean)) + beyond * np.sqrt(low * (1 - low) + high * (1 - high))
    n = (root / (high - low)) ** 2
    assert detectable_rates(n, n, mean, 0.95, power) == pytest.approx((high, low), abs=1e-6)


@pytest.mark.parametrize("sizes", [(100, 100), (150, 900), (2000, 300)])
@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_simulated_power(sizes, rate):
    random, runs = np.random.default_rng(9), 4000
    high, low = detectable_rates(*sizes, rate, 0.95, 0.8)
    first, second = random.binomial(sizes[0], high, runs), random.binomial(sizes[1], low, runs)
    mean = (first + second) / sum(sizes)
    error = np.sqrt(mean * (1 - mean) * (1 / sizes[0] + 1 / sizes[1]))
    shown = np.mean(np.abs(first / sizes[0] - second / sizes[1]) > 1.959964 * error)
    assert shown == pytest.approx(0.8, abs=0.03)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 0.99))
def test_it_is_always_two_rates_and_more_rows_show_more(first, second, rate, power):
    high, low = detectable_rates(first, second, rate, 0.95, power)
    assert 0 <= low <= high <= 1
    more_high, more_low = detectable_rates(4 * first, 4 * second, rate, 0.95, power)
    assert more_high - more_low <= high - low + 1e-9
