"""Shapley values of a score, by sampling orders in which a row's features replace those of another row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Score = Callable[[Columns], Floats]

_CELLS = 1 << 21  # cells that are mixed and scored at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Shapley:
    """Shapley values of n rows over m features, in the order of the columns.

    Attributes
    ----------
    values : ndarray of shape (n, m)
        How much each feature moves the score away from `base`; a row's values sum to its score minus its base.
    errors : ndarray of shape (n, m)
        Standard error of each value, from the sampling of orders and of background rows.
    halves : ndarray of shape (2, n, m)
        The values from the first and from the second half of the background rows.
    base : ndarray of shape (n,)
        Mean score of the background rows that the row was compared with.
    """

    values: Floats
    errors: Floats
    halves: Floats
    base: Floats


def shapley(*, score: Score, rows: Columns, background: Columns, pairs: int, seed: int) -> Shapley:
    """Estimate the interventional Shapley values of some rows.

    For each row, `pairs` background rows are drawn without replacement. From each of them two paths
    lead to the row, one feature at a time: one in a random order, one in its reverse. What a feature
    adds to the score when its turn comes is averaged over all paths.

    Parameters
    ----------
    score
        Columns to n probabilities of the positive class.
    rows, background
        Feature name to an array of shape (n, 1) or (b, 1); the same features in the same order.
    pairs
        How many background rows each row meets, from 2 to b. When it is b, every row has the same
        base, the mean score of the background.
    seed
        Makes the draws repeatable.

    Raises
    ------
    ValueError
        When `pairs` is below 2 or above b.

    References
    ----------
    E. Strumbelj, I. Kononenko (2014), Explaining prediction models and individual predictions with
    feature contributions, Knowledge and Information Systems 41, algorithm 1.
    R. Mitchell, J. Cooper, E. Frank, G. Holmes (2022), Sampling permutations for Shapley value
    estimation, JMLR 23(43), section 2.3 (an order and its reverse).

    Examples
    --------
    >>> rows, background = {"x": np.array([[3.0]])}, {"x": np.array([[0.0], [1.0]])}
    >>> found = shapley(score=lambda columns: columns["x"][:, 0], rows=rows, background=background, pairs=2, seed=0)
    >>> found.values.tolist(), found.base.tolist()
    ([[2.5]], [0.5])
    """
    count, known = _length(rows), _length(background)
    if not 2 <= pairs <= known:
        raise ValueError(f"pairs must be between 2 and {known}, got {pairs}")
    random = np.random.default_rng(seed)
    met = np.stack([random.permutation(known)[:pairs] for _ in range(count)]) if count else np.empty((0, pairs), int)
    orders = random.permuted(np.tile(np.arange(len(rows)), (count * pairs, 1)), axis=1)
    own = np.repeat(np.arange(count), pairs)
    there = contributions(score=score, rows=_take(rows, own), background=_take(background, met.ravel()), orders=orders)
    back = contributions(
        score=score, rows=_take(rows, own), background=_take(background, met.ravel()), orders=orders[:, ::-1]
    )
    each = ((there + back) / 2).reshape(count, pairs, len(rows))
    return Shapley(
        values=each.mean(axis=1),
        errors=each.std(axis=1, ddof=1) / np.sqrt(pairs),
        halves=np.stack([each[:, : pairs // 2].mean(axis=1), each[:, pairs // 2 :].mean(axis=1)]),
        base=score(background)[met].mean(axis=1),
    )


def contributions(*, score: Score, rows: Columns, background: Columns, orders: NDArray[np.intp]) -> Floats:
    """What each feature adds to the score on the way from a background row to a row.

    Parameters
    ----------
    score
        Columns to probabilities.
    rows, background
        Where each of n paths ends and where it begins: arrays of shape (n, 1).
    orders : ndarray of shape (n, m)
        In which order the m features change over, as positions among the columns.

    Returns
    -------
    ndarray of shape (n, m)
        By feature, in the order of the columns. A path's values sum to the score at its end minus
        that at its beginning: the sum telescopes.
    """
    paths, features = orders.shape
    at_once = max(1, _CELLS // (features * (features + 1)))
    parts = [
        _walk(score, _take(rows, part), _take(background, part), orders[part])
        for part in (slice(start, start + at_once) for start in range(0, paths, at_once))
    ]
    return np.concatenate(parts) if parts else np.empty((0, features))


def _walk(score: Score, rows: Columns, background: Columns, orders: NDArray[np.intp]) -> Floats:
    paths, features = orders.shape
    turns = np.argsort(orders, axis=1)
    steps = np.arange(features + 1)[:, None]
    mixed = {
        name: np.where(turns[:, position] < steps, rows[name][:, 0], background[name][:, 0]).reshape(-1, 1)
        for position, name in enumerate(rows)
    }
    gains = np.diff(score(mixed).reshape(features + 1, paths), axis=0)
    return np.take_along_axis(gains.T, turns, axis=1)


def _take(columns: Columns, which: Any) -> Columns:
    return {name: column[which] for name, column in columns.items()}


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values())))
