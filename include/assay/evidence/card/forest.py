"""Figures as pictures: one row for each number, its interval on a scale that all rows share."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.evidence.card.parts import Figure, Line

LEFT, RIGHT, VALUE, WIDTH = 215.0, 500.0, 700.0, 800.0
"""Where the scale begins and ends, where a row's number ends, and how wide a picture is, in user units."""
ROW, TOP = 26.0, 6.0
"""Height of a row, and what is free above the first."""

_PADDING = 0.05
_TICKS = 5
_NAME = 36  # characters of a name that fit beside the scale


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A labelled place on the scale."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One row of a picture, in user units; None for what there is nothing to draw of."""

    line: Line
    name: str
    y: float
    estimate: float | None
    interval: tuple[float, float] | None
    allowed: tuple[float, float] | None
    limits: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """A picture.

    Attributes
    ----------
    marks
        Its rows.
    ticks
        Its scale.
    anchor
        Where no effect lies; None where there is none.
    height
        In user units.
    """

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    anchor: float | None
    height: float


def forest(figure: Figure) -> Forest | None:
    """Draw a figure; None when none of its numbers has an interval: bare numbers need no picture."""
    if not any(line.interval for line in figure.lines):
        return None
    values = [value for value in _values(figure) if math.isfinite(value)]
    low, high = min(values), max(values)
    padding = _PADDING * (high - low) or 0.5 * abs(high) or 0.5
    scale = _Scale(low - padding, high + padding)
    marks = tuple(_mark(line, TOP + ROW * (place + 0.5), scale) for place, line in enumerate(figure.lines))
    return Forest(
        marks=marks,
        ticks=tuple(scale.ticks()),
        anchor=None if figure.anchor is None else scale.x(figure.anchor),
        height=TOP + ROW * len(marks) + 24,
    )


class _Scale:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(LEFT + min(1.0, max(0.0, share)) * (RIGHT - LEFT), 1)

    def ticks(self) -> Iterator[Tick]:
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.99 * rough)
        for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            yield Tick(x=self.x(number * step), label=f"{number * step:.4g}".replace("-", "\N{MINUS SIGN}"))


def _mark(line: Line, y: float, scale: _Scale) -> Mark:
    bounds = [] if line.limit is None else [bound for bound in (line.limit.min, line.limit.max) if bound is not None]
    allowed = None
    if line.limit is not None and bounds:
        low = scale.low if line.limit.min is None else line.limit.min
        high = scale.high if line.limit.max is None else line.limit.max
        allowed = (scale.x(low), scale.x(high))
    drawn = line.estimate is not None and math.isfinite(line.estimate)
    ends = line.interval is not None and all(map(math.isfinite, line.interval))
    return Mark(
        line=line,
        name=line.name if len(line.name) <= _NAME else line.name[: _NAME - 1] + "…",
        y=y,
        estimate=scale.x(line.estimate) if drawn and line.estimate is not None else None,
        interval=(scale.x(line.interval[0]), scale.x(line.interval[1])) if ends and line.interval else None,
        allowed=allowed,
        limits=tuple(map(scale.x, bounds)),
    )


def _values(figure: Figure) -> Iterator[float]:
    if figure.anchor is not None:
        yield figure.anchor
    for line in figure.lines:
        limits: Iterable[float | None] = () if line.limit is None else (line.limit.min, line.limit.max)
        yield from (value for value in (line.estimate, *(line.interval or ()), *limits) if value is not None)
