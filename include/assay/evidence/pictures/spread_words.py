"""The cells of a column's distribution in words."""

from datetime import UTC, datetime

from assay.core.distribution import LEAST, Cell, Distribution
from assay.evidence.card import words

OTHERS, REFUSED = "(all others)", "(others, not allowed)"
_DAY, _MONTH = 86_400, 2_600_000


def cell_name(spread: Distribution, cell: Cell, *, short: bool = False) -> str:
    """What lies in a cell.

    Examples
    --------
    >>> from assay.core.distribution import Rows
    >>> ages = Distribution(column="age", kind="whole", data=Rows(rows=9, missing=0), step=5.0)
    >>> [cell_name(ages, Cell(low=low, high=high)) for low, high in ((None, 17.0), (20.0, 25.0), (90.0, 91.0))]
    ['up to 16', '20 to 24', '90']
    """
    if cell.name is not None:
        return cell.name.strip("()") if short else cell.name
    if cell.low is None and cell.high is None:
        return REFUSED if cell.outside else OTHERS
    less = 1.0 if spread.kind == "whole" else 0.0
    low = "" if cell.low is None else _shown(spread, cell.low)
    high = "" if cell.high is None else _shown(spread, cell.high - less)
    if low and high:
        return low if low == high else f"{low} to {high}"
    beyond = not less and cell.outside and spread.limit is not None and cell.low == spread.limit.max
    if short:
        return f"{'>' if beyond else '≥'} {low}" if low else f"{'≤' if less else '<'} {high}"
    if low and beyond:
        return f"{'after' if spread.kind == 'time' else 'above'} {low}"
    below, above = {"whole": ("up to {}", "{} and above"), "time": ("before {}", "from {} on")}.get(
        spread.kind, ("below {}", "{} and above")
    )
    return above.format(low) if low else below.format(high)


def limit_names(spread: Distribution) -> tuple[str, str]:
    """What the contract allows at least and at most; empty where it says nothing."""
    limit = spread.limit
    least = "" if limit is None or limit.min is None else f"≥ {_shown(spread, limit.min)}"
    return least, "" if limit is None or limit.max is None else f"≤ {_shown(spread, limit.max)}"


def percent(share: float) -> str:
    """A share of all rows.

    Examples
    --------
    >>> percent(0.12345), percent(0.0), percent(1.0)
    ('12.3 %', '0 %', '100 %')
    """
    return f"{100 * share:.3g} %"


def rows(count: int | None) -> str:
    """How many rows a cell holds, as far as it is told."""
    return f"fewer than {LEAST}" if count is None else f"{count:,}"


def tick_name(seconds: float, step: float) -> str:
    """A time, as exact as the step from one to the next needs."""
    at = datetime.fromtimestamp(seconds, UTC)
    if step >= _MONTH:
        return at.strftime("%Y-%m")
    return at.strftime("%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M")


def _shown(spread: Distribution, value: float) -> str:
    if spread.kind != "time":
        return words.number(value)
    at = datetime.fromtimestamp(value, UTC)
    return at.strftime("%Y-%m-%d" if (spread.step or 0.0) >= _DAY and not value % _DAY else "%Y-%m-%d %H:%M:%S")
