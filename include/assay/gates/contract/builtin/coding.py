"""Values put into cells, so that numbers, times and categories can be counted alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.gates.contract.builtin.facts import Values

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cells:
    """How a column's values are put into cells: the last but one is for all others, the last for none at all.

    Attributes
    ----------
    edges
        Rising bounds of a column of numbers; else None.
    places
        Cell of each category of a column of text.
    """

    edges: NDArray[np.float64] | None = None
    places: Mapping[str, int] | None = None

    @property
    def count(self) -> int:
        """How many cells there are."""
        inside = len(self.edges) + 1 if self.edges is not None else len(self.places or {})
        return inside + 2

    def of(self, values: Values) -> Codes:
        """The cell of each row, of shape (rows,)."""
        other, none = self.count - 2, self.count - 1
        if self.edges is not None and values.numbers is not None:
            codes = np.searchsorted(self.edges, values.numbers, side="left").astype(np.int64)
            return np.where(np.isnan(values.numbers), none, codes)
        if self.places is not None and values.codes is not None:
            known = np.array([self.places.get(text, other) for text in values.texts] + [none], dtype=np.int64)
            return np.asarray(known[values.codes], dtype=np.int64)
        raise ValueError("numbers cannot be put into cells of text, nor text into those of numbers")

    def counts(self, values: Values) -> Codes:
        """How many rows lie in each cell."""
        return np.bincount(self.of(values), minlength=self.count)


def shuffled(rows: int) -> NDArray[np.intp]:
    """The places of so many rows in an order that is always the same and has nothing to do with theirs.

    Rows may come in turns, one case and one control, and every other one would then be all of one class.

    Examples
    --------
    >>> sorted(shuffled(4).tolist())
    [0, 1, 2, 3]
    """
    return np.random.default_rng(0).permutation(rows)


def cells(values: Values, most: int, rows_each: int = 1) -> Cells:
    """Cells for a column: numbers at their quantiles, text by its most frequent values.

    Parameters
    ----------
    values
        What the cells are made from.
    most
        How many cells there may be, those for others and for none not counted.
    rows_each
        How many rows a cell must have.

    Examples
    --------
    >>> found = cells(Values(numbers=np.array([1.0, 2, 2, 3, np.nan])), most=2)
    >>> found.counts(Values(numbers=np.array([0.0, 2, 5, np.nan]))).tolist()
    [2, 1, 0, 1]
    """
    if values.numbers is not None:
        known = np.sort(values.numbers[~np.isnan(values.numbers)])
        bins = max(1, min(most, len(known) // rows_each))
        at = (np.arange(1, bins) * len(known)) // bins
        edges = np.unique(known[at]) if len(known) else np.zeros(0)
        return Cells(edges=edges[edges < known[-1]] if len(known) else edges)
    assert values.codes is not None
    counts = np.bincount(values.codes[values.codes >= 0], minlength=len(values.texts))
    frequent = [int(at) for at in np.argsort(-counts, kind="stable")[:most] if counts[at] >= rows_each]
    return Cells(places={values.texts[at]: place for place, at in enumerate(frequent)})
