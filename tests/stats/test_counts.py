"""Resampling a table of counts is resampling its rows."""

import numpy as np
import pytest
from scipy.special import gammaincinv
from scipy.stats import binom, kstest
from scipy.stats import dirichlet as exact
from scipy.stats import multinomial as published

from assay.stats.counts import dirichlet, effective_size, moments, multinomial

TABLE = np.array([[40, 10, 0, 50], [3, 0, 0, 1]])


def test_a_multinomial_draw_is_distributed_as_a_draw_of_rows():
    drawn = multinomial(TABLE, 4000, seed=1)
    assert drawn.shape == (4000, 2, 4)
    assert (drawn.sum(axis=2) == TABLE.sum(axis=1)).all()
    for line, cells in enumerate(TABLE):
        model = published(cells.sum(), cells / cells.sum())
        assert drawn[:, line].mean(axis=0) == pytest.approx(model.mean(), abs=0.4)
        assert np.cov(drawn[:, line].T) == pytest.approx(model.cov(), abs=1.6)
    rows = np.repeat(np.arange(4), TABLE[0])
    random = np.random.default_rng(2)
    by_row = [np.count_nonzero(rows[random.integers(100, size=100)] == 0) for _ in range(2000)]
    assert np.var(by_row) == pytest.approx(drawn[:, 0, 0].var(), rel=0.15)


def test_a_dirichlet_draw_has_the_posterior_as_its_law():
    cells = np.array([40.0, 10.0, 2.5])
    drawn = dirichlet(cells, 4000, seed=3)
    assert drawn.sum(axis=1) == pytest.approx(np.ones(4000))
    assert drawn.mean(axis=0) == pytest.approx(exact(cells).mean(), abs=0.005)
    assert np.cov(drawn.T) == pytest.approx(exact(cells).cov(), abs=3e-4)
    assert kstest(drawn[:, 2], "beta", args=(2.5, 50.0)).pvalue > 1e-3


def test_empty_lines_and_cells():
    assert (multinomial([[0, 0], [1, 1]], 5, seed=0)[:, 0] == 0).all()
    drawn = dirichlet([[0, 0], [0, 7]], 5, seed=0)
    assert np.isnan(drawn[:, 0]).all()
    assert (drawn[:, 1] == [0, 1]).all()


def test_the_seed_makes_the_draws_and_one_row_more_hardly_moves_them():
    first, again, other = (dirichlet([400, 600], 50, seed=s) for s in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()
    assert np.abs(dirichlet([401, 600], 50, seed=1) - first).max() < 0.002


def test_effective_size_is_kishs():
    weights = np.random.default_rng(0).gamma(2, size=500)
    variation = weights.std() / weights.mean()
    assert effective_size(weights.sum(), (weights**2).sum()) == pytest.approx(500 / (1 + variation**2))
    assert effective_size([0.0, 3.0], [0.0, 3.0]).tolist() == [0, 3]


def test_intervals_from_the_effective_size_hold_their_level():
    """Weighted means of rows that weigh unequally, seeded: Wilson's interval at Kish's size."""
    from assay.stats.intervals import wilson

    random, runs = np.random.default_rng(8), 2000
    weight = random.gamma(1.5, size=(runs, 300))
    share = (weight * (random.random((runs, 300)) < 0.3)).sum(axis=1) / weight.sum(axis=1)
    size = effective_size(weight.sum(axis=1), (weight**2).sum(axis=1))
    low, high = wilson(share * size, size, 0.95)
    inside = int(((low <= 0.3) & (high >= 0.3)).sum())
    assert binom.cdf(inside, runs, 0.95) > 1e-3
    assert inside / runs < 0.98


def test_draws_of_large_cells_are_those_of_small_ones_as_near_as_makes_no_difference():
    """From a thousand rows on an approximation stands in: nearer than a hundredth of a standard deviation."""
    cells = np.array([999.5, 1000.0, 40_000.0, 3.0])
    uniform = np.random.default_rng(5).random((3000, 4))
    gammas = gammaincinv(cells, uniform)
    wanted = gammas / gammas.sum(axis=1, keepdims=True)
    found = dirichlet(cells, 3000, seed=5)
    assert (np.abs(found - wanted).max(axis=0) < 0.01 * wanted.std(axis=0)).all()
    assert np.abs(found - wanted).max() > 0


def test_moments_are_weighted():
    values, weights = np.array([1.0, 5.0, 2.0]), np.array([1.0, 2.0, 0.0])
    mean, spread = moments(values, weights)
    assert (mean, spread) == pytest.approx((np.average(values, weights=weights), np.sqrt(32 / 9)))
