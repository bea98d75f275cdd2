"""Sampled Shapley values are the exact ones, as far as their standard errors say."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evidence.explain.support import columns, curved, exact_shapley, linear

from assay.evidence.explain import shapley as module
from assay.evidence.explain.shapley import contributions, shapley

finite = st.floats(-3, 3)
tables = st.integers(1, 4).flatmap(lambda m: st.lists(st.lists(finite, min_size=m, max_size=m), min_size=3, max_size=6))


@given(tables, st.integers(0, 2**31))
def test_the_values_of_every_single_path_sum_to_what_the_score_moves(table, seed):
    random = np.random.default_rng(seed)
    ends, starts = columns(*table), columns(*table[::-1])
    orders = np.array([random.permutation(len(table[0])) for _ in table])
    found = contributions(score=curved, rows=ends, background=starts, orders=orders)
    assert found.sum(axis=1) == pytest.approx(curved(ends) - curved(starts), abs=1e-12)


@given(tables)
@settings(max_examples=30)
def test_all_orders_and_all_background_rows_give_the_exact_values(table):
    row, background = columns(table[0]), columns(*table[1:])
    every = [(order, start) for order in permutations(range(len(row))) for start in range(len(table) - 1)]
    orders, starts = np.array([o for o, _ in every]), [s for _, s in every]
    found = contributions(
        score=curved,
        rows={name: np.repeat(cell, len(every), axis=0) for name, cell in row.items()},
        background={name: column[starts] for name, column in background.items()},
        orders=orders,
    )
    assert found.mean(axis=0) == pytest.approx(exact_shapley(curved, row, background), abs=1e-12)


@pytest.mark.parametrize("features", [1, 2, 3, 4])
def test_samples_lie_within_their_errors_of_the_exact_values(features):
    random = np.random.default_rng(features)
    rows, background = (columns(*random.normal(size=(size, features))) for size in (20, 150))
    found = shapley(score=curved, rows=rows, background=background, pairs=150, seed=1)
    exact = np.stack([exact_shapley(curved, {n: c[[row]] for n, c in rows.items()}, background) for row in range(20)])
    # every background row is met, so that only the order is sampled: the errors are if anything too wide
    assert (np.abs(found.values - exact) <= 4 * found.errors + 1e-12).all()
    assert found.base == pytest.approx(np.full(20, curved(background).mean()))
    assert found.values.sum(axis=1) + found.base == pytest.approx(curved(rows), abs=1e-12)


def test_a_linear_model_has_its_closed_form_whatever_the_orders():
    random = np.random.default_rng(0)
    weights = np.array([2.0, -1.0, 0.0])
    row, background = random.normal(size=(1, 3)), random.normal(size=(40, 3))
    found = shapley(score=linear(*weights), rows=columns(*row), background=columns(*background), pairs=40, seed=3)
    assert found.values[0] == pytest.approx(weights * (row[0] - background.mean(axis=0)), abs=1e-12)
    assert found.values[0, 2] == 0


def test_the_standard_error_is_what_repeating_the_sampling_shows():
    random = np.random.default_rng(5)
    row, background = columns(*random.normal(size=(1, 4))), columns(*random.normal(size=(400, 4)))
    runs = [shapley(score=curved, rows=row, background=background, pairs=20, seed=seed) for seed in range(300)]
    spread = np.std([run.values[0] for run in runs], axis=0)
    claimed = np.sqrt(np.mean([run.errors[0] ** 2 for run in runs], axis=0))
    assert claimed / spread == pytest.approx(np.ones(4), abs=0.2)


def test_an_order_and_its_reverse_tell_more_than_two_orders():
    random = np.random.default_rng(6)
    row, background = columns(*random.normal(size=(1, 4))), columns(*random.normal(size=(2, 4)))
    exact = exact_shapley(curved, row, background)

    def plain(seed):
        """As many paths as two pairs have, each in an order of its own."""
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(4), (4, 1)), axis=1)
        many = {name: np.repeat(cell, 4, axis=0) for name, cell in row.items()}
        starts = {name: np.repeat(column, 2, axis=0) for name, column in background.items()}
        return contributions(score=curved, rows=many, background=starts, orders=orders).mean(axis=0)

    paired = [shapley(score=curved, rows=row, background=background, pairs=2, seed=s).values[0] for s in range(400)]
    assert np.mean((np.array(paired) - exact) ** 2) < 0.7 * np.mean([(plain(s) - exact) ** 2 for s in range(400)])


def test_text_is_mixed_like_numbers():
    def score(given):
        return (given["word"][:, 0] == "a") * 0.5 + (given["x"][:, 0] > 0) * 0.25

    def row(word, x):
        return {"word": np.array(word, dtype=object).reshape(-1, 1), "x": np.array(x, dtype=np.float32).reshape(-1, 1)}

    found = shapley(score=score, rows=row(["a"], [1]), background=row(["b", "c"], [-1, -2]), pairs=2, seed=0)
    assert found.values.tolist() == [[0.5, 0.25]]


def test_working_in_small_pieces_changes_nothing(monkeypatch):
    random = np.random.default_rng(7)
    given = {"rows": columns(*random.normal(size=(7, 3))), "background": columns(*random.normal(size=(9, 3)))}
    whole = shapley(score=curved, pairs=5, seed=2, **given)
    monkeypatch.setattr(module, "_CELLS", 13)
    pieces = shapley(score=curved, pairs=5, seed=2, **given)
    assert np.array_equal(whole.values, pieces.values)


def test_the_halves_are_two_parts_of_the_same_sample():
    random = np.random.default_rng(8)
    rows, background = columns(*random.normal(size=(3, 3))), columns(*random.normal(size=(9, 3)))
    found = shapley(score=curved, rows=rows, background=background, pairs=5, seed=2)
    assert (2 * found.halves[0] + 3 * found.halves[1]) / 5 == pytest.approx(found.values)


@pytest.mark.parametrize("pairs", [0, 1, 10])
def test_a_number_of_pairs_that_cannot_be_drawn_is_refused(pairs):
    with pytest.raises(ValueError, match="between 2 and 9"):
        shapley(score=curved, rows=columns([1.0, 2.0]), background=columns(*np.ones((9, 2))), pairs=pairs, seed=0)
