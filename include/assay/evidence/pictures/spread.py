"""How a column is spread, beside the reference: a histogram of ranges, or a pair of bars for each value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assay.core.distribution import LEAST, Cell, Distribution
from assay.evidence.pictures.scale import Scale, Tick
from assay.evidence.pictures.spread_words import cell_name, limit_names, percent, tick_name

WIDTH, LEFT, RIGHT = 520.0, 44.0, 512.0
"""How wide a picture is and where its bars are, in user units."""
TOP, FLOOR, RANGES_HEIGHT = 20.0, 170.0, 204.0
"""Where the highest bar of a histogram ends, where all begin, and how high the picture is."""
ROW = 40.0
"""Height of a value with its two bars."""

_SLOT, _GAP, _ROOM, _SLIVER = 50.0, 8.0, 14.0, 2.0
_CUT = 1.5  # a range so many times as wide as the others stands by itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """Rows of the data or the reference that lie in one cell: where they are drawn, in user units."""

    x: float
    y: float
    width: float
    height: float
    outside: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """Some words: where they stand, and from where they go (`start`, `middle` or `end`)."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A value with its rows, for a picture of values.

    Attributes
    ----------
    name, told
        What is written above the bars, left and right.
    top
        Where it begins.
    data, reference
        The bars; the reference's None where there is none.
    outside
        Whether the contract does not allow it.
    """

    name: str
    told: str
    top: float
    data: Bar
    reference: Bar | None
    outside: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """A histogram.

    Attributes
    ----------
    data, reference
        The bars.
    beyond
        From where to where the contract allows nothing.
    limits
        Where its limits are, with their names.
    ticks, shares
        Ticks across and upwards.
    labels
        The names of the bars that stand beside the scale.
    scale
        From where to where the scale goes.
    """

    data: Sequence[Bar]
    reference: Sequence[Bar]
    beyond: Sequence[tuple[float, float]]
    limits: Sequence[Label]
    ticks: Sequence[Tick]
    shares: Sequence[Tick]
    labels: Sequence[Label]
    scale: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slot:
    """A cell at its place: `low` to `high` in user units, its shares, and how much wider it is than a step."""

    cell: Cell
    low: float
    high: float
    data: float
    reference: float | None
    wide: float = 1.0


def values(spread: Distribution) -> list[Value]:
    """The values of a column, the others and the missing ones at their end."""
    cells = [*spread.cells, *(cell for cell in _missing(spread) if _any(spread, cell))]
    most = max((share for cell in cells for share in _shares(spread, cell) if share), default=1.0)
    return [_value(spread, cell, ROW * at, most) for at, cell in enumerate(cells)]


def ranges(spread: Distribution) -> Ranges:
    """A histogram of numbers or times; what lies beyond its scale, and what is missing, at its sides."""
    step = spread.step or 1.0
    core = [cell for cell in spread.cells if _width(cell) is not None and (_width(cell) or 0.0) <= _CUT * step]
    first, last = (core[0].low or 0.0, core[-1].high or 0.0) if core else (0.0, 1.0)
    place = spread.cells.index(core[0]) if core else 0
    below = [cell for cell in spread.cells[:place] if _any(spread, cell)]
    above = [cell for cell in spread.cells[place + len(core) :] if _any(spread, cell)]
    missing = [cell for cell in _missing(spread) if _any(spread, cell)]
    left = LEFT + len(below) * (_SLOT + _GAP)
    right = RIGHT - (len(above) + len(missing)) * (_SLOT + _GAP)
    scale = Scale(low=first, high=last, left=left, right=right)
    slots = [
        *_beside(spread, below, LEFT),
        *(_slot(spread, cell, scale.x(cell.low or 0.0), scale.x(cell.high or 0.0), (_width(cell) or step) / step)
          for cell in core),
        *_beside(spread, [*above, *missing], right + _GAP),
    ]  # fmt: skip
    most = max((each for slot in slots for each in (slot.data, slot.reference) if each), default=1.0)
    up = Scale(low=0.0, high=most, left=FLOOR, right=TOP)
    return Ranges(
        data=[_bar(slot, slot.data, slot.cell.data, up) for slot in slots],
        reference=[_bar(slot, slot.reference, slot.cell.reference, up) for slot in slots if slot.reference is not None],
        beyond=[(slot.low, round(slot.high - slot.low, 1)) for slot in slots if slot.cell.outside],
        limits=list(_limits(spread, core, scale)),
        ticks=[
            tick
            for tick in _ticks(spread, core, scale)
            if left + _ROOM * bool(below) <= tick.x <= right - _ROOM * bool(above or missing)
        ],
        shares=[Tick(x=tick.x, label=percent(float(tick.label))) for tick in up.ticks],
        labels=[
            Label(x=round((slot.low + slot.high) / 2, 1), y=FLOOR + 17, text=cell_name(spread, cell, short=True))
            for slot in slots
            for cell in _named(slot.cell, core)
        ],
        scale=(left, right),
    )


def shares(spread: Distribution) -> Iterator[tuple[Cell, float | None, float | None]]:
    """Every cell, that of missing values too, with its shares of all rows; None where they are too few to tell."""
    for cell in (*spread.cells, *_missing(spread)):
        data, reference = _shares(spread, cell)
        yield cell, data, reference


def _missing(spread: Distribution) -> list[Cell]:
    beside = None if spread.reference is None else spread.reference.missing
    return [Cell(name="(missing)", data=spread.data.missing, reference=beside, outside=spread.filled)]


def _shares(spread: Distribution, cell: Cell) -> tuple[float | None, float | None]:
    beside = spread.reference
    data = None if cell.data is None else cell.data / max(1, spread.data.rows)
    return data, None if beside is None or cell.reference is None else cell.reference / max(1, beside.rows)


def _any(spread: Distribution, cell: Cell) -> bool:
    return cell.data != 0 or (spread.reference is not None and cell.reference != 0)


def _width(cell: Cell) -> float | None:
    return None if cell.low is None or cell.high is None else cell.high - cell.low


def _slot(spread: Distribution, cell: Cell, low: float, high: float, wide: float = 1.0) -> _Slot:
    data, beside = _shares(spread, cell)
    reference = None if spread.reference is None else (beside or 0.0) / wide
    return _Slot(cell=cell, low=low, high=high, data=(data or 0.0) / wide, reference=reference, wide=wide)


def _beside(spread: Distribution, cells: Sequence[Cell], left: float) -> list[_Slot]:
    starts = [left + at * (_SLOT + _GAP) for at in range(len(cells))]
    return [_slot(spread, cell, start, start + _SLOT) for cell, start in zip(cells, starts, strict=True)]


def _bar(slot: _Slot, share: float, rows: int | None, up: Scale) -> Bar:
    height = _SLIVER if rows is None else FLOOR - up.x(share)
    height = max(height, _SLIVER) if rows != 0 else 0.0
    return Bar(
        x=slot.low, y=round(FLOOR - height, 1), width=round(slot.high - slot.low, 1), height=round(height, 1),
        outside=slot.cell.outside,
    )  # fmt: skip


def _named(cell: Cell, core: Sequence[Cell]) -> Iterator[Cell]:
    """A cell that stands beside the scale, as it is named there: as if it were open to its side."""
    if cell not in core:
        above = cell.low is not None and bool(core) and cell.low >= (core[-1].high or 0.0)
        yield replace(cell, high=None) if above else cell if cell.high is None else replace(cell, low=None)


def _limits(spread: Distribution, core: Sequence[Cell], scale: Scale) -> Iterator[Label]:
    """The contract's limits where what it allows begins and ends, as far as that is on the scale."""
    least, most = limit_names(spread)
    for one, other in pairwise(spread.cells):
        if one.outside is other.outside or one.high is None or not core:
            continue
        if (core[0].low or 0.0) <= one.high <= (core[-1].high or 0.0):
            text = least if one.outside else most
            yield Label(x=scale.x(one.high), y=TOP - 8, text=text, anchor="start" if one.outside else "end")


