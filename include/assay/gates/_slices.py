"""Columns cut into groups of rows: what the gates that look at parts of the data have in common."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, Group


class Coded(NamedTuple):
    """A column's groups by name, and for every row the position of its own."""

    names: list[str]
    codes: NDArray[np.intp]


def coded(values: NDArray[Any], edges: Sequence[float] | None = None) -> Coded:
    """The distinct values as sorted text, or the parts that `edges` cut numbers into, and each row's position.

    Raises
    ------
    ValueError
        When there are edges and a value is no number.

    Examples
    --------
    >>> names, codes = coded(np.array([30, 70, None, 12], dtype=object), edges=[25, 65])
    >>> [names[code] for code in codes]
    ['[25, 65)', '>= 65', '(missing)', '< 25']
    """
    return named(*distinct(values), edges)


def distinct(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Each row's position among the distinct values, -1 where it has none, and these."""
    import pandas as pd

    return pd.factorize(values, use_na_sentinel=True)


def named(codes: NDArray[np.intp], values: NDArray[Any], edges: Sequence[float] | None = None) -> Coded:
    """What `coded` makes of the `distinct` values."""
    texts = [*(_texts(values) if edges is None else _parts(values, edges)), MISSING]  # -1, no value, is the last
    used = texts if (codes < 0).any() else texts[:-1]
    names = sorted(set(used))
    position = {name: place for place, name in enumerate(names)}
    return Coded(names, np.array([position.get(text, -1) for text in texts], dtype=np.intp)[codes])


def members(columns: Mapping[str, Coded]) -> list[tuple[Group, NDArray[np.intp]]]:
    """Every combination of the columns' groups that occurs, in order, with the positions of its rows.

    Examples
    --------
    >>> found = members({"sex": coded(np.array(["F", "M", "F"])), "job": coded(np.array(["a", "a", "b"]))})
    >>> [(group, rows.tolist()) for group, rows in found]
    [({'sex': 'F', 'job': 'a'}, [0]), ({'sex': 'F', 'job': 'b'}, [2]), ({'sex': 'M', 'job': 'a'}, [1])]
    """
    shape = [max(1, len(names)) for names, _ in columns.values()]
    flat = np.ravel_multi_index([codes for _, codes in columns.values()], shape)
    order = np.argsort(flat, kind="stable")
    cuts = np.flatnonzero(np.diff(flat[order])) + 1
    parts = np.split(order, cuts) if len(flat) else []
    return [(_group(columns, part[0]), part) for part in parts]


def _group(columns: Mapping[str, Coded], row: np.intp) -> Group:
    return {column: names[codes[row]] for column, (names, codes) in columns.items()}


def _texts(distinct: NDArray[Any]) -> list[str]:
    return [str(value) for value in distinct.tolist()]


def _parts(distinct: NDArray[Any], edges: Sequence[float]) -> list[str]:
    inner = [f"[{low:g}, {high:g})" for low, high in pairwise(edges)]
    names = [f"< {edges[0]:g}", *inner, f">= {edges[-1]:g}"]
    return [MISSING if text == MISSING else names[_part(text, edges)] for text in _texts(distinct)]


def _part(text: str, edges: Sequence[float]) -> int:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return int(np.searchsorted(edges, number, side="right"))
