"""Four ways in which the inputs of a served model go wrong."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from assay.core import MISSING

Columns = Mapping[str, NDArray[Any]]
Damage = Callable[[Columns, float, Generator], dict[str, NDArray[Any]]]

_FACTORS = (1000.0, 0.001)  # grams for kilograms, or the other way round


class NoTargetError(Exception):
    """The scenario does not apply: there is no column that it could damage."""


def numeric(columns: Columns) -> list[str]:
    """The names of the columns of numbers."""
    return [name for name, cells in columns.items() if cells.dtype.kind == "f"]


def missing(columns: Columns, share: float, random: Generator) -> dict[str, NDArray[Any]]:
    """Each cell of every column loses its value with probability `share`."""
    if not columns:
        raise NoTargetError("the model has no feature")
    numbers = set(numeric(columns))
    return {
        name: np.where(random.random(cells.shape) < share, np.nan if name in numbers else MISSING, cells).astype(
            cells.dtype
        )
        for name, cells in columns.items()
    }


def noise(columns: Columns, share: float, random: Generator) -> dict[str, NDArray[Any]]:
    """Every number gets a normal error whose standard deviation is `share` of the column's own."""
    spread = {name: float(np.nanstd(columns[name])) for name in numeric(columns) if not np.isnan(columns[name]).all()}
    if not any(spread.values()):
        raise NoTargetError("no numeric feature that varies")
    damaged = dict(columns)
    for name, deviation in spread.items():
        errors = random.normal(0.0, share * deviation, columns[name].shape)
        damaged[name] = (columns[name] + errors).astype(columns[name].dtype)
    return damaged


def unknown_category(columns: Columns, share: float, random: Generator) -> dict[str, NDArray[Any]]:
    """Each text cell turns, with probability `share`, into a word that never occurs in its column."""
    numbers = set(numeric(columns))
    texts = [name for name in columns if name not in numbers]
    if not texts:
        raise NoTargetError("no text feature")
    damaged = dict(columns)
    for name in texts:
        damaged[name] = columns[name].copy()
        damaged[name][random.random(columns[name].shape) < share] = _unseen(columns[name])
    return damaged


def unit_error(columns: Columns, share: float, random: Generator) -> dict[str, NDArray[Any]]:
    """A row, with probability `share`, has one of its numbers a thousand times too large or too small.

    Which column, and in which direction, is drawn anew for every row.
    """
    names = numeric(columns)
    if not names:
        raise NoTargetError("no numeric feature")
    shape = columns[names[0]].shape
    hit = random.random(shape) < share
    column = random.integers(len(names), size=shape)
    factor = random.choice(_FACTORS, size=shape)
    damaged = dict(columns)
    for position, name in enumerate(names):
        cells, largest = columns[name], np.finfo(columns[name].dtype).max
        scaled = np.clip(cells * factor, -largest, largest)  # no client can send an infinity
        damaged[name] = np.where(hit & (column == position), scaled, cells).astype(cells.dtype)
    return damaged


def _unseen(cells: NDArray[Any]) -> str:
    word, seen = "(unseen)", set(cells.ravel().tolist())
    while word in seen:
        word += "_"
    return word


DAMAGES: Mapping[str, Damage] = {
    "missing": missing,
    "noise": noise,
    "unknown_category": unknown_category,
    "unit_error": unit_error,
}
