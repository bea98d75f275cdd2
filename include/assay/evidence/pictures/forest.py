"""Figures as forest plots: for each number a row, its interval on a scale that all rows share."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay.core import Outcome
from assay.evidence.card import words
from assay.evidence.pictures.figure import Figure, Line
from assay.evidence.pictures.scale import Scale, Tick

LEFT, RIGHT, WIDTH = 8.0, 420.0, 520.0
"""Where the scale begins and ends, and how wide a picture is, in user units."""
ROW, TOP, AXIS = 38.0, 4.0, 24.0
"""Height of a row, what is free above the first, and what the axis needs."""
MOST = 24
"""Rows that are drawn; the others stand in the table alone."""

_CHARACTERS = 64  # of a name and its value, which share one line


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One row of a picture, in user units; None for what there is nothing to draw of.

    Attributes
    ----------
    line
        What it shows.
    name, value
        What is written above its interval, left and right.
    top
        Where it begins.
    estimate, interval, limits
        Where they lie.
    allowed
        From where to where the limit allows.
    """

    line: Line
    name: str
    value: str
    top: float
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
    said
        The picture in words.
    left_out
        How many numbers stand in the table alone.
    """

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    anchor: float | None
    height: float
    said: str
    left_out: int


def forest(figure: Figure) -> Forest | None:
    """Draw a figure; None when none of its numbers has an interval: bare numbers need no picture."""
    if not any(line.interval for line in figure.lines):
        return None
    shown = _shown(figure.lines)
    scale = Scale.over(_values(shown, figure.anchor), left=LEFT, right=RIGHT)
    return Forest(
        marks=tuple(_mark(line, TOP + ROW * place, scale) for place, line in enumerate(shown)),
        ticks=tuple(scale.ticks),
        anchor=None if figure.anchor is None else scale.x(figure.anchor),
        height=TOP + ROW * len(shown) + AXIS,
        said=_said(figure.lines, shown),
        left_out=len(figure.lines) - len(shown),
    )


def _shown(lines: Sequence[Line]) -> list[Line]:
    """All lines, or the decisive ones and the most extreme others, in their order."""
    if len(lines) <= MOST:
        return list(lines)
    decisive = [at for at, line in enumerate(lines) if line.decisive or line.outcome not in (None, Outcome.PASS)]
    kept = dict.fromkeys(decisive[:MOST])
    measured = sorted((at for at, line in enumerate(lines) if _drawn(line)), key=lambda at: lines[at].estimate or 0.0)
    for pair in zip(measured, reversed(measured), strict=True):
        for at in pair:
            if len(kept) < MOST:
                kept[at] = None
    return [lines[at] for at in sorted(kept)]


def _mark(line: Line, top: float, scale: Scale) -> Mark:
    bounds = _bounds(line)
    allowed = None
    if line.limit is not None and bounds:
        low = scale.low if line.limit.min is None else line.limit.min
        high = scale.high if line.limit.max is None else line.limit.max
        allowed = (scale.x(low), scale.x(high))
    ends = line.interval if line.interval is not None and all(map(math.isfinite, line.interval)) else None
    value = _value(line)
    return Mark(
        line=line,
        name=cut(line.name, _CHARACTERS - len(value)),
        value=value,
        top=top,
        estimate=scale.x(line.estimate) if _drawn(line) and line.estimate is not None else None,
        interval=None if ends is None else (scale.x(ends[0]), scale.x(ends[1])),
        allowed=allowed,
        limits=tuple(map(scale.x, bounds)),
    )


def _drawn(line: Line) -> bool:
    return line.estimate is not None and math.isfinite(line.estimate)


def _bounds(line: Line) -> list[float]:
    sides = () if line.limit is None else (line.limit.min, line.limit.max)
    return [side for side in sides if side is not None]


def _values(lines: Iterable[Line], anchor: float | None) -> Iterator[float]:
    if anchor is not None:
        yield anchor
    for line in lines:
        yield from (value for value in (line.estimate, *(line.interval or ()), *_bounds(line)) if value is not None)


def _value(line: Line) -> str:
    estimate, interval = words.measured(line.estimate, line.interval)
    shown = "not measured" if line.estimate is None else estimate
    if line.interval is not None:
        shown += f" [{interval}]"
    return shown if line.n is None else f"{shown}  n {line.n:,}"


def cut(name: str, most: int) -> str:
    """A name without its middle, when it is too long: what tells it from others is often its end."""
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def _said(lines: Sequence[Line], shown: Sequence[Line]) -> str:
    drawn = sorted((line for line in lines if _drawn(line)), key=lambda line: line.estimate or 0.0)
    ends = [("Lowest", drawn[0]), ("Highest", drawn[-1])] if len(drawn) > 1 else [("Estimate", line) for line in drawn]
    told = [f"{which}: {line.name}, {_value(line)}." for which, line in ends]
    limits = {line.limit for line in lines if line.outcome is not None}
    if len(limits) == 1 and (limit := limits.pop()) is not None:
        told.append(f"Allowed: {words.limit(limit)}.")
    if len(shown) < len(lines):
        told.append(f"{len(shown)} of {len(lines):,} are drawn: those that decide, the lowest and the highest.")
    return " ".join([*told, "The table below holds every number."])
