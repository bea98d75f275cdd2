"""Every metric is scikit-learn's, its error what resampling the rows shows, and its intervals hold their level."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import brier_score_loss, get_scorer, log_loss, roc_auc_score

from assay.policy.metrics import METRICS
from assay.stats.calibration import ECE_BINS
from assay.stats.estimates import SMALLER_IS_BETTER, excess_interval, level_interval
from assay.stats.influence import FEWEST, Sample, excess, level

NAMES = (*METRICS, "cost")
PRICES = (-5.0, 1.0, 3.0, 0.0)
rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=60
)  # scores in twentieths: many ties


def sample(label, score, threshold=0.5):
    return Sample(label=label, score=score, decided=score >= threshold, prices=PRICES)


def world(random, n):
    """Labels drawn from true probabilities; scores that are too sure of themselves, and others that are noisy."""
    logit = random.normal(-1, 1.5, n)
    label = random.random(n) < 1 / (1 + np.exp(-logit))
    noisy = 1 / (1 + np.exp(-(logit + random.normal(0, 0.5, n))))
    return sample(label, 1 / (1 + np.exp(-1.3 * logit))), sample(label, noisy, 0.4)


def theirs(metric, label, score, decided):
    """scikit-learn's number, None where it is undefined or only there by convention."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            if metric in ("auc", "log_loss", "brier"):
                own = {"auc": roc_auc_score, "log_loss": log_loss, "brier": brier_score_loss}[metric]
                return own(label, score)
            scorer = get_scorer(metric)
            answers = decided if scorer._response_method == "predict" else score
            return scorer._sign * scorer._score_func(label, answers, **scorer._kwargs)
        except (Warning, ValueError):
            return None


def long_hand_ece(label, score):
    """Mean gap over the bins, weighted by their rows; Guo et al. (2017), equation 3."""
    total = 0.0
    for edge in range(ECE_BINS):
        upper = 2 if edge == ECE_BINS - 1 else (edge + 1) / ECE_BINS
        inside = (score >= edge / ECE_BINS) & (score < upper)
        total += abs(label[inside].sum() - score[inside].sum())
    return total / len(label)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_every_metric_equals_scikit_learns(drawn):
    label, score, _ = (np.array(column) for column in zip(*drawn, strict=True))
    score = score / 20
    own = sample(label, score)
    assert level("ece", own).value == pytest.approx(long_hand_ece(label, score), abs=1e-12)
    for metric in (name for name in METRICS if name != "ece"):
        expected, found = theirs(metric, label, score, own.decided), level(metric, own)
        if not 0 < label.sum() < len(label) or expected is None or not np.isfinite(expected):
            continue
        if found is None:  # theirs is 0 by convention where a whole row or column of the table is empty
            assert (metric, expected) == ("matthews_corrcoef", 0)
        else:
            assert found.value == pytest.approx(expected, abs=1e-9), metric


@pytest.mark.parametrize("label", [np.zeros(30, bool), np.ones(30, bool), np.zeros(0, bool)])
def test_one_class_has_neither_ranks_nor_a_balance(label):
    own = sample(label, np.random.default_rng(0).random(len(label)))
    for metric in ("auc", "average_precision", "f1", "balanced_accuracy", "d2_log_loss_score"):
        assert level(metric, own) is None
        assert excess(metric, own, own) is None
    assert (level("accuracy", own) is None) == (len(label) == 0)


@pytest.mark.parametrize("metric", [name for name in NAMES if not name.startswith("roc_auc")])
def test_errors_are_those_of_resampled_rows(metric):
    """The spread over seeded bootstrap samples, of which nothing is left in the package."""
    random = np.random.default_rng(3)
    one, other = world(random, 3000)
    levels, gaps = [], []
    for _ in range(300):
        drawn = random.integers(3000, size=3000)
        levels.append(level(metric, one.part(drawn)).value)
        gaps.append(excess(metric, one.part(drawn), other.part(drawn)).value)
    for found, drawn in ((level(metric, one), levels), (excess(metric, one, other), gaps)):
        ratio = found.error / np.std(drawn)
        # bins whose gaps change their signs from draw to draw vary less than is told
        assert 0.83 < ratio < (1.5 if metric == "ece" else 1.2), ratio


