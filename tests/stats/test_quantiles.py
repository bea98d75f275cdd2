"""An interval of a quantile that asks nothing of the distribution."""

import numpy as np
import pytest
from scipy.stats import binom, lognorm

from assay.stats.quantiles import quantile_interval


@pytest.mark.parametrize(("share", "n"), [(0.5, 30), (0.5, 1000), (0.99, 700), (0.99, 2000)])
def test_simulated_misses_stay_within_the_level(share, n):
    random, runs, true = np.random.default_rng(5), 400, lognorm(0.7).ppf(share)
    low, high = np.array([quantile_interval(random.lognormal(0, 0.7, n), share, 0.9)[1] for _ in range(runs)]).T
    for missed in (low > true, high < true):
        assert binom.sf(missed.sum() - 1, runs, 0.05) > 1e-3, missed.mean()
    print(f"{share} of {n}: {((low <= true) & (true <= high)).mean():.3f}")


def test_too_few_values_enclose_nothing():
    assert quantile_interval(np.arange(100.0), 0.99, 0.95) == (98.0, None)
    assert quantile_interval(np.array([3.0]), 0.5, 0.95) == (3.0, None)
    assert quantile_interval(np.arange(1000.0), 0.99, 0.95)[1] is not None


def test_the_order_of_values_does_not_matter():
    values = np.random.default_rng(0).random(99)
    assert quantile_interval(values, 0.5, 0.9) == quantile_interval(np.sort(values), 0.5, 0.9)
    assert quantile_interval(values, 0.5, 0.9)[0] == np.median(values)
