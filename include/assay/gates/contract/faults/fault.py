"""Ways in which data go wrong, each to be planted in good data at a strength: what the gate is tried on.

A damage changes a pandas frame in place and returns nothing, or returns another frame. A spoiling
changes the bytes of the file that the frame was written to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Frame = Any
"""A pandas frame; its cells may turn into anything."""
Random = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The columns that are damaged: two numbers, two categories, a sensitive one, and those with a role."""

    key: str
    label: str
    positive: str
    time: str
    number: str
    other_number: str
    category: str
    other_category: str
    group: str


Damage = Callable[[Frame, float, Random, Target], Frame | None]
Spoil = Callable[[Path, float], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of damage.

    Attributes
    ----------
    name
        What it is called.
    strengths
        Three of them, rising.
    of
        What a strength is a share or a multiple of.
    damage, spoil
        To the frame, or to the file; one of them.
    suffix
        Form of the file.
    """

    name: str
    strengths: tuple[float, float, float]
    of: str
    damage: Damage | None = None
    spoil: Spoil | None = None
    suffix: str = ".parquet"
