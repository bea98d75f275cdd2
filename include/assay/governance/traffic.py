"""Who served what share of the traffic, as a picture: time runs to the right, shares are stacked."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.evidence.pictures.scale import Tick
from assay.rollout.history import Served

WIDTH, HEIGHT, LEFT = 960.0, 170.0, 44.0
"""Size of the picture without its axis, and where its first instant is, in user units."""

TONES = 8
SHOWN = 150
"""Times of service in the picture, the latest ones."""

_NARROWEST = 0.8  # a canary of minutes in a year must not vanish
_LABELLED = 34.0  # from this width and height on there is room for a version's number
_TICKS = 7
_HOUR, _DAY = 3600.0, 86400.0
_STEPS = [60.0, 300.0, 900.0, 1800.0, *(n * _HOUR for n in (1, 3, 6, 12)), *(n * _DAY for n in (1, 2, 7, 14, 30, 90))]
_YEAR = 365 * _DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """One version's share through one time, in user units."""

    x: float
    y: float
    width: float
    height: float
    tone: int
    label: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """The picture.

    Attributes
    ----------
    bands
        A canary's above its champion's.
    ticks
        Of the time axis.
    versions
        Each version in the picture, and its tone.
    said
        The picture in a sentence.
    """

    bands: Sequence[Band]
    ticks: Sequence[Tick]
    versions: Sequence[tuple[int, int]]
    said: str


def traffic(served: Sequence[Served], *, now: datetime) -> Traffic | None:
    """Draw the latest times of service; None when nothing ever had traffic.

    Parameters
    ----------
    served
        As `rollout.history.timeline` returns it.
    now
        Where the picture ends.
    """
    shown = [each for each in served[-SHOWN:] if each.share > 0]
    if not shown:
        return None
    start = min(_instant(each.since) for each in shown)
    end = max(now.timestamp(), start + 60)
    tones = {version: place % TONES for place, version in enumerate(sorted({each.version for each in shown}))}

    def x(instant: float) -> float:
        return LEFT + (WIDTH - LEFT) * (min(instant, end) - start) / (end - start)

    bands = []
    for each in shown:
        left = x(_instant(each.since))
        right = x(end if each.until is None else _instant(each.until))
        height = HEIGHT * each.share / 100
        width = max(_NARROWEST, right - left)
        bands.append(
            Band(
                x=round(left, 1),
                y=0.0 if each.role == "canary" else round(HEIGHT - height, 1),
                width=round(width, 1),
                height=round(height, 1),
                tone=tones[each.version],
                label=f"v{each.version}" if width >= _LABELLED and height >= _LABELLED / 2 else "",
                title=f"version {each.version}, {each.role} with {each.share} %, {_span(each)}",
            )
        )
    ticks = [Tick(x=round(x(instant), 1), label=label) for instant, label in _ticks(start, end)]
    return Traffic(bands=bands, ticks=ticks, versions=sorted(tones.items()), said=_said(shown))


def _said(shown: Sequence[Served]) -> str:
    now = [f"version {each.version} with {each.share} %" for each in shown if each.until is None]
    return f"Share of the traffic by version since {shown[0].since[:10]}; now {' and '.join(now) or 'nothing'}."


def _span(served: Served) -> str:
    until = "now" if served.until is None else f"{served.until[:16].replace('T', ' ')} UTC"
    return f"{served.since[:16].replace('T', ' ')} to {until}"


def _ticks(start: float, end: float) -> Iterator[tuple[float, str]]:
    """Round instants in between, a handful of them, each with its label."""
    length = end - start
    years = _YEAR * math.ceil(length / _YEAR / _TICKS)
    step = next((each for each in _STEPS if length / each <= _TICKS), years)
    form = "%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M"
    for place in range(math.ceil(start / step), math.floor(end / step) + 1):
        yield place * step, datetime.fromtimestamp(place * step, UTC).strftime(form)


def _instant(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
