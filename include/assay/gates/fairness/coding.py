"""A column's values as groups: their names, and for every row the position of its own."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING


def coded(values: NDArray[Any], edges: Sequence[float] | None = None) -> tuple[list[str], NDArray[np.intp]]:
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
    import pandas as pd

    found, distinct = pd.factorize(values, use_na_sentinel=True)
    texts = [*(_texts(distinct) if edges is None else _parts(distinct, edges)), MISSING]  # -1, no value, is the last
    used = texts if (found < 0).any() else texts[:-1]
    names = sorted(set(used))
    position = {name: place for place, name in enumerate(names)}
    return names, np.array([position.get(text, -1) for text in texts], dtype=np.intp)[found]


def _texts(distinct: NDArray[Any]) -> list[str]:
    return [str(value) for value in distinct.tolist()]


def _parts(distinct: NDArray[Any], edges: Sequence[float]) -> list[str]:
    inner = [f"[{low:g}, {high:g})" for low, high in pairwise(edges)]
    names = [f"< {edges[0]:g}", *inner, f">= {edges[-1]:g}"]
    return [MISSING if text == MISSING else names[_part(text, edges)] for text in _texts(distinct)]


def _part(text: str, edges: Sequence[float]) -> int:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(f"{text} is not a number")
    return int(np.searchsorted(edges, number, side="right"))
