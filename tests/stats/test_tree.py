"""The tree cuts as scikit-learn's does, and its leaves are a partition."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from assay.stats.tree import Levels, grow


def columns(random, n=600):
    return {
        "a": Levels([str(at) for at in range(8)], random.integers(8, size=n), ordered=True),
        "b": Levels(["x", "y"], random.integers(2, size=n)),
    }


@pytest.mark.parametrize("seed", range(8))
def test_the_leaves_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    found = columns(random)
    loss = random.exponential(1 + (found["a"].codes > 4) + 2 * found["b"].codes * (found["a"].codes < 2))
    leaves = grow(loss, found, depth=2, smallest=40)
    table = np.stack([each.codes for each in found.values()], axis=1)
    peer = DecisionTreeRegressor(max_depth=2, min_samples_leaf=40, random_state=0).fit(table, loss).apply(table)
    ours = np.stack([leaf.holds(found) for leaf in leaves])
    assert (ours.sum(axis=0) == 1).all()
    assert {frozenset(np.flatnonzero(leaf)) for leaf in ours} == {
        frozenset(np.flatnonzero(peer == leaf)) for leaf in np.unique(peer)
    }


def test_a_missing_number_stands_apart():
    random = np.random.default_rng(0)
    codes = random.integers(5, size=500)
    part = Levels(["p0", "p1", "p2", "p3", "missing"], codes, ordered=True, last_apart=True)
    (first, second) = grow((codes == 4) + random.normal(0, 0.1, 500), {"a": part}, depth=1, smallest=20)
    assert {tuple(first.cuts[0].allowed), tuple(second.cuts[0].allowed)} == {
        (False, False, False, False, True),
        (True, True, True, True, False),
    }


def test_nothing_to_cut_is_one_leaf_of_everything():
    random = np.random.default_rng(0)
    for loss, smallest in ((np.ones(600), 10), (random.random(600), 301)):
        (leaf,) = grow(loss, columns(random), depth=3, smallest=smallest)
        assert leaf.cuts == ()
        assert leaf.holds(columns(random)).all()


def test_leaves_are_never_smaller_than_asked():
    random = np.random.default_rng(0)
    found = columns(random)
    leaves = grow(random.random(600), found, depth=4, smallest=50)
    assert min(leaf.holds(found).sum() for leaf in leaves) >= 50
    assert len(leaves) > 4
