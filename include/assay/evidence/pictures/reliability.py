"""The reliability diagram: how often it happened, against how often that was predicted."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assay.core import GroupMetrics, Measured
from assay.evidence.card import words
from assay.evidence.pictures.scale import Scale, Tick

COLUMN = "score"
"""The only column of the groups that are bins of a score."""
LEFT, RIGHT, TOP, BOTTOM = 46.0, 446.0, 8.0, 408.0
"""The square of predicted against happened, in user units."""
FLOOR, WIDTH, HEIGHT = 478.0, 456.0, 512.0
"""Where the columns of row counts stand, and the size of the picture."""

_ACROSS = Scale(low=0.0, high=1.0, left=LEFT, right=RIGHT)
_UP = Scale(low=0.0, high=1.0, left=BOTTOM, right=TOP)
_TALLEST = 56.0
_EDGES = re.compile(r"[\[(]\s*(\d*\.?\d+(?:e-?\d+)?)\s*,\s*(\d*\.?\d+(?:e-?\d+)?)\s*[\])]")

Says = Literal["as predicted", "more than predicted", "less than predicted", "not measured"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Rows with similar scores, in numbers and in user units.

    Attributes
    ----------
    name, n
        Its scores, and how many rows have one of them.
    predicted, happened
        Mean score, and share of the positive class.
    says
        What the two intervals tell: that they differ only when they do not meet.
    x, y, bar, band
        Where its mark is, its interval goes, and its interval is shaded (left, top, width, height).
    column
        Its column of rows (left, top, width, height).
    """

    name: str
    n: int
    predicted: Measured | None
    happened: Measured | None
    says: Says
    x: float | None
    y: float | None
    bar: tuple[float, float] | None
    band: tuple[float, float, float, float] | None
    column: tuple[float, float, float, float] | None

    @property
    def cells(self) -> list[str]:
        """Its row in the table: scores, rows, predicted, happened, interval and what they tell."""
        predicted = None if self.predicted is None else self.predicted.estimate
        if self.happened is None:
            return [self.name, words.count(self.n), words.number(predicted), *[words.NOTHING] * 2, self.says]
        shown, interval = words.measured(self.happened.estimate, self.happened.interval)
        return [self.name, words.count(self.n), words.number(predicted), shown, interval, self.says]

    @property
    def title(self) -> str:
        """The bin in a sentence."""
        name, n, predicted, happened, interval, says = self.cells
        return f"scores {name}, {n} rows: predicted {predicted}, happened {happened} ({interval}), {says}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """The diagram.

    Attributes
    ----------
    bins
        By rising score.
    across, up
        Ticks of the two axes; those of the vertical one hold where they are on it.
    said
        The picture in words.
    """

    bins: Sequence[Bin]
    across: Sequence[Tick]
    up: Sequence[Tick]
    said: str


def is_bin(group: GroupMetrics) -> bool:
    """Whether a group is a bin of the score, and no group of people."""
    return list(group.group) == [COLUMN]


def reliability(groups: Sequence[GroupMetrics]) -> Reliability | None:
    """Draw the bins among `groups`; None when there are none.

    Parameters
    ----------
    groups
        A verdict's. A bin is named by its edges, ``[0.1, 0.2)``, and has the metrics ``mean_score``
        and ``base_rate``.
    """
    bins = sorted((group for group in groups if is_bin(group)), key=_low)
    if not bins:
        return None
    most = max(group.n for group in bins)
    drawn = [_bin(group, most) for group in bins]
    return Reliability(bins=drawn, across=_ACROSS.ticks, up=_UP.ticks, said=_said(drawn))


def _bin(group: GroupMetrics, most: int) -> Bin:
    name = group.group[COLUMN]
    predicted, happened = (_measured(group, metric) for metric in ("mean_score", "base_rate"))
    mark = predicted is not None and happened is not None
    bar = None
    if happened is not None and happened.interval is not None:
        bar = (_UP.x(happened.interval[0]), _UP.x(happened.interval[1]))
    column, band = None, None
    if edges := _edges(name):
        left, right = _ACROSS.x(edges[0]), _ACROSS.x(edges[1])
        tall = round(_TALLEST * group.n / most, 1) if most else 0.0
        column = (left, round(FLOOR - tall, 1), round(right - left, 1), tall)
        band = (left, bar[1], round(right - left, 1), round(bar[0] - bar[1], 1)) if bar else None
    return Bin(
        name=name,
        n=group.n,
        predicted=predicted,
        happened=happened,
        says=_says(predicted, happened),
        x=_ACROSS.x(predicted.estimate) if mark and predicted and predicted.estimate is not None else None,
        y=_UP.x(happened.estimate) if mark and happened and happened.estimate is not None else None,
        bar=bar,
        band=band,
        column=column,
    )


def _measured(group: GroupMetrics, metric: str) -> Measured | None:
    found = group.metrics.get(metric)
    return found if found is not None and found.estimate is not None and math.isfinite(found.estimate) else None


def _says(predicted: Measured | None, happened: Measured | None) -> Says:
    if predicted is None or happened is None or predicted.estimate is None or happened.interval is None:
        return "not measured"
    low, high = predicted.interval or (predicted.estimate, predicted.estimate)
    if happened.interval[0] > high:
        return "more than predicted"
    return "less than predicted" if happened.interval[1] < low else "as predicted"


def _said(bins: Sequence[Bin]) -> str:
    off = [each for each in bins if each.says in ("more than predicted", "less than predicted")]
    told = f"{len(bins)} bins of the score: what was predicted to the right, what happened upwards."
    if not off:
        return f"{told} In none of them did what happened surely differ from what was predicted."
    named = "; ".join(f"{each.name}: {each.says}" for each in off)
    return f"{told} In {len(off)} of them what happened surely differs from what was predicted: {named}."


def _low(group: GroupMetrics) -> tuple[float, str]:
    edges = _edges(group.group[COLUMN])
    return (edges[0] if edges else math.inf), group.group[COLUMN]


def _edges(name: str) -> tuple[float, float] | None:
    found = _EDGES.fullmatch(name)
    return (float(found[1]), float(found[2])) if found else None
