"""The bootstrap computes what scikit-learn computes, and its intervals hold their level."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from assay.stats import bootstrap as module
from assay.stats.bootstrap import (
    ECE_BINS,
    LARGER_IS_BETTER,
    bootstrap,
    ece_noise,
    excess_interval,
    level_interval,
)

METRICS = list(LARGER_IS_BETTER)
rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 4)), min_size=2, max_size=60
)  # scores in twentieths: many ties


def long_hand_ece(label, score, weight):
    """Mean gap over the bins, weighted by their rows; Guo et al. (2017), equation 3."""
    total = 0.0
    for edge in range(ECE_BINS):
        upper = 2 if edge == ECE_BINS - 1 else (edge + 1) / ECE_BINS
        inside = (score >= edge / ECE_BINS) & (score < upper)
        if weight[inside].sum():
            gap = np.average(label[inside], weights=weight[inside]) - np.average(score[inside], weights=weight[inside])
            total += abs(gap) * weight[inside].sum()
    return total / weight.sum()


def world(random, n, sharpness=1.5):
    """Labels drawn from true probabilities, and scores that are too sure of themselves."""
    logit = random.normal(-1, sharpness, n)
    label = random.random(n) < 1 / (1 + np.exp(-logit))
    return label, 1 / (1 + np.exp(-1.3 * logit)), 1 / (1 + np.exp(-logit))


@given(rows)
def test_weighted_metrics_equal_scikit_learn(drawn):
    label, score, weight = (np.array(column) for column in zip(*drawn, strict=True))
    score = score / 20
    ours = {metric: module._PREPARE[metric](label, score)(weight[None, :].astype(float))[0] for metric in METRICS}
    if weight[label].sum() and weight[~label].sum():
        assert ours["auc"] == pytest.approx(roc_auc_score(label, score, sample_weight=weight), abs=1e-12)
    else:
        assert np.isnan(ours["auc"])
    if weight.sum():
        assert ours["brier"] == pytest.approx(brier_score_loss(label, score, sample_weight=weight, pos_label=True))
        assert ours["log_loss"] == pytest.approx(
            log_loss(label, score, sample_weight=weight, labels=[False, True]), rel=1e-9
        )
        assert ours["ece"] == pytest.approx(long_hand_ece(label, score, weight), abs=1e-12)


def test_a_draw_is_a_resample_of_the_rows():
    """Each line of weights sums to the number of rows, and over the draws rows come equally often."""
    weights = np.concatenate(list(module._weights(50, 4000, seed=3)))
    assert weights.shape == (4000, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.08)
    assert weights.var(axis=0) == pytest.approx(np.full(50, 1 - 1 / 50), abs=0.12)


def test_the_order_of_rows_does_not_matter():
    random = np.random.default_rng(0)
    label, score, other = world(random, 300)
    shuffled = random.permutation(300)

    def run(order):
        scores = {"a": score[order], "b": other[order]}
        return bootstrap(label=label[order], scores=scores, metrics=METRICS, draws=20, seed=5)

    first, second = run(np.arange(300)), run(shuffled)
    for metric in METRICS:
        assert first.level("a", metric) == second.level("a", metric)
        assert first.excess("a", "b", metric) == second.excess("a", "b", metric)


def test_the_seed_makes_the_draws():
    label, score, _ = world(np.random.default_rng(0), 200)
    runs = [bootstrap(label=label, scores={"a": score}, metrics=["auc"], draws=10, seed=s) for s in (1, 1, 2)]
    first, again, other = (run.draws["a", "auc"].tolist() for run in runs)
    assert first == again != other


def test_pairs_are_drawn_together():
    """On the same rows a tiny shift of the scores varies far less than the level does."""
    label, score, _ = world(np.random.default_rng(0), 2000)
    result = bootstrap(label=label, scores={"a": score * 0.999, "b": score}, metrics=["brier"], draws=200, seed=0)
    assert result.excess("a", "b", "brier").error < result.level("a", "brier").error / 100


@pytest.mark.parametrize("metric", METRICS)
def test_excess_is_positive_for_the_worse(metric):
    label, score, _ = world(np.random.default_rng(0), 2000)
    worse = np.random.default_rng(1).permutation(score)
    result = bootstrap(label=label, scores={"bad": worse, "good": score}, metrics=[metric], draws=50, seed=0)
    assert result.excess("bad", "good", metric).value > 0
    assert result.excess("good", "bad", metric).value < 0


def test_equal_scores_differ_by_exactly_nothing():
    label, score, _ = world(np.random.default_rng(0), 200)
    result = bootstrap(label=label, scores={"a": score, "b": score.copy()}, metrics=METRICS, draws=50, seed=0)
    for metric in METRICS:
        assert excess_interval(result.excess("a", "b", metric), 0.95) == (0, 0)
    ranks = bootstrap(label=label, scores={"a": score**2, "b": score}, metrics=["auc"], draws=50, seed=0)
    assert excess_interval(ranks.excess("a", "b", "auc"), 0.95) == (0, 0)


def test_perfect_separation_is_not_certainty():
    label = np.array([False] * 20 + [True] * 20)
    result = bootstrap(label=label, scores={"a": label.astype(float)}, metrics=METRICS, draws=100, seed=0)
    for metric in METRICS:
        estimate = result.level("a", metric)
        assert estimate.error is None
        assert level_interval(metric, estimate, 0.95) is None


def test_a_class_too_rare_to_be_in_every_draw_gives_no_error():
    label = np.array([True, True] + [False] * 100)
    score = np.random.default_rng(0).random(102)
    result = bootstrap(label=label, scores={"a": score}, metrics=["auc"], draws=200, seed=0)
    assert result.level("a", "auc").error is None


@pytest.mark.parametrize("label", [np.zeros(30, bool), np.ones(30, bool), np.zeros(0, bool)])
def test_auc_needs_both_classes(label):
    score = np.random.default_rng(0).random(len(label))
    result = bootstrap(label=label, scores={"a": score, "b": score}, metrics=["auc"], draws=10, seed=0)
    assert result.level("a", "auc") is None
    assert result.excess("a", "b", "auc") is None


def test_calibration_noise_is_what_a_calibrated_model_shows():
    random, seen, bound = np.random.default_rng(4), [], []
    for _ in range(200):
        label, _, calibrated = world(random, 500)
        result = bootstrap(label=label, scores={"a": calibrated}, metrics=["ece"], draws=1, seed=0)
        seen.append(result.values["a", "ece"])
        bound.append(ece_noise(calibrated))
    assert np.mean(seen) == pytest.approx(np.mean(bound), rel=0.05)


def test_simulated_misses_stay_within_the_level():
    """Each side of every interval, seeded: a miss rate credibly above the nominal one is refused."""
    random, runs, confidence = np.random.default_rng(11), 300, 0.9
    label, score, other = world(random, 1_000_000)
    scores = {"a": score, "b": other}
    truth = bootstrap(label=label, scores=scores, metrics=METRICS, draws=1, seed=0).values
    misses = {}
    for run in range(runs):
        label, score, other = world(random, 400)
        result = bootstrap(label=label, scores={"a": score, "b": other}, metrics=METRICS, draws=120, seed=run)
        for metric in METRICS:
            sign = -1 if LARGER_IS_BETTER[metric] else 1
            gap = sign * (truth["a", metric] - truth["b", metric])
            for kind, (low, high), true in (
                ("level", level_interval(metric, result.level("a", metric), confidence), truth["a", metric]),
                ("excess", excess_interval(result.excess("a", "b", metric), confidence), gap),
            ):
                misses.setdefault((kind, metric, "low"), []).append(low > true)
                misses.setdefault((kind, metric, "high"), []).append(high < true)
    for case, missed in misses.items():
        assert binom.sf(sum(missed) - 1, runs, (1 - confidence) / 2) > 1e-3, (case, np.mean(missed))


def test_ten_thousand_rows_a_thousand_times_within_seconds_and_memory():
    label, score, _ = world(np.random.default_rng(0), 10_000)
    tracemalloc.start()
    start = time.process_time()
    bootstrap(label=label, scores={"a": score}, metrics=METRICS, draws=1000, seed=0)
    seconds, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 10
    assert peak < 80 << 20