def test_simulated_misses_stay_within_the_level():
    """Each side of every interval, seeded: a miss rate credibly above the nominal one is refused."""
    random, runs, confidence = np.random.default_rng(11), 400, 0.9
    one, other = world(random, 1_000_000)
    names = ("auc", "log_loss", "brier", "ece", "accuracy", "f1", "matthews_corrcoef", "average_precision", "cost")
    truth = {name: (level(name, one).value, excess(name, one, other).value) for name in names}
    misses = {}
    for _ in range(runs):
        one, other = world(random, 400)
        for name in names:
            kinds = (
                (level_interval(name, level(name, one), confidence), truth[name][0]),
                (
                    excess_interval(excess(name, one, other), confidence),
                    truth[name][1],
                ),
            )
            for kind, ((low, high), true) in zip(("level", "excess"), kinds, strict=True):
                misses.setdefault((kind, name, "low"), []).append(low > true)
                misses.setdefault((kind, name, "high"), []).append(high < true)
    for case, missed in misses.items():
        assert binom.sf(sum(missed) - 1, runs, (1 - confidence) / 2) > 1e-3, (case, np.mean(missed))
    print({case: round(float(np.mean(missed)), 3) for case, missed in misses.items()})


@pytest.mark.parametrize("metric", NAMES)
def test_excess_is_positive_for_the_worse(metric):
    random = np.random.default_rng(0)
    good, _ = world(random, 2000)
    bad = sample(good.label, random.permutation(good.score))
    assert excess(metric, bad, good).value > 0
    assert excess(metric, good, bad).value == -excess(metric, bad, good).value
    worse, better = level(metric, bad).value, level(metric, good).value
    assert worse > better if metric in SMALLER_IS_BETTER else worse < better


@pytest.mark.parametrize("metric", NAMES)
def test_the_same_answers_differ_by_exactly_nothing(metric):
    one, _ = world(np.random.default_rng(0), 200)
    assert excess_interval(excess(metric, one, sample(one.label, one.score.copy())), 0.95) == (0, 0)
    if metric in ("auc", "average_precision"):
        assert excess_interval(excess(metric, one, sample(one.label, one.score**2)), 0.95) == (0, 0)


def test_perfect_separation_is_not_certainty():
    label = np.array([False] * 20 + [True] * 20)
    perfect = sample(label, label.astype(float))
    for metric in ("auc", "log_loss", "brier", "ece", "f1", "matthews_corrcoef", "average_precision"):
        assert level_interval(metric, level(metric, perfect), 0.95) is None
    low, high = level_interval("accuracy", level("accuracy", perfect), 0.95)
    assert low < 0.95
    assert high == 1


@pytest.mark.parametrize("metric", ["auc", "average_precision", "f1", "d2_brier_score"])
def test_a_class_too_rare_gives_no_error(metric):
    random = np.random.default_rng(0)
    for positives in (1, FEWEST - 1, FEWEST):
        label = np.arange(200) < positives
        found = level(metric, sample(label, random.random(200)))
        assert (found.error is None) == (positives < FEWEST), positives


def test_the_order_of_rows_does_not_matter():
    one, other = world(np.random.default_rng(0), 300)
    shuffled = np.random.default_rng(1).permutation(300)
    for metric in NAMES:
        before, after = excess(metric, one, other), excess(metric, one.part(shuffled), other.part(shuffled))
        assert after.value == pytest.approx(before.value, abs=1e-12)
        assert after.error == pytest.approx(before.error, rel=1e-9)


@pytest.mark.parametrize("metric", ["brier", "log_loss", "neg_brier_score", "cost"])
@pytest.mark.parametrize(("n", "wrong"), [(100, 0.02), (1000, 0.001)])
def test_rare_large_losses_are_not_taken_for_impossible(metric, n, wrong):
    """Confident scores, wrong so seldom that many samples hold no such row: the interval must still reach them."""
    random, beyond, draws = np.random.default_rng(4), 0, 400
    sign = -1 if metric.startswith("neg") else 1

    def rows(size):
        said = random.random(size) < 0.5
        label = said ^ (random.random(size) < wrong)
        return sample(label, np.where(said, 0.99, 0.01) + 0.005 * (random.random(size) - 0.5))

    truth = sign * level(metric, rows(1_000_000)).value
    for _ in range(draws):
        interval = level_interval("cost" if metric == "cost" else metric, level(metric, rows(n)), 0.95)
        beyond += max(sign * end for end in interval) < truth
    assert beyond <= binom.ppf(0.999, draws, 0.025)
