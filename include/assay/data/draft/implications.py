"""What one column says of another: values that belong together, an order between two, gaps that come together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from assay.data.draft.categories import unseen
from assay.data.draft.expectations import Expectation, expect
from assay.data.draft.numbers import is_amount
from assay.data.draft.room import Room, floored
from assay.data.draft.seen import Seen
from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    from assay.data.engine import Rows

Found = Sequence[tuple[Any, Any, int]]

_COLUMNS = 16
"""How many columns are held against each other: their pairs are counted one after another."""
_LISTED = 400
"""Pairs of values that a contract lists at most."""
_RARE = 0.05
"""Pairs that come this many times more seldom than of columns without a tie do not belong together."""
_TELLING = 0.05
"""The share of rows without a tie that would break a rule, below which it is not worth a line."""
_SHUFFLED = 5
"""A rule tells when one in so many rows has lost its tie, twice over."""
_TIMES = ("date", "time")
_PER_VALUE = 20
_PAIRS = 4_000_000
_GAPS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tie:
    """Two columns whose values belong together.

    `pairs` are those that do, `broken` the share of rows with another pair that chance allows a batch, and
    `loose` the share of rows that had another pair if the columns had nothing to do with each other.
    """

    one: Seen
    other: Seen
    pairs: Sequence[tuple[Any, Any]]
    rows: int
    exceptions: int
    broken: float
    loose: float


def implications(rows: "Rows", seen: Sequence[Seen], room: Room, progress: Progress = silent) -> Iterator[Expectation]:
    """What holds between pairs of columns."""
    coded = [each for each in seen if each.categories and 1 < len(each.categories) <= each.present / 2][:_COLUMNS]
    ordered = [each for each in seen if is_amount(each) or (each.family in _TIMES and each.quantiles)]
    pairs = list(combinations(coded, 2))
    orders = [pair for pair in combinations(ordered[:_COLUMNS], 2) if _comparable(*pair)]
    ties: list[_Tie] = []
    for at, (one, other) in enumerate(pairs + orders):
        progress("holding columns against each other", at, len(pairs) + len(orders))
        if at < len(pairs):
            table, times = rows.counts([one.name, other.name])
            found = list(zip(*(table.column(at).to_pylist() for at in (0, 1)), times.tolist(), strict=True))
            ties += _ties(one, other, found, room)
            yield from _gaps(one, other, found)
        else:
            yield from _ordered(rows, one, other)
    yield from _strongest(ties, room)


def _ties(one: Seen, other: Seen, found: Found, room: Room) -> Iterator[_Tie]:
    both = {(a, b): times for a, b, times in found if a is not None and b is not None}
    total = sum(both.values())
    if not total:
        return
    of_one, of_other = Counter[Any](), Counter[Any]()
    for (a, b), times in both.items():
        of_one[a] += times
        of_other[b] += times
    chance = {(a, b): of_one[a] * of_other[b] / total for a, b in both}
    kept = {pair: times for pair, times in both.items() if times >= _RARE * chance[pair]}
    exceptions = total - sum(kept.values())
    named = len(kept) in (len(of_one), len(of_other))  # one column's value names the other's: two codings of one fact
    once = list(kept.values()).count(1)
    broken = (
        room.most(exceptions + once, total) if exceptions or not named else unseen(list(kept.values()), total, room)
    )
    loose = 1 - sum(chance[pair] for pair in kept) / total
    if len(kept) <= _LISTED and loose >= max(_TELLING, 2 * _SHUFFLED * broken):
        pairs = sorted(kept, key=str)
        yield _Tie(one=one, other=other, pairs=pairs, rows=total, exceptions=exceptions, broken=broken, loose=loose)


def _strongest(ties: Sequence[_Tie], room: Room) -> Iterator[Expectation]:
    """For each column the tie that tells most, each once."""
    tied: set[str] = set()
    for tie in sorted(ties, key=lambda tie: -tie.loose):
        if not {tie.one.name, tie.other.name} <= tied:
            tied |= {tie.one.name, tie.other.name}
            yield _belonging(tie, room)


def _belonging(tie: _Tie, room: Room) -> Expectation:
    mostly = floored(1 - tie.broken)
    named = f'"{tie.one.name}" and "{tie.other.name}"'
    notes = f"All {tie.rows:,} rows" if not tie.exceptions else f"All but {tie.exceptions:,} of {tie.rows:,} rows"
    notes += f" have one of these {len(tie.pairs)} pairs; if {named} had nothing to do with each other, {tie.loose:.0%}"
    notes += " would have another one: where they disagree, one of the columns was swapped or shuffled."
    return expect(
        "expect_column_pair_values_to_be_in_set",
        notes,
        column_A=tie.one.name,
        column_B=tie.other.name,
        value_pairs_set=[list(pair) for pair in tie.pairs],
        ignore_row_if="either_value_is_missing",
        mostly=mostly if mostly < 1 else None,
    )


def _gaps(one: Seen, other: Seen, found: Sequence[tuple[Any, Any, int]]) -> Iterator[Expectation]:
    """A column without a value where another has none."""
    for first, second, place in ((one, other, 0), (other, one, 1)):
        alone = any(row[place] is None and row[1 - place] is not None for row in found)
        if min(first.nulls, second.nulls) >= _GAPS and not alone and first.nulls < first.rows:
            text = f"{_quoted(first.name)} IS NULL AND {_quoted(second.name)} IS NOT NULL"
            yield expect(
                "unexpected_rows_expectation",
                f'In all {first.nulls:,} rows without "{first.name}" there is no "{second.name}" either.',
                unexpected_rows_query=f"SELECT * FROM {{batch}} WHERE {text}",  # noqa: S608 (names are quoted)
                description=f'Where "{first.name}" is missing, "{second.name}" is missing',
            )
            return


def _comparable(one: Seen, other: Seen) -> bool:
    """Whether an order between two columns would say something: their values are alike and not far apart."""
    of_times = one.family in _TIMES
    if of_times != (other.family in _TIMES) or one.distinct * other.distinct > _PAIRS:
        return False
    if (of_times and _clock(one) != _clock(other)) or min(one.distinct, other.distinct) <= 2:
        return False
    low, high = sorted((one, other), key=lambda each: each.quantiles[2])
    apart = low.quantiles[4] < high.quantiles[0] and not of_times
    return not apart and bool(low.quantiles[0] < low.quantiles[4])


def _clock(seen: Seen) -> tuple[str, bool]:
    """Whether a column has days or times, and whether these are of a time zone."""
    return seen.family, getattr(seen.low, "tzinfo", None) is not None


def _ordered(rows: "Rows", one: Seen, other: Seen) -> Iterator[Expectation]:
    import pyarrow.compute as pc

    low, high = sorted((one, other), key=lambda each: each.quantiles[2])
    table, times = rows.counts([low.name, high.name])
    both = pc.and_(pc.is_valid(table.column(0)), pc.is_valid(table.column(1)))
    held = table.filter(both)
    if (
        times[both.to_numpy()].sum() < _PER_VALUE
        or not pc.all(pc.greater_equal(held.column(1), held.column(0))).as_py()
    ):
        return
    yield expect(
        "expect_column_pair_values_a_to_be_greater_than_b",
        f'"{high.name}" is never below "{low.name}" in the {times[both.to_numpy()].sum():,} rows that have both.',
        column_A=high.name,
        column_B=low.name,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("{", "{{").replace("}", "}}") + '"'
