"""Counterfactuals turn the decision, change only what may change, and are the nearest of their kind."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.evidence.explain import counterfactual as module
from assay.evidence.explain.counterfactual import MOST, counterfactuals, tried_values

WORDS = ["a", "b", "c"]
NAMES = ["x", "y", "word", "fixed"]


def text(*values):
    return np.array(values, dtype=object).reshape(-1, 1)


def numbers(*values):
    return np.array(values, dtype=np.float32).reshape(-1, 1)


OBSERVED = {
    "x": numbers(0, 1, 2, 3, np.nan), "y": numbers(0, 5, 10, 10, 5), "word": text(*WORDS, "(missing)", "a"),
    "fixed": numbers(0, 1, 2, 3, 4),
}  # fmt: skip
rows = st.fixed_dictionaries(
    {
        "x": st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]), "y": st.sampled_from([0.0, 5.0, 10.0]),
        "word": st.sampled_from([*WORDS, "(missing)"]), "fixed": st.sampled_from([0.0, 4.0]),
    }
)  # fmt: skip
weights = st.tuples(*[st.integers(-3, 3)] * 4)


def cells(row):
    return {name: text(value) if isinstance(value, str) else numbers(value) for name, value in row.items()}


def scored(by):
    """A score of every cell, with a product that no single column decides."""

    def score(given):
        x = np.nan_to_num(given["x"][:, 0], nan=-1.0)
        word = np.array([WORDS.index(w) if w in WORDS else -1 for w in given["word"][:, 0]])
        y, fixed = given["y"][:, 0] / 5, given["fixed"][:, 0]
        total = by[0] * x + by[1] * y + by[2] * word + by[3] * fixed / 4 + x * word
        return 1 / (1 + np.exp(-np.asarray(total, dtype=np.float64) / 3))

    return score


def search(row, by, mutable=("x", "y", "word"), threshold=0.6):
    return counterfactuals(
        score=scored(by),
        decide=lambda _, scores: scores >= threshold,
        row=cells(row),
        observed=OBSERVED,
        mutable=list(mutable),
    )


def gower(row, changed):
    spans = {"x": 3, "y": 10}
    return sum(
        0 if row[n] == changed[n] else 1 if n == "word" or np.isnan(row[n]) else abs(row[n] - changed[n]) / spans[n]
        for n in changed
    ) / len(NAMES)  # fmt: skip


def brute(row, by, mutable, threshold=0.6):
    """Set of columns to the smallest distance that turns the decision, for the smallest sets of columns."""
    tried = {"x": [0.0, 1.0, 2.0, 3.0], "y": [0.0, 5.0, 10.0], "word": WORDS}
    positive = scored(by)(cells(row))[0] >= threshold
    found = {}
    for size in range(1, len(mutable) + 1):
        for names in combinations(mutable, size):
            if any(set(other) < set(names) for other in found):
                continue
            for values in product(*(tried[name] for name in names)):
                changed = dict(zip(names, values, strict=True))
                if any(changed[n] == row[n] for n in names):
                    continue
                if (scored(by)(cells({**row, **changed}))[0] >= threshold) != positive:
                    found[names] = min(found.get(names, np.inf), gower(row, changed))
    return found


@given(rows, weights, st.sampled_from([("x", "y", "word"), ("y",), ("word", "x")]))
@settings(max_examples=150, deadline=None)
def test_they_are_the_nearest_of_the_smallest_sets_of_columns(row, by, mutable):
    found = search(row, by, mutable)
    expected = brute(row, by, mutable)
    told = {tuple(change.feature for change in each.changes): each.distance for each in found}
    best = sorted(expected.items(), key=lambda item: (len(item[0]), item[1]))[:MOST]
    assert [(len(names), d) for names, d in told.items()] == [(len(n), pytest.approx(d, abs=1e-6)) for n, d in best]
    assert {tuple(sorted(names)) for names in told} <= {tuple(sorted(names)) for names in expected}


@given(rows, weights)
@settings(max_examples=60, deadline=None)
def test_each_is_what_the_model_says_of_the_changed_row(row, by):
    before = scored(by)(cells(row))[0] >= 0.6
    for each in search(row, by):
        assert {change.feature for change in each.changes} <= {"x", "y", "word"}
        changed = {**row, **{change.feature: change.becomes for change in each.changes}}
        assert scored(by)(cells(changed))[0] == each.score
        assert (each.score >= 0.6) != before
        assert all(change.becomes != change.was and change.becomes is not None for change in each.changes)


def test_no_two_are_near_copies():
    row = {"x": 0.0, "y": 0.0, "word": "a", "fixed": 0.0}
    found = search(row, (3, 3, 3, 0))
    sets = [{change.feature for change in each.changes} for each in found]
    assert len(sets) > 1
    assert not any(one <= other for place, one in enumerate(sets) for other in sets[place + 1 :])


def test_a_decision_that_nothing_turns_has_none():
    assert search({"x": 0.0, "y": 0.0, "word": "a", "fixed": 0.0}, (0, 0, 0, 0), threshold=0.999) == []


def test_nothing_mutable_is_no_counterfactual():
    assert search({"x": 0.0, "y": 0.0, "word": "a", "fixed": 0.0}, (3, 3, 3, 0), mutable=()) == []


def test_a_column_of_many_values_is_searched_within_bounds():
    random = np.random.default_rng(0)
    observed = {f"w{n}": text(*(f"v{v}" for v in random.integers(0, 5000, 20_000))) for n in range(3)}
    scored_rows = []

    def score(given):
        scored_rows.append(len(given["w0"]))
        return np.zeros(len(given["w0"]))

    row = {name: text("v0") for name in observed}
    assert (
        counterfactuals(
            score=score, decide=lambda _, scores: scores >= 0.5, row=row, observed=observed, mutable=list(observed)
        )
        == []
    )
    assert max(scored_rows) <= 1.2 * module._SCORED


def test_values_of_a_number_with_many_are_observed_ones():
    column = np.random.default_rng(1).normal(size=(3000, 1)).astype(np.float32)
    tried = tried_values(column, np.float32(99))
    assert 30 < len(tried) <= 40
    assert set(tried) <= set(column[:, 0])
    assert (min(tried), max(tried)) == (column.min(), column.max())
    assert tried_values(numbers(np.nan, np.nan), np.float32(1)) == []
