import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.divergence import chi_squared, kolmogorov_smirnov, psi, psi_interval, total_variation

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=8).filter(
    lambda cells: all(sum(side) for side in zip(*cells, strict=True))
)
MEASURES = [psi, kolmogorov_smirnov, chi_squared, total_variation]


def tilted(cells, strength):
    shares = np.exp(np.linspace(-strength, strength, cells))
    return shares / shares.sum()


@given(counts)
def test_a_side_has_not_moved_from_itself(cells):
    one = [a for a, _ in cells]
    assert psi(one, one) == total_variation(one, one) == 0
    assert kolmogorov_smirnov(one, one) == (0, 1)
    assert chi_squared(one, one) == (0, 1)


@given(counts)
def test_sides_may_change_places(cells):
    one, other = zip(*cells, strict=True)
    for measure in MEASURES:
        assert measure(one, other) == pytest.approx(measure(other, one), abs=1e-12)


@given(counts, st.randoms())
def test_the_order_of_categories_makes_no_difference(cells, random):
    mixed = random.sample(cells, len(cells))
    for measure in (psi, chi_squared, total_variation):
        plain, shuffled = (measure(*zip(*each, strict=True)) for each in (cells, mixed))
        assert plain == pytest.approx(shuffled, abs=1e-9)


@pytest.mark.parametrize("cells", [2, 10])
@pytest.mark.parametrize("strength", [0, 0.1, 0.5])
@pytest.mark.parametrize(("n", "m"), [(400, 400), (20_000, 3000)])
def test_the_interval_holds_the_true_index_as_often_as_it_says(cells, strength, n, m):
    rng, p, q = np.random.default_rng(5), tilted(cells, 0), tilted(cells, strength)
    true, runs = float(((q - p) * np.log(q / p)).sum()), 300
    found = [psi_interval(rng.multinomial(n, p), rng.multinomial(m, q), 0.95) for _ in range(runs)]
    held = sum(low <= true <= high for low, high in found)
    assert stats.binomtest(held, runs, 0.95, alternative="less").pvalue > 1e-3


def test_endless_rows_leave_no_doubt():
    low, high = psi_interval([5e8, 5e8], [3e8, 7e8], 0.99)
    assert low == pytest.approx(psi([5e8, 5e8], [3e8, 7e8]), rel=1e-3) == pytest.approx(high, rel=1e-3)


def test_it_is_the_two_sample_test_when_each_value_has_a_cell():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 40, 3000), rng.integers(0, 42, 2000)
    statistic, p = kolmogorov_smirnov(np.bincount(one, minlength=42), np.bincount(other, minlength=42))
    peer = stats.ks_2samp(one, other, method="asymp")
    assert statistic == pytest.approx(peer.statistic)
    assert p == pytest.approx(peer.pvalue, rel=0.1)


def test_wider_bins_never_make_a_shift_look_surer():
    fine = np.array([[30, 10, 40, 20], [10, 30, 20, 40]])
    coarse = fine.reshape(2, 2, 2).sum(axis=2)
    assert kolmogorov_smirnov(*fine)[1] <= kolmogorov_smirnov(*coarse)[1]


def test_it_is_pearsons_test_where_no_cell_is_rare():
    table = np.array([[120, 80, 40], [90, 100, 60]])
    effect, p = chi_squared(*table)
    peer = stats.chi2_contingency(table, correction=False)
    assert p == pytest.approx(peer.pvalue)
    assert effect == pytest.approx(stats.contingency.association(table, method="cramer"))


def test_rare_categories_are_counted_as_one():
    one, other = [500, 500, 1, 2, 3], [480, 520, 2, 1, 3]
    assert chi_squared(one, other) == pytest.approx(chi_squared([500, 500, 6], [480, 520, 6]))


def test_without_shift_the_test_is_wrong_as_often_as_it_says():
    rng, shares = np.random.default_rng(2), tilted(6, 1)
    found = [chi_squared(rng.multinomial(800, shares), rng.multinomial(500, shares))[1] for _ in range(2000)]
    assert stats.binomtest(sum(p < 0.05 for p in found), 2000, 0.05).pvalue > 1e-3


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [([1, 2], [1], "same cells"), ([], [], "same cells"), ([0, 0], [1, 2], "no rows"), ([-1, 2], [1, 2], "negative"),
     ([float("nan"), 1], [1, 2], "finite")],
)  # fmt: skip
def test_what_are_no_counts_is_refused(one, other, message):
    for measure in MEASURES:
        with pytest.raises(ValueError, match=message):
            measure(one, other)


@pytest.mark.parametrize("confidence", [0, 1, float("nan")])
def test_a_confidence_outside_0_and_1_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        psi_interval([1, 2], [1, 2], confidence)
