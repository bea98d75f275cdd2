"""A shallow regression tree over coded columns: where a loss is highest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Levels(NamedTuple):
    """A column to cut: its values' names in order, each row's value, and whether the order means anything.

    Attributes
    ----------
    last_apart
        Whether the last value stands outside the order, as a missing number does.
    """

    names: Sequence[str]
    codes: Codes
    ordered: bool = False
    last_apart: bool = False


class Cut(NamedTuple):
    """A condition on one column: which of its values meet it."""

    column: str
    allowed: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """The rows that meet every condition."""

    cuts: tuple[Cut, ...]

    def holds(self, columns: Mapping[str, Levels]) -> NDArray[np.bool_]:
        """Which rows are in it."""
        inside = np.ones(len(next(iter(columns.values())).codes), dtype=np.bool_)
        for column, allowed in self.cuts:
            inside &= allowed[columns[column].codes]
        return inside


def grow(loss: Floats, columns: Mapping[str, Levels], *, depth: int, smallest: int) -> list[Leaf]:
    """Cut the rows, again and again, where that explains most of the loss.

    Parameters
    ----------
    loss : ndarray of shape (n,)
        Each row's loss.
    columns
        By what the rows may be cut: an ordered column between two neighbouring values, any other into
        one value and the rest.
    depth
        Most cuts on the way to a leaf.
    smallest
        Fewest rows of a leaf.

    Returns
    -------
    list of Leaf
        At most ``2**depth``; just one, without a condition, where no cut explains anything.

    References
    ----------
    L. Breiman, J. Friedman, R. Olshen, C. Stone (1984), Classification and Regression Trees, chapter 8.

    Examples
    --------
    >>> rows = Levels(["a", "b"], np.array([0, 0, 0, 1, 1, 1]))
    >>> leaves = grow(np.array([0.1, 0.2, 0.1, 0.9, 0.8, 0.9]), {"job": rows}, depth=2, smallest=2)
    >>> [leaf.cuts[0].allowed.tolist() for leaf in leaves]
    [[True, False], [False, True]]
    """
    return list(_grown(loss, columns, np.arange(len(loss)), (), depth, smallest))


def _grown(
    loss: Floats, columns: Mapping[str, Levels], rows: Codes, cuts: tuple[Cut, ...], depth: int, smallest: int
) -> Iterator[Leaf]:
    best = _best(loss[rows], columns, rows, smallest) if depth else None
    if best is None:
        yield Leaf(cuts=cuts)
        return
    inside = best.allowed[columns[best.column].codes[rows]]
    for side, allowed in ((inside, best.allowed), (~inside, ~best.allowed)):
        cut = Cut(best.column, allowed & _allowed(cuts, best))
        others = tuple(each for each in cuts if each.column != best.column)
        yield from _grown(loss, columns, rows[side], (*others, cut), depth - 1, smallest)


def _allowed(cuts: Sequence[Cut], cut: Cut) -> NDArray[np.bool_]:
    """What earlier cuts have left of a column's values."""
    earlier = [each.allowed for each in cuts if each.column == cut.column]
    return earlier[0] if earlier else np.ones_like(cut.allowed)


def _best(loss: Floats, columns: Mapping[str, Levels], rows: Codes, smallest: int) -> Cut | None:
    """The cut that lowers the squared error most; the first of equals."""
    best, most = None, _NOISE * float(loss @ loss)
    about = loss - loss.mean() if len(loss) else loss
    for name, levels in columns.items():
        codes, values = levels.codes[rows], len(levels.names)
        inside = _cumulated(levels, np.bincount(codes, minlength=values))
        total = _cumulated(levels, np.bincount(codes, about, values))
        outside = len(rows) - inside
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(np.minimum(inside, outside) >= smallest, total**2 / inside + total**2 / outside, 0.0)
        at = int(gain.argmax()) if len(gain) else 0
        if len(gain) and gain[at] > most:
            best, most = Cut(name, _values(levels, at)), float(gain[at])
    return best


_NOISE = 1e-12


def _cumulated(levels: Levels, sums: NDArray[Any]) -> Floats:
    """What lies on one side of every possible cut, from what belongs to each value."""
    if not levels.ordered:
        return np.asarray(sums, dtype=np.float64)
    upto = np.cumsum(sums)[:-1]  # below every value but the first
    return np.append(upto, sums[-1]) if levels.last_apart else np.asarray(upto, dtype=np.float64)


def _values(levels: Levels, at: int) -> NDArray[np.bool_]:
    """The values on that side of the cut which stands at this place in `_cumulated`."""
    places = np.arange(len(levels.names))
    alone = not levels.ordered or (levels.last_apart and at == len(places) - 1)
    found: NDArray[np.bool_] = places == at if alone else places <= at
    return found
