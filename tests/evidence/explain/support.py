"""Models that need no training: functions of columns, as `OnnxModel.score` is one."""

from itertools import combinations, pairwise
from math import factorial

import numpy as np


def columns(*values):
    """Rows of numbers, one column for each feature x0, x1, ..."""
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return {f"x{place}": table[:, [place]] for place in range(table.shape[1])}


def linear(*weights):
    return lambda given: sum(weight * given[f"x{place}"][:, 0] for place, weight in enumerate(weights))


def curved(given):
    """Nothing additive about it: products, a threshold and a logistic curve."""
    cells = [column[:, 0] for column in given.values()]
    total = cells[0] * 1.3
    for before, after in pairwise(cells):
        total = total + before * after - 0.5 * (after > 0.2)
    return 1 / (1 + np.exp(-total))


def exact_shapley(score, row, background):
    """Shapley values by their definition: a weighted sum over all subsets of the other features."""
    names = list(row)

    def worth(kept):
        size = len(background[names[0]])
        mixed = {n: np.repeat(row[n], size, axis=0) if n in kept else background[n] for n in names}
        return score(mixed).mean()

    def value(name):
        others = [other for other in names if other != name]
        return sum(
            factorial(size) * factorial(len(others) - size) / factorial(len(names))
            * (worth({*subset, name}) - worth(set(subset)))
            for size in range(len(names))
            for subset in combinations(others, size)
        )  # fmt: skip

    return np.array([value(name) for name in names])