def _ticks(spread: Distribution, core: Sequence[Cell], scale: Scale) -> list[Tick]:
    if not core:
        return []
    if spread.kind != "time":
        single = 0.5 if spread.kind == "whole" and spread.step == 1 else 0.0
        ticks = [(float(tick.label.replace("\N{MINUS SIGN}", "-")), tick) for tick in scale.ticks]
        whole = [(value, tick) for value, tick in ticks if spread.kind != "whole" or value.is_integer()]
        return [
            Tick(x=scale.x(value + single), label=tick.label) for value, tick in whole if value + single <= scale.high
        ]
    edges = [cell.low or 0.0 for cell in core]
    every = max(1, len(edges) // 3)
    return [Tick(x=scale.x(edge), label=tick_name(edge, spread.step or 0.0)) for edge in edges[::every]]


def _value(spread: Distribution, cell: Cell, top: float, most: float) -> Value:
    data, reference = _shares(spread, cell)
    told = _rows(cell.data, data)
    if spread.reference is not None:
        told += f", reference {_rows(cell.reference, reference)}"
    beside = None
    if spread.reference is not None:
        beside = _across(cell.reference, reference, top + 29, 6.0, most, outside=cell.outside)
    refused = cell.outside and _any(spread, cell)
    return Value(
        name=cell_name(spread, cell),
        told=f"not allowed: {told}" if refused else told,
        top=top,
        data=_across(cell.data, data, top + 18, 10.0, most, outside=cell.outside),
        reference=beside,
        outside=refused,
    )


def _across(rows: int | None, share: float | None, y: float, height: float, most: float, *, outside: bool) -> Bar:
    width = _SLIVER if share is None else (RIGHT - 1) * share / most
    return Bar(x=1.0, y=y, width=round(max(width, _SLIVER) if rows != 0 else 0.0, 1), height=height, outside=outside)


def _rows(rows: int | None, share: float | None) -> str:
    return f"fewer than {LEAST} rows" if rows is None else percent(share or 0.0)
