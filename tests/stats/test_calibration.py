"""Calibration: what noise alone shows, and bands that hold together."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.calibration import calibration_curve

from assay.stats.calibration import ece_noise, reliability
from assay.stats.influence import Sample, level


def calibrated(random, n):
    score = 1 / (1 + np.exp(-random.normal(-1, 1.5, n)))
    return random.random(n) < score, score


def test_noise_is_what_a_calibrated_model_shows():
    random, seen, bound = np.random.default_rng(4), [], []
    for _ in range(200):
        label, score = calibrated(random, 500)
        seen.append(level("ece", Sample(label=label, score=score)).value)
        bound.append(ece_noise(score))
    assert np.mean(seen) == pytest.approx(np.mean(bound), rel=0.05)


def test_bins_are_scikit_learns():
    label, score = calibrated(np.random.default_rng(0), 800)
    found = reliability(label, score)
    share, mean = calibration_curve(label, score, n_bins=10)
    assert [each.positives / each.rows for each in found] == pytest.approx(share.tolist())
    assert [each.mean_score for each in found] == pytest.approx(mean.tolist())
    assert sum(each.rows for each in found) == 800
    inside = score[(score >= found[2].low) & (score < found[2].high)]
    assert found[2].deviation == pytest.approx(inside.std(ddof=1))


def test_empty_bins_are_left_out_and_the_last_is_closed():
    found = reliability(np.array([True, False]), np.array([1.0, 0.55]))
    assert [(each.low, each.high) for each in found] == [(0.5, 0.6), (0.9, 1.0)]
    assert reliability(np.zeros(0, bool), np.zeros(0)) == ()


def test_bands_of_all_bins_hold_together():
    """Seeded: the share of positives of every bin, whose truth is the mean of the true probabilities in it."""
    random, runs, missed = np.random.default_rng(7), 400, 0
    for _ in range(runs):
        label, score = calibrated(random, 600)
        bins = reliability(label, score)
        bands = [each.bands(1 - 0.1 / (2 * len(bins)))[1] for each in bins]
        missed += any(not low <= each.mean_score <= high for each, (low, high) in zip(bins, bands, strict=True))
    assert binom.sf(missed - 1, runs, 0.1) > 1e-3, missed / runs
