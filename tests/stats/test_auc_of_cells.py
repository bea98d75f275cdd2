import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from assay.stats.auc_of_cells import auc_interval, auc_of_cells

cells = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8).filter(
    lambda found: all(sum(side) for side in zip(*found, strict=True))
)


@given(cells)
def test_it_is_the_auc_of_the_rows(found):
    positives, negatives = zip(*found, strict=True)
    rank = np.repeat(np.arange(len(found)), positives), np.repeat(np.arange(len(found)), negatives)
    label = np.repeat([1, 0], [len(rank[0]), len(rank[1])])
    assert auc_of_cells(positives, negatives) == pytest.approx(roc_auc_score(label, np.concatenate(rank)))


def test_without_both_classes_there_is_none():
    assert np.isnan(auc_of_cells([3, 1], [0, 0]))


@given(st.floats(0, 1), st.integers(1, 500), st.integers(1, 500), st.floats(0.5, 0.99))
def test_the_interval_holds_the_estimate_and_grows_with_confidence(auc, positives, negatives, confidence):
    low, high = auc_interval(auc, positives, negatives, confidence)
    assert 0 <= low <= auc + 1e-9
    assert auc - 1e-9 <= high <= 1
    wider = auc_interval(auc, positives, negatives, (1 + confidence) / 2)
    assert wider[0] <= low + 1e-9
    assert high <= wider[1] + 1e-9


@pytest.mark.parametrize("gap", [0.0, 1.0, 3.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(gap):
    rng, runs = np.random.default_rng(3), 400
    true = float(stats.norm.cdf(gap / np.sqrt(2)))
    held = 0
    for _ in range(runs):
        positive, negative = rng.normal(gap, 1, 40), rng.normal(0, 1, 60)
        auc = float((positive[:, None] > negative).mean())
        low, high = auc_interval(auc, 40, 60, 0.95)
        held += low <= true <= high
    assert stats.binomtest(held, runs, 0.95, alternative="less").pvalue > 1e-3
