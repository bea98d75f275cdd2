"""What the performance gate measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.core import Group
from assay.stats.calibration import Bin
from assay.stats.estimates import Estimate

Estimates = Mapping[str, Estimate | None]
"""Metric to its estimate; None where it cannot exist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Some of the rows, and the policy's metrics on them."""

    group: Group
    rows: int
    positives: int
    levels: Estimates

    def __str__(self) -> str:
        return ", ".join(f"{column}={value}" for column, value in self.group.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A slice that the search found, as the rows show it that the search did not see.

    Attributes
    ----------
    words
        Which rows.
    rows
        How many of the judged half are in it.
    loss
        The mean loss of these rows; None when there are none.
    excess
        How much higher that is than the mean loss of all others.
    """

    words: str
    rows: int
    loss: float | None
    excess: Estimate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """A search for weak slices: in how many rows, on how many others it is judged, and what it found."""

    searched: int
    judged: int
    found: Sequence[Found]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceEvidence:
    """What was measured on the holdout.

    Attributes
    ----------
    rows, positives
        Number of rows, and how many of them are of the positive class.
    levels
        Each metric of the candidate.
    excesses
        How much worse the candidate is than the champion on the same rows (positive is worse);
        None when there is no champion.
    slices
        For each declared attribute, a column or several joined by ``*``, its slices.
    search
        The search for weak slices; None when none was asked for.
    bins
        The bars of the reliability diagram that hold rows.
    times
        For each number of rows asked for at once, how long each of the calls took, in milliseconds.
    megabytes
        Size of the served model in units of 1,000,000 bytes; None when it was not given.
    """

    rows: int
    positives: int
    levels: Estimates
    excesses: Estimates | None
    slices: Mapping[str, Sequence[Slice]] = field(default_factory=dict)
    search: Search | None = None
    bins: Sequence[Bin] = ()
    times: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    megabytes: float | None = None
