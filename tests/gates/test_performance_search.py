"""Weak slices: none is found where there is none, a planted one is found and put into words."""

import numpy as np
import pytest
from scipy.stats import binom
from tests.gates.performance_support import named, policy, run, world

from assay.core import Outcome
from assay.gates.performance.search import field_of


def searching(max_excess=0.05, confidence=0.95, **more):
    return policy({"metric": "auc", "min": 0.1}, confidence=confidence, weak_slices={"max_excess": max_excess, **more})


def people(n=4000, seed=0, *, planted=0.0):
    """Columns that say nothing of the loss, unless some answers about young people with job b are turned round."""
    random = np.random.default_rng(seed)
    label, score = world(n, seed)
    columns = {
        "age": random.integers(18, 80, n).astype(np.float32)[:, None],
        "job": random.choice(np.array(["a", "b", "c"], dtype=object), n)[:, None],
    }
    weak = (columns["age"][:, 0] < 30) & (columns["job"][:, 0] == "b")
    label = np.where(weak & (random.random(n) < planted), random.random(n) < 0.5, label)
    return label, score, columns, weak


def weak_slice(part, label, score, columns, **more):
    judgement = run(part, label, score, inputs=columns, **more)
    return named(judgement)["weak_slice"], judgement


def test_a_planted_slice_is_found_and_put_into_words():
    label, score, columns, weak = people(8000, planted=1.0)
    check, judgement = weak_slice(searching(min_size=100), label, score, columns)
    assert (check.outcome, check.metric, check.compare) == (Outcome.FAIL, "log_loss", "excess")
    (group,) = check.groups
    assert group["slice"] in ("age < 30 and job = b", "job = b and age < 30", "age < 31 and job = b")
    assert f"where {group['slice']} ({check.support} rows)" in check.reason
    assert "found in 4000 rows, judged on the other 4000" in check.reason
    assert 0.7 < check.support / (weak.sum() / 2) < 1.3
    found = {each.group["slice"]: each for each in judgement.groups if "slice" in each.group}
    assert sum(each.n for each in found.values()) == 4000
    assert found[group["slice"]].metrics["excess"].estimate == check.estimate


@pytest.mark.parametrize("metric", ["log_loss", "brier", "accuracy"])
def test_what_is_found_does_not_depend_on_the_order_of_rows(metric):
    label, score, columns, _ = people(2000, planted=1.0)
    part = searching(metric=metric)
    order = np.random.default_rng(0).permutation(2000)
    shuffled = {name: cells[order] for name, cells in columns.items()}
    one, other = weak_slice(part, label, score, columns), weak_slice(part, label[order], score[order], shuffled)
    assert one == other


def test_the_seed_says_which_half_is_searched():
    label, score, columns, _ = people(2000, planted=1.0)
    one, other = (weak_slice(searching(), label, score, columns, seed=seed)[0] for seed in (0, 1))
    assert one.estimate != other.estimate


def test_false_findings_are_rarer_than_promised():
    """Seeded: no column has anything to do with the loss, so that nothing found is above the rest in truth."""
    part, runs, found = searching(1e-9, min_size=100, confidence=0.8), 200, 0
    for seed in range(runs):
        label, score, columns, _ = people(1000, seed=seed)
        found += weak_slice(part, label, score, columns)[0].outcome is Outcome.FAIL
    print(f"false findings: {found} of {runs}")
    assert binom.sf(found - 1, runs, 0.1) > 1e-3  # a fifth over two checks


def test_a_planted_slice_is_found_again_and_again():
    part, runs = searching(0.05, min_size=100), 20
    found = sum(
        weak_slice(part, *people(6000, seed=seed, planted=1.0)[:3])[0].outcome is Outcome.FAIL for seed in range(runs)
    )
    assert found >= 18


def test_too_few_rows_to_search_are_inconclusive():
    label, score, columns, _ = people(150)
    check, _ = weak_slice(searching(), label, score, columns)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "no slice of 200 rows was found in 75 rows" in check.reason


def test_only_the_named_columns_are_looked_at():
    label, score, columns, _ = people(8000, planted=1.0)
    check, _ = weak_slice(searching(columns=["job"]), label, score, columns)
    assert check.groups == [{"slice": "job = b"}]


@pytest.mark.parametrize(
    ("cells", "allowed", "words"),
    [
        (["a", "b", "c"], [1], "x = b"),
        (["a", "b", "c"], [0, 2], "x is not b"),
        (["a", "b", "c", "d"], [0, 2], "x is none of b, d"),
        ([None, "b"], [0], "x = (missing)"),
        ([1.0, 2.0, 3.0], [0], "x < 2"),
        ([1.0, 2.0, 3.0], [1, 2], "x >= 2"),
        ([1.0, 2.0, 3.0], [1], "2 <= x < 3"),
        ([1.0, 2.0, np.nan], [2], "x is missing"),
        ([1.0, 2.0, np.nan], [1, 2], "x >= 2 or missing"),
        ([1.0, 2.0, np.nan], [0, 1], "x is known"),
    ],
)
def test_words(cells, allowed, words):
    found = field_of(np.array(cells, dtype=float if isinstance(cells[0], float) else object))
    assert found.words("x", np.isin(np.arange(len(found.levels.names)), allowed)) == words


def test_a_column_of_many_numbers_is_cut_into_few_parts():
    cells = np.random.default_rng(0).normal(size=(5000, 1))
    found = field_of(cells)
    assert 25 <= len(found.levels.names) <= 32
    counts = np.bincount(found.levels.codes)
    assert counts.min() > 100
    assert field_of(np.full(5, np.nan)).levels.codes.tolist() == [1] * 5
