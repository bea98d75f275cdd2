"""The smallest changes of a row that would turn the model's decision."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING
from assay.evidence.explain.shapley import Columns, Floats, Score

Decide = Callable[[Columns, Floats], NDArray[np.bool_]]
Cell = float | str | None

MOST = 5
"""How many counterfactuals are given at most."""

_VALUES = 40  # of a number, that are tried: all that occur, or so many quantiles
_CATEGORIES = 100  # of a text, that are tried: the most frequent ones
_SCORED = 200_000  # rows in one round of the search, or about so many


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One feature's value, and what it would be instead; None where there is none."""

    feature: str
    was: Cell
    becomes: Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Counterfactual:
    """Changes which together turn the decision, as the model itself has answered.

    Attributes
    ----------
    changes
        In the order of the features.
    score
        The model's score of the changed row.
    distance
        Gower's distance from the row, in [0, 1].
    """

    changes: Sequence[Change]
    score: float
    distance: float


def counterfactuals(
    *, score: Score, decide: Decide, row: Columns, observed: Columns, mutable: Sequence[str]
) -> list[Counterfactual]:
    """Search for up to `MOST` counterfactuals, fewest changes first, then nearest.

    One column is tried, then two, and so on. For each set of columns that can turn the decision, the
    nearest values are given. No two change the same columns, and none changes all the columns of
    another and more besides: each is another way out.

    Parameters
    ----------
    score
        Columns to probabilities of the positive class.
    decide
        The same columns and their scores to decisions, True for the positive class.
    row
        Feature name to an array of shape (1, 1).
    observed
        Feature name to an array of shape (n, 1): where values and ranges are taken from.
    mutable
        The features that may change.

    Notes
    -----
    For one and two columns the search is complete over the values tried, unless these are more than
    some four hundred in all; from three columns on, only the partial changes that moved the score
    furthest towards the other decision are taken further. Values are those that occur in `observed`: of a
    text the most frequent, of a number with many values its quantiles. No missing value is proposed.

    References
    ----------
    S. Wachter, B. Mittelstadt, C. Russell (2018), Counterfactual explanations without opening the
    black box, Harvard Journal of Law & Technology 31(2).
    J. C. Gower (1971), A general coefficient of similarity and some of its properties, Biometrics 27.

    Examples
    --------
    >>> row, observed = {"x": np.array([[0.0]])}, {"x": np.array([[0.0], [1.0], [2.0]])}
    >>> found = counterfactuals(
    ...     score=lambda columns: columns["x"][:, 0] / 2, decide=lambda columns, score: score >= 0.5,
    ...     row=row, observed=observed, mutable=["x"],
    ... )
    >>> [(each.changes[0].becomes, each.score, each.distance) for each in found]
    [(1.0, 0.5, 0.5)]
    """
    search = _Search(score, decide, row, observed, mutable)
    found: list[Counterfactual] = []
    partial = [_Partial((), ())]
    for _ in mutable:
        partial, turned = search.extend(partial, [set(_columns(each)) for each in found])
        found += turned
        if len(found) >= MOST or not partial:
            break
    return found[:MOST]


