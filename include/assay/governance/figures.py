"""Intervals as pictures: one scale for all checks of the same kind, so that rows can be compared."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay.core import Check, Outcome

WIDTH, MARGIN = 300.0, 12.0
"""Width of a picture, and what is left free at either end, in user units."""

_ANCHORS = {"difference": (0.0,), "ratio": (1.0,)}  # equality must be in the picture
_PADDING = 0.06
_TICKS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Maps values from `low` to `high` onto a picture's width."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Where a value lies, clipped to the picture.

        Examples
        --------
        >>> Scale(low=0.0, high=1.0).x(0.5)
        150.0
        """
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + min(1.0, max(0.0, share)) * (WIDTH - 2 * MARGIN), 1)

    @property
    def ticks(self) -> list[Tick]:
        """Round values inside the scale, a handful of them.

        Examples
        --------
        >>> [tick.label for tick in Scale(low=-0.01, high=0.22).ticks]
        ['0', '0.05', '0.1', '0.15', '0.2']
        """
        step = _step((self.high - self.low) / _TICKS)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [Tick(x=self.x(n * step), label=f"{n * step:.4g}") for n in range(first, last + 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A check drawn on a scale: where its marks are, in user units.

    Attributes
    ----------
    allowed
        From where to where the limit allows; None where there is no limit.
    limits
        Where a limit's sides are.
    interval
        From where to where the interval goes; None where there is none.
    estimate
        Where the estimate is.
    equality
        Where equal groups or models would be; None for a level.
    """

    outcome: Outcome
    allowed: tuple[float, float] | None
    limits: tuple[float, ...]
    interval: tuple[float, float] | None
    estimate: float
    equality: float | None


def scale_of(checks: Sequence[Check]) -> Scale | None:
    """A scale on which every estimate, interval and limit of these checks can be drawn.

    Returns
    -------
    Scale or None
        None when nothing has an interval: a bare number needs no picture.
    """
    if not any(check.interval for check in checks):
        return None
    values = [value for value in _values(checks) if math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    padding = _PADDING * (high - low) or 0.5 * abs(high) or 0.5
    return Scale(low=low - padding, high=high + padding)


def picture(check: Check, scale: Scale | None) -> Picture | None:
    """Draw a check; None when there is nothing to draw or no scale to draw it on."""
    if scale is None or check.estimate is None or not math.isfinite(check.estimate):
        return None
    bounds = [] if check.limit is None else [b for b in (check.limit.min, check.limit.max) if b is not None]
    anchors = _ANCHORS.get(check.compare or "", ())
    return Picture(
        outcome=check.outcome,
        allowed=_allowed(check, scale) if bounds else None,
        limits=tuple(map(scale.x, bounds)),
        interval=_ends(check, scale),
        estimate=scale.x(check.estimate),
        equality=scale.x(anchors[0]) if anchors else None,
    )


def _allowed(check: Check, scale: Scale) -> tuple[float, float]:
    limit = check.limit
    low = scale.low if limit is None or limit.min is None else limit.min
    high = scale.high if limit is None or limit.max is None else limit.max
    return scale.x(low), scale.x(high)


def _ends(check: Check, scale: Scale) -> tuple[float, float] | None:
    if check.interval is None or not all(map(math.isfinite, check.interval)):
        return None
    low, high = check.interval
    return scale.x(low), scale.x(high)


def _values(checks: Iterable[Check]) -> Iterator[float]:
    for check in checks:
        if check.estimate is None:
            continue
        yield check.estimate
        yield from check.interval or ()
        yield from _ANCHORS.get(check.compare or "", ())
        if check.limit is not None:
            yield from (bound for bound in (check.limit.min, check.limit.max) if bound is not None)


def _step(rough: float) -> float:
    """The round number (1, 2 or 5 times a power of ten) nearest above `rough`, or nearly so."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.99 * rough)
