"""Expectations that a column's numbers or times suggest: a range, where its quantiles lie, how new the newest is."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data.draft.expectations import Expectation, expect
from assay.data.draft.room import Room, floored
from assay.data.draft.seen import Seen

if TYPE_CHECKING:
    from assay.data.engine import Rows

_POINTS = (0.05, 0.25, 0.5, 0.75, 0.95)
_EXACT = 2**53
"""Whole numbers beyond it are not what they were once they are floating-point."""


def is_amount(seen: Seen) -> bool:
    """Whether a column's numbers measure something: finite, and no serial number of the rows."""
    if seen.family not in ("integer", "number") or not seen.quantiles:
        return False
    ends = [float(each) for each in (seen.low, seen.high, *seen.quantiles)]
    serial = seen.unique and seen.family == "integer" and float(seen.high) - float(seen.low) < 2 * seen.rows
    return not serial and all(map(math.isfinite, ends)) and max(map(abs, ends)) < _EXACT


def numbers(rows: "Rows", seen: Sequence[Seen], room: Room) -> dict[str, list[Expectation]]:
    """What the numbers of each column suggest, of all columns in few scans."""
    limits = {each.name: _limits(each) for each in seen}
    edges = {name: [float(np.nextafter(low, -math.inf)), high] for name, (low, high) in limits.items()}
    outside = {name: int(counts[0] + counts[2]) for name, counts in rows.histograms(edges).items()} if edges else {}
    found = {each.name: list(_range(each, *limits[each.name], outside[each.name], room)) for each in seen}
    for present in sorted({each.present for each in seen}):
        alike = [each for each in seen if each.present == present]
        ends = [room.shares(point, present) for point in _POINTS]
        shares = [share for point, (low, high) in zip(_POINTS, ends, strict=True) for share in (low, point, high)]
        for name, values in rows.quantiles([each.name for each in alike], shares).items():
            found[name] += _quantiles(name, values, shares, present, room)
    return found


def _limits(seen: Seen) -> tuple[float, float]:
    """Half as wide again as the middle 98 % of the values, but not below 0 where no value is."""
    first, *_, last = (float(each) for each in seen.quantiles)
    slack = (last - first) / 2
    low = 0.0 if seen.low >= 0 else float(math.floor(first - slack))
    return low, float(math.ceil(last + slack)) if slack else float(seen.high)


def _range(seen: Seen, low: float, high: float, outside: int, room: Room) -> Iterator[Expectation]:
    first, *_, last = (float(each) for each in seen.quantiles)
    near = outside or not _apart(seen, low, high, (last - first) / 2)
    mostly = floored(1 - room.most(outside, seen.present)) if near else None
    notes = f"Half as wide again as the middle 98 % of the values, which lie from {first:,g} to {last:,g}"
    notes += f"; {outside / seen.present:.2%} lie outside it" if outside else "; none lies outside it"
    notes += "." if mostly is None else f", and in {room.told} chance makes it no more than {1 - mostly:.1%}."
    notes += " None is negative." if seen.low >= 0 else ""
    if mostly is None or mostly > 0:
        yield expect(
            "expect_column_values_to_be_between", notes, column=seen.name, min_value=low, max_value=high, mostly=mostly
        )


def _apart(seen: Seen, low: float, high: float, slack: float) -> bool:
    """Whether the values end well before the limits do, so that one beyond is no chance."""
    first, quarter = float(seen.quantiles[0]), float(seen.quantiles[1])
    # whole numbers are counted from 0; others stop there when they crowd before it
    bounded = seen.low >= 0 and (seen.family == "integer" or first - float(seen.low) <= (quarter - first) / 10)
    return float(seen.high) <= high - slack / 2 and (bounded or float(seen.low) >= low + slack / 2)


def _quantiles(
    name: str, values: Sequence[float], shares: Sequence[float], present: int, room: Room
) -> Iterator[Expectation]:
    """Ranges of quantiles; open to a side where the data at hand end before the room does."""
    least = 1 / present
    ranges = [
        [values[at] if shares[at] > least else None, values[at + 2] if shares[at + 2] < 1 - least else None]
        for at in range(0, len(values), 3)
    ]
    kept = [at for at, ends in enumerate(ranges) if ends != [None, None]]
    if kept:
        middle = ", ".join(f"{values[3 * at + 1]:,g}" for at in kept)
        yield expect(
            "expect_column_quantile_values_to_be_between",
            f"At {', '.join(f'{_POINTS[at]:.0%}' for at in kept)} of the ordered values stand {middle}; each may lie "
            f"where chance puts it in {room.told}: further off is another unit or another population.",
            column=name,
            quantile_ranges={
                "quantiles": [_POINTS[at] for at in kept],
                "value_ranges": [ranges[at] for at in kept],
            },
        )


def times(rows: "Rows", seen: Sequence[Seen], room: Room) -> dict[str, list[Expectation]]:
    """What the times of each column suggest."""
    return {each.name: [*_span(each), *_newest(rows, each, room)] for each in seen if each.quantiles}


def _span(seen: Seen) -> Iterator[Expectation]:
    """As far again to either side as half of the time that the data span."""
    low, high = _instant(seen.low), _instant(seen.high)
    slack = max((high - low) / 2, timedelta(days=1))
    try:
        bounds = [(low - slack).date().isoformat(), (high + slack).date().isoformat()]
    except OverflowError:  # the calendar ends in the year 9999
        return
    yield expect(
        "expect_column_values_to_be_between",
        f"The values span {low.date()} to {high.date()}; half of that span again to either side.",
        column=seen.name, min_value=bounds[0], max_value=bounds[1],
    )  # fmt: skip


def _newest(rows: "Rows", seen: Seen, room: Room) -> Iterator[Expectation]:
    """That the newest value is not older than a batch of these rows would have it."""
    share = room.oldest(seen.present)
    if share <= 1 / 2:
        return
    (seconds,) = rows.quantiles([seen.name], [share])[seen.name]
    oldest = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    yield expect(
        "expect_column_max_to_be_between",
        f"The newest value is of {_instant(seen.high).date()}; in {room.told} of the same time the newest is by chance "
        f"no older than this: one that is older comes from a feed that stands still.",
        column=seen.name, min_value=oldest.date().isoformat(),
    )  # fmt: skip


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    assert isinstance(value, date)
    return datetime(value.year, value.month, value.day)