def tried_values(column: NDArray[Any], current: Any) -> list[Any]:
    """The values of a column that may take the place of `current`, in order.

    Examples
    --------
    >>> tried_values(np.array([["b"], ["a"], ["(missing)"], ["b"]], dtype=object), "b")
    ['a']
    >>> tried_values(np.array([[2.0], [np.nan], [1.0]], dtype=np.float32), np.float32(1.0)) == [2.0]
    True
    """
    cells = column[:, 0]
    if column.dtype.kind == "f":
        values = np.unique(cells[~np.isnan(cells)])
        if len(values) > _VALUES:
            levels = np.linspace(0, 1, _VALUES)
            values = np.unique(np.quantile(cells[~np.isnan(cells)], levels, method="inverted_cdf"))
        return [value for value in values if value != current]
    frequent = sorted(Counter(cells.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return sorted([value for value, _ in frequent if value not in (current, MISSING)][:_CATEGORIES])


@dataclass(frozen=True, slots=True)
class _Partial:
    """Some columns, by position among the mutable ones and rising, and their new values."""

    places: tuple[int, ...]
    values: tuple[Any, ...]


class _Search:
    def __init__(self, score: Score, decide: Decide, row: Columns, observed: Columns, mutable: Sequence[str]) -> None:
        self.score, self.decide, self.row = score, decide, row
        self.mutable = [name for name in row if name in mutable]
        self.values = [tried_values(observed[name], row[name][0, 0]) for name in self.mutable]
        self.kept = max(1, _SCORED // max(1, sum(map(len, self.values))))
        self.spans = {name: _span(observed[name]) for name in self.mutable}
        self.positive = bool(decide(row, score(row))[0])

    def extend(
        self, partial: Sequence[_Partial], taken: Sequence[set[str]]
    ) -> tuple[list[_Partial], list[Counterfactual]]:
        """Change one more column: what does not turn the decision yet, and the best of what does."""
        longer = [each for each in self._longer(partial) if not self._covers(each, taken)]
        if not longer:
            return [], []
        rows = self._rows(longer)
        scores = self.score(rows)
        turned = self.decide(rows, scores) != self.positive
        best: dict[tuple[int, ...], Counterfactual] = {}
        for place in np.flatnonzero(turned):
            found = self._counterfactual(longer[place], float(scores[place]))
            nearest = best.get(longer[place].places)
            if nearest is None or _order(found) < _order(nearest):
                best[longer[place].places] = found
        toward = scores if not self.positive else -scores
        rest = [place for place in np.argsort(-toward, kind="stable") if longer[place].places not in best]
        return [longer[place] for place in rest[: self.kept]], sorted(best.values(), key=_order)

    def _longer(self, partial: Sequence[_Partial]) -> Iterator[_Partial]:
        seen = set()
        for each in partial:
            for place in range(len(self.mutable)):
                if place in each.places:
                    continue
                at = sum(other < place for other in each.places)
                places = (*each.places[:at], place, *each.places[at:])
                for value in self.values[place]:
                    longer = _Partial(places, (*each.values[:at], value, *each.values[at:]))
                    if longer not in seen:
                        seen.add(longer)
                        yield longer

    def _covers(self, partial: _Partial, taken: Sequence[set[str]]) -> bool:
        names = {self.mutable[place] for place in partial.places}
        return any(other <= names for other in taken)

    def _rows(self, partial: Sequence[_Partial]) -> dict[str, NDArray[Any]]:
        rows = {name: np.repeat(cell, len(partial), axis=0) for name, cell in self.row.items()}
        for number, each in enumerate(partial):
            for place, value in zip(each.places, each.values, strict=True):
                rows[self.mutable[place]][number, 0] = value
        return rows

    def _counterfactual(self, partial: _Partial, score: float) -> Counterfactual:
        names = [self.mutable[place] for place in partial.places]
        pairs = [(name, self.row[name][0, 0], new) for name, new in zip(names, partial.values, strict=True)]
        distance = sum(_gap(was, new, self.spans[name]) for name, was, new in pairs) / len(self.row)
        changes = tuple(Change(feature=name, was=cell(was), becomes=cell(new)) for name, was, new in pairs)
        return Counterfactual(changes=changes, score=score, distance=distance)


def cell(value: Any) -> Cell:
    """A model input's cell as people write it.

    Examples
    --------
    >>> cell(np.float32(38)), cell(np.float32("nan")), cell("(missing)"), cell("a")
    (38.0, None, None, 'a')
    """
    if isinstance(value, str):
        return None if value == MISSING else value
    return None if np.isnan(value) else float(str(value))  # the shortest number that is this float32


def _columns(found: Counterfactual) -> Iterator[str]:
    return (change.feature for change in found.changes)


def _order(found: Counterfactual) -> tuple[float, str]:
    return found.distance, repr(found.changes)  # the words only to settle ties, always in one way


def _span(column: NDArray[Any]) -> float:
    if column.dtype.kind != "f" or np.isnan(column).all():
        return 0.0
    return float(np.nanmax(column) - np.nanmin(column))


def _gap(was: Any, becomes: Any, span: float) -> float:
    """Gower's distance of two cells of one column, in [0, 1]."""
    if isinstance(was, str) or np.isnan(was) or span == 0:
        return 1.0
    return min(1.0, abs(float(becomes) - float(was)) / span)
