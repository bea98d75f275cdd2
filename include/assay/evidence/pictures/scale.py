"""A linear scale with round labels."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_PADDING = 0.05
_TICKS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """Maps values from `low` to `high` onto user units from `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    @classmethod
    def over(cls, values: Iterable[float], *, left: float, right: float) -> "Scale":
        """A scale on which all finite ones among `values` can be drawn, with a little room at either end."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        padding = _PADDING * (high - low)
        if low - padding == low or high + padding == high:  # no width, or one that rounding would swallow
            padding = 0.5 * max(abs(low), abs(high)) or 0.5
        return cls(low=low - padding, high=high + padding, left=left, right=right)

    def x(self, value: float) -> float:
        """Where a value lies, clipped to the scale.

        Examples
        --------
        >>> Scale(low=0.0, high=1.0, left=10.0, right=310.0).x(0.5)
        160.0
        """
        share = (value - self.low) / (self.high - self.low)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 1)

    @property
    def ticks(self) -> list[Tick]:
        """Round values inside the scale, a handful of them.

        Examples
        --------
        >>> [tick.label for tick in Scale(low=-0.01, high=0.22, left=0, right=100).ticks]
        ['0', '0.05', '0.1', '0.15', '0.2']
        """
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.99 * rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [Tick(x=self.x(n * step), label=_label(n * step)) for n in range(first, last + 1)]


def _label(value: float) -> str:
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
