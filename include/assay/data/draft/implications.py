"""What one column says of another: values that belong together, an order between two, gaps that come together."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from assay.data.draft.expectations import Expectation, expect
from assay.data.draft.seen import Seen
from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    from assay.data.engine import Rows

_COLUMNS = 16
"""How many columns are held against each other: their pairs are counted one after another."""
_PER_VALUE = 20
"""Rows for each value, below which that two columns agree may be chance."""
_PAIRS = 4_000_000
_GAPS = 10


def implications(rows: "Rows", seen: Sequence[Seen], progress: Progress = silent) -> Iterator[Expectation]:
    """What holds between pairs of columns in every row."""
    coded = [each for each in seen if each.categories and len(each.categories) > 1][:_COLUMNS]
    ordered = [each for each in seen if each.family in ("integer", "number", "date", "time") and each.quantiles]
    pairs = list(combinations(coded, 2))
    orders = [pair for pair in combinations(ordered[:_COLUMNS], 2) if _comparable(*pair)]
    for at, (one, other) in enumerate(pairs + orders):
        progress("holding columns against each other", at, len(pairs) + len(orders))
        if at < len(pairs):
            yield from _coded(rows, one, other)
        else:
            yield from _ordered(rows, one, other)


def _coded(rows: "Rows", one: Seen, other: Seen) -> Iterator[Expectation]:
    table, times = rows.counts([one.name, other.name])
    found = list(zip(*(table.column(at).to_pylist() for at in (0, 1)), times.tolist(), strict=True))
    together = [(a, b) for a, b, _ in found if a is not None and b is not None]
    for few, many, place in ((other, one, 0), (one, other, 1)):
        enough = many.present >= _PER_VALUE * many.distinct
        if enough and len(together) == many.distinct == len({pair[place] for pair in together}):
            yield _belonging(one, other, many, few, together)
            break
    yield from _gaps(one, other, found)


def _belonging(one: Seen, other: Seen, many: Seen, few: Seen, pairs: Sequence[tuple[Any, Any]]) -> Expectation:
    return expect(
        "expect_column_pair_values_to_be_in_set",
        f'Each of the {many.distinct} values of "{many.name}" comes with a single value of "{few.name}": '
        "where they disagree, one of the columns was swapped or shifted.",
        column_A=one.name,
        column_B=other.name,
        value_pairs_set=[list(pair) for pair in sorted(pairs, key=str)],
        ignore_row_if="either_value_is_missing",
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
    times = ("date", "time")
    if (one.family in times) != (other.family in times) or one.distinct * other.distinct > _PAIRS:
        return False
    if (one.family in times and one.family != other.family) or min(one.distinct, other.distinct) <= 2:
        return False
    low, high = sorted((one, other), key=lambda each: each.quantiles[2])
    apart = low.quantiles[4] < high.quantiles[0] and one.family not in times
    return not apart and bool(low.quantiles[0] < low.quantiles[4])


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
