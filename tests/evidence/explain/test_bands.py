"""Intervals that hold together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from assay.evidence.explain.bands import half_widths


def test_one_mean_gets_the_normal_interval():
    pulls = np.random.default_rng(0).normal(size=(1000, 1))
    expected = norm.ppf(0.975) * np.sqrt((pulls**2).sum()) / 1000
    assert half_widths(pulls, 0.95)[0] == pytest.approx(expected, rel=0.02)


def test_copies_of_one_mean_cost_nothing_and_independent_means_cost_what_sidak_says():
    pulls = np.random.default_rng(1).normal(size=(4000, 8))
    single = norm.ppf(0.975)
    copies = half_widths(np.repeat(pulls[:, :1], 8, axis=1), 0.95)[0] / np.sqrt((pulls[:, 0] ** 2).sum()) * 4000
    independent = half_widths(pulls, 0.95) / np.sqrt((pulls**2).sum(axis=0)) * 4000
    assert copies == pytest.approx(single, rel=0.02)
    assert independent == pytest.approx(np.full(8, norm.ppf(1 - (1 - 0.95 ** (1 / 8)) / 2)), rel=0.03)


def test_all_means_are_held_at_once_as_often_as_promised():
    random = np.random.default_rng(2)
    mix = random.normal(size=(5, 5))
    held, runs = 0, 500
    for _ in range(runs):
        rows = random.exponential(size=(400, 5)) @ mix
        pulls = rows - rows.mean(axis=0)
        held += bool((np.abs(rows.mean(axis=0) - mix.sum(axis=0)) <= half_widths(pulls, 0.9)).all())
    assert 0.001 < binom.cdf(held, runs, 0.9) < 0.9999


@given(st.integers(0, 5), st.integers(0, 3))
def test_nothing_told_is_no_interval(rows, means):
    assert np.isnan(half_widths(np.zeros((rows, means)), 0.95)).all()


def test_a_mean_without_spread_does_not_disturb_the_others():
    pulls = np.random.default_rng(3).normal(size=(500, 2))
    with_still = np.insert(pulls, 1, 0.0, axis=1)
    assert half_widths(with_still, 0.95)[[0, 2]] == pytest.approx(half_widths(pulls, 0.95))
    assert np.isnan(half_widths(with_still, 0.95)[1])
