"""Figures: numbers of one kind, and the table that stands behind their picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core import Limit, Outcome
from assay.evidence.card import words

COLUMNS = ("Measured", "Estimate", "Interval", "Limit", "n", "Outcome", "Reason", "Record")
NUMBERS = ("Estimate", "Interval", "Limit", "n")
_JUDGED = ("Limit", "Outcome")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One number of a figure.

    Attributes
    ----------
    name
        What was measured, or in which group.
    estimate, interval
        None where nothing was measured, or nothing tells how sure it is.
    limit, outcome
        What it was held against and what that came to; None where nothing was judged.
    n
        Rows behind it.
    reason
        Why it came to that, in words; may be empty.
    detail
        Which groups or models it compares; may be empty.
    source
        The record that it comes from; empty where all of the page is about one.
    decisive
        Whether a judgement named it: it is drawn even where there is no room for all.
    """

    name: str
    estimate: float | None
    interval: tuple[float, float] | None
    n: int | None
    source: str = ""
    limit: Limit | None = None
    outcome: Outcome | None = None
    reason: str = ""
    detail: str = ""
    decisive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Numbers of one kind, which one scale can hold; drawn, with a table behind.

    Attributes
    ----------
    caption
        What it shows.
    lines
        Its numbers, in the order in which they are drawn.
    level
        In words, at which confidence the intervals hold, and what else to know when reading it.
    anchor
        The value that means no effect; None where there is none.
    """

    caption: str
    lines: Sequence[Line]
    level: str
    anchor: float | None = None


def cells(line: Line) -> dict[str, str]:
    """One number of a figure in the columns of a table."""
    estimate, interval = words.measured(line.estimate, line.interval)
    return {
        "Measured": line.name + (f" ({line.detail})" if line.detail else ""),
        "Estimate": estimate,
        "Interval": interval,
        "Limit": words.limit(line.limit),
        "n": words.count(line.n),
        "Outcome": line.outcome or "",
        "Reason": line.reason,
        "Record": line.source,
    }


def used_columns(figure: Figure) -> list[str]:
    """The columns of a figure's table: those of a judgement only where something was judged."""
    told = {
        **dict.fromkeys(_JUDGED, any(line.outcome is not None for line in figure.lines)),
        "Reason": any(line.reason for line in figure.lines),
        "Record": any(line.source for line in figure.lines),
    }
    return [name for name in COLUMNS if told.get(name, True)]
