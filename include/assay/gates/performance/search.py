"""Look for slices that the model serves badly, and judge them on rows that the search has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.gates._slices import coded
from assay.gates.performance.evidence import Found, Search
from assay.policy import WeakSlices
from assay.stats.estimates import Estimate
from assay.stats.influence import FEWEST
from assay.stats.tree import Leaf, Levels, grow

Floats = NDArray[np.float64]

_PARTS = 32  # into so many parts of equal size a column of numbers is cut at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A column that slices are made of; `edges` are where its numbers are cut, None for words."""

    levels: Levels
    edges: Sequence[float] | None = None

    def words(self, column: str, allowed: NDArray[np.bool_]) -> str:
        """Some of the values, in words."""
        if self.edges is not None:
            return _numbers(column, self.edges, allowed, missing=self.levels.last_apart)
        names = np.array(self.levels.names, dtype=object)
        inside, outside = names[allowed], names[~allowed]
        if len(inside) == 1:
            return f"{column} = {inside[0]}"
        return f"{column} is not {outside[0]}" if len(outside) == 1 else f"{column} is none of {', '.join(outside)}"


def field_of(cells: NDArray[Any]) -> Field:
    """A column of model inputs, numbers or words, as one that can be cut.

    Examples
    --------
    >>> age = field_of(np.array([30.0, np.nan, 18.0, 30.0]))
    >>> age.levels.codes.tolist(), age.edges, age.words("age", np.array([True, False, True]))
    ([1, 2, 0, 1], (30.0,), 'age < 30 or missing')
    """
    cells = cells.reshape(len(cells))
    if cells.dtype.kind not in "fiu":
        names, codes = coded(cells)
        return Field(levels=Levels(names, codes))
    known = np.isfinite(cells)
    distinct = np.unique(cells[known])
    if len(distinct) > _PARTS:
        distinct = np.unique(np.quantile(cells[known], np.arange(_PARTS) / _PARTS, method="higher"))
    edges = distinct[1:]
    codes = np.where(known, np.searchsorted(edges, cells, side="right"), len(edges) + 1)
    names = [f"part {at}" for at in range(len(edges) + 1)] + ["missing"] * (not known.all())
    levels = Levels(names, codes.astype(np.intp), ordered=True, last_apart=not known.all())
    return Field(levels=levels, edges=tuple(map(float, edges)))


def search(*, loss: Floats, fields: Mapping[str, Field], policy: WeakSlices, seed: int) -> Search:
    """Grow a tree on one half of the rows, and measure its leaves on the other.

    Parameters
    ----------
    loss : ndarray of shape (n,)
        Each row's loss, the rows in an order that does not depend on how they came.
    fields
        The columns, of n rows each.
    policy
        How deep to look, and for how large a slice.
    seed
        Which half is which.
    """
    seen = np.zeros(len(loss), dtype=np.bool_)
    seen[np.random.default_rng([seed, *b"halves"]).permutation(len(loss))[: len(loss) // 2]] = True
    columns = {name: field.levels for name, field in fields.items()}
    leaves = grow(
        loss[seen],
        {name: levels._replace(codes=levels.codes[seen]) for name, levels in columns.items()},
        depth=policy.max_depth,
        smallest=max(1, policy.min_size // 2),
    )
    found = [_found(leaf, fields, loss[~seen], leaf.holds(columns)[~seen]) for leaf in leaves if leaf.cuts]
    return Search(searched=int(seen.sum()), judged=int((~seen).sum()), found=found)


def _found(leaf: Leaf, fields: Mapping[str, Field], loss: Floats, inside: NDArray[np.bool_]) -> Found:
    words = " and ".join(fields[column].words(column, allowed) for column, allowed in leaf.cuts)
    here, rest = loss[inside], loss[~inside]
    if not len(here) or not len(rest):
        return Found(words=words, rows=len(here), loss=None, excess=None)
    error = None
    if min(len(here), len(rest)) >= FEWEST:
        error = float(np.sqrt(here.var(ddof=1) / len(here) + rest.var(ddof=1) / len(rest))) or None
    excess = Estimate(value=float(here.mean() - rest.mean()), error=error)
    return Found(words=words, rows=len(here), loss=float(here.mean()), excess=excess)


def _numbers(column: str, edges: Sequence[float], allowed: NDArray[np.bool_], *, missing: bool) -> str:
    """An interval of numbers, which may take in the missing ones too."""
    parts = np.flatnonzero(allowed[: len(edges) + 1])
    too = " or missing" if missing and allowed[-1] else ""
    if not len(parts):
        return f"{column} is missing"
    low = "" if parts[0] == 0 else f"{edges[parts[0] - 1]:g}"
    high = "" if parts[-1] == len(edges) else f"{edges[parts[-1]]:g}"
    if low and high:
        return f"{low} <= {column} < {high}{too}"
    if low or high:
        return (f"{column} >= {low}" if low else f"{column} < {high}") + too
    return f"{column} is known"
