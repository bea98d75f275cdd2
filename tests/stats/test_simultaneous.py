"""Many intervals, and many attempts, err no more often together than was promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm, studentized_range

from assay.stats.counts import dirichlet
from assay.stats.intervals import confidence_of, normal_quantile, rates
from assay.stats.simultaneous import attempt_alpha, holm, max_t


def pairwise(shares):
    first, second = np.triu_indices(shares.shape[-1], k=1)
    return shares[..., first] - shares[..., second]


def test_max_t_finds_tukeys_quantile():
    """All pairs of equally large groups: the studentized range's own table."""
    draws = pairwise(np.random.default_rng(0).normal(size=(40_000, 5)))
    assert max_t(draws, 0.95) == pytest.approx(studentized_range.ppf(0.95, 5, np.inf) / np.sqrt(2), abs=0.03)


def test_max_t_lies_between_one_interval_and_bonferroni():
    random = np.random.default_rng(1)
    unrelated, related = random.normal(size=(20_000, 10)), random.normal(size=(20_000, 1)) * np.ones(10)
    assert max_t(related, 0.95) == pytest.approx(normal_quantile(0.95), abs=0.04)
    assert max_t(unrelated, 0.95) == pytest.approx(norm.ppf(1 - (1 - 0.95**0.1) / 2), abs=0.04)
    assert max_t(unrelated, 0.95) <= normal_quantile(1 - 0.05 / 10)


def test_what_does_not_vary_asks_for_nothing_and_too_few_draws_for_bonferroni():
    random = np.random.default_rng(2)
    constant = np.column_stack([random.normal(size=5000), np.ones(5000)])
    assert max_t(constant, 0.95) == normal_quantile(0.95)
    assert max_t(random.normal(size=(100, 4)), 0.95) == normal_quantile(1 - 0.05 / 4)


def test_simulated_joint_coverage_over_groups_and_metrics():
    """Seeded: rates of four groups on shared rows, all pairs of two metrics at once."""
    random, runs, held = np.random.default_rng(5), 300, 0
    sizes, cells = np.array([100, 200, 300, 900]), np.array([0.25, 0.15, 0.1, 0.5])
    for _ in range(runs):
        table = random.multinomial(sizes, cells)
        shares = dirichlet(table + 0.5, 500, seed=0)
        metrics = [[0, 1], [0, 2]]  # both rates count the first cell
        critical = max_t(np.concatenate([pairwise(shares[..., m].sum(axis=-1)) for m in metrics], axis=1), 0.9)
        inside = True
        for metric in metrics:
            value, low, high = rates(table[:, metric].sum(axis=1), sizes, confidence_of(critical))
            for i, j in zip(*np.triu_indices(4, k=1), strict=True):  # the truth is no difference at all
                gap = value[i] - value[j]
                inside &= gap - np.hypot(value[i] - low[i], high[j] - value[j]) <= 0
                inside &= gap + np.hypot(high[i] - value[i], value[j] - low[j]) >= 0
        held += inside
    assert binom.cdf(held, runs, 0.9) > 1e-3
    assert held / runs < 0.96


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_long_hand(p_values):
    """Step down from the smallest: each is refused while all before it are."""
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3, 0.9):
        refused = set()
        for rank, index in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[index] * (len(p_values) - rank) > alpha:
                break
            refused.add(int(index))
        assert {int(i) for i in np.flatnonzero(adjusted <= alpha)} == refused


def test_holm_worked_by_hand():
    """5 * 0.01, 4 * 0.02 and 3 * 0.03; what comes after is never below what came before."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_all_attempts_together_spend_the_budget():
    spent = sum(attempt_alpha(0.05, k) for k in range(1, 20_000))
    assert 0.04999 < spent < 0.05
    for alpha, attempt in ((0, 1), (1, 1), (0.05, 0)):
        with pytest.raises(ValueError, match=r"alpha|counted"):
            attempt_alpha(alpha, attempt)


def test_twenty_retries_of_a_bad_model_pass_no_more_often_than_promised():
    """Seeded: a true rate at the limit, drawn anew 20 times; one pass would let it through."""
    random, runs, tries, n, limit = np.random.default_rng(6), 3000, 20, 2000, 0.1
    misses = random.binomial(n, limit, size=(runs, tries))
    spent, unspent = np.zeros(runs, bool), np.zeros(runs, bool)
    for attempt in range(tries):
        spent |= rates(misses[:, attempt], n, 1 - attempt_alpha(0.05, attempt + 1)).high < limit
        unspent |= rates(misses[:, attempt], n, 0.95).high < limit
    assert binom.sf(spent.sum() - 1, runs, 0.05) > 1e-3
    assert unspent.mean() > 0.3
