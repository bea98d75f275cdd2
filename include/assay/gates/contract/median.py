"""The median of a column of any length, in little memory."""

from collections.abc import Callable, Sequence
from typing import Any

Ask = Callable[[Any], Sequence[Any]]

_AT_ONCE = 2_000_000
"""Up to so many values DuckDB is asked for the median: it holds all of them, and its memory limit does not know."""
_BRACKETS = ((0.495, 0.505), (0.45, 0.55))
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")


def median(column: str, rows: Any, ask: Ask, *, at_once: int = _AT_ONCE) -> Any:
    """The exact median, None of no values.

    Of many numbers, a sketch of the distribution (a t-digest) first says between which two values the
    median lies; only the values between these are then counted, one by one. When the sketch is so far
    off that they do not hold it, DuckDB takes the median of all.

    Parameters
    ----------
    column, rows
        Its name, and the rows as something that SQLAlchemy can select from.
    ask
        Runs a query and gives its rows.
    at_once
        Up to how many values need no sketch.
    """
    import sqlalchemy as sa

    value: Any = sa.column(column)
    [(kind, values)] = ask(sa.select(sa.func.any_value(sa.func.typeof(value)), sa.func.count(value)).select_from(rows))
    if values > at_once and kind in _NUMBERS:
        for low, high in _sketched(value, rows, ask):
            if (found := _between(value, rows, ask, low, high, values)) is not None:
                return found
    return ask(sa.select(sa.func.median(value)).select_from(rows))[0][0]


def _sketched(value: Any, rows: Any, ask: Ask) -> Sequence[tuple[Any, Any]]:
    """Pairs of values that the median ought to lie between, the nearer first."""
    import sqlalchemy as sa

    shares = [sa.func.approx_quantile(value, sa.literal_column(str(share))) for pair in _BRACKETS for share in pair]
    [found] = ask(sa.select(*shares).select_from(rows))
    return list(zip(found[::2], found[1::2], strict=True))


def _between(value: Any, rows: Any, ask: Ask, low: Any, high: Any, values: int) -> Any:
    """The median from the numbers of each value from `low` to `high`; None when it is not among them."""
    import sqlalchemy as sa

    [(before,)] = ask(sa.select(sa.func.count()).select_from(rows).where(value < low))
    times = sa.select(value.label("each"), sa.func.count().label("times")).select_from(rows)
    counted = times.where(value >= low, value <= high).group_by(value).subquery()
    passed = before + sa.func.sum(counted.c.times).over(order_by=counted.c.each)
    ranked = sa.select(counted.c.each, passed.label("passed")).subquery()
    middle = []
    for place in ((values - 1) // 2, values // 2):  # of an even number of values there are two in the middle
        beyond = sa.select(ranked.c.each).where(ranked.c.passed > place).order_by(ranked.c.each).limit(1)
        found = ask(beyond) if place >= before else []
        if not found:
            return None
        middle.append(found[0][0])
    return sum(middle) / 2
