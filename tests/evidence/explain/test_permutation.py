"""What permuting a feature costs, and how sure that is."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score

from assay.evidence.explain.bands import half_widths
from assay.evidence.explain.permutation import SMALLEST_CLASS, permutation_losses

WEIGHTS = np.array([1.5, 0.7, 0.0])


def score(given):
    return 1 / (1 + np.exp(-np.hstack(list(given.values())) @ WEIGHTS))


def world(random, n):
    inputs = random.normal(size=(n, 3))
    inputs[:, 1] += 0.5 * inputs[:, 0]
    label = random.random(n) < 1 / (1 + np.exp(-inputs @ WEIGHTS))
    return {f"x{place}": inputs[:, [place]] for place in range(3)}, label


def losses(inputs, label, *, repeats=5, seed=0, **masks):
    everyone = np.ones(len(label), dtype=bool)
    return permutation_losses(
        score=score, inputs=inputs, label=label, populations={"all": everyone, **masks}, repeats=repeats, seed=seed
    )


class Model:
    """The score in scikit-learn's clothes."""

    classes_ = np.array([False, True])
    _estimator_type = "classifier"

    def fit(self, *_):
        return self

    def predict_proba(self, table):
        positive = score({"all": table})
        return np.stack([1 - positive, positive], axis=1)


def test_drops_agree_with_scikit_learn():
    inputs, label = world(np.random.default_rng(0), 3000)
    table = np.hstack(list(inputs.values()))

    def auc(model, rows, truth):
        return roc_auc_score(truth, model.predict_proba(rows)[:, 1])

    theirs = permutation_importance(Model(), table, label, scoring=auc, n_repeats=30, random_state=1)
    ours = losses(inputs, label, repeats=30)["all", "auc"]
    assert ours.drops == pytest.approx(theirs.importances_mean, abs=0.004)
    assert ours.drops[2] == 0  # the model does not read it


def test_a_feature_that_the_model_does_not_read_has_no_interval():
    inputs, label = world(np.random.default_rng(1), 500)
    for metric in ("auc", "brier"):
        half = half_widths(losses(inputs, label)["all", metric].influences, 0.95)
        assert np.isnan(half).tolist() == [False, False, True]


def test_a_group_is_measured_on_its_own_rows():
    inputs, label = world(np.random.default_rng(2), 4000)
    half = np.arange(4000) < 2000
    found = losses(inputs, label, half=half)
    group = found["half", "brier"].drops
    own = losses({name: column[half] for name, column in inputs.items()}, label[half])["all", "brier"].drops
    assert group == pytest.approx(own, abs=0.01)
    assert not np.array_equal(group, found["all", "brier"].drops)


def test_influences_average_to_nothing():
    inputs, label = world(np.random.default_rng(3), 400)
    some = np.arange(400) % 3 == 0
    for loss in losses(inputs, label, some=some).values():
        assert loss.influences.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "positives", "told"),
    [(1, 0, "1 rows"), (200, SMALLEST_CLASS - 1, "9 rows of one class"), (200, 200, "0 rows of one class")],
)
def test_what_cannot_be_measured_says_why(rows, positives, told):
    inputs, _ = world(np.random.default_rng(4), rows)
    found = losses(inputs, np.arange(rows) < positives)
    assert told in found["all", "auc"]
    assert isinstance(found["all", "brier"], str) == (rows < 2)


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_intervals_hold_the_truth_of_all_features_at_once(metric):
    """The truth, from a sample a thousand times as large, is inside both intervals in 95 % of samples."""
    large = losses(*world(np.random.default_rng(100), 300_000), repeats=2)
    truth, runs, held, rows = large["all", metric].drops[:2], 400, 0, 300
    for seed in range(runs):
        found = losses(*world(np.random.default_rng([5, seed]), rows), seed=seed)["all", metric]
        half = half_widths(found.influences, 0.95)[:2]
        held += bool((np.abs(found.drops[:2] - truth) <= half).all())
    assert 0.001 < binom.cdf(held, runs, 0.95) < 0.999  # no less than promised, and no wider than that takes


def test_leaving_the_donors_out_would_be_too_sure():
    """A value that few rows have decides their scores: who gives it to whom is most of the noise."""
    random = np.random.default_rng(9)
    drops, errors = [], []
    for seed in range(150):
        rare = (random.random(400) < 0.03).astype(float)[:, None]
        label = random.random(400) < 0.2 + 0.6 * rare[:, 0]
        loss = permutation_losses(
            score=lambda given: 0.2 + 0.6 * given["x"][:, 0], inputs={"x": rare}, label=label,
            populations={"all": np.ones(400, dtype=bool)}, repeats=5, seed=seed,
        )["all", "brier"]  # fmt: skip
        drops.append(loss.drops[0])
        errors.append(np.sqrt((loss.influences**2).sum()) / 400)
    assert np.mean(errors) / np.std(drops) == pytest.approx(1.0, abs=0.12)
