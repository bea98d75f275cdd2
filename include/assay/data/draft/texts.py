"""Expectations that a column of free text suggests."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from assay.data.draft.expectations import Expectation, expect
from assay.data.draft.room import Room
from assay.data.draft.seen import Seen

if TYPE_CHECKING:
    from assay.data.engine import Rows


def texts(rows: "Rows", seen: Sequence[Seen], room: Room) -> dict[str, list[Expectation]]:
    """How long the texts of each column are."""
    lengths = rows.lengths([each.name for each in seen])
    return {each.name: list(_lengths(each, *lengths[each.name], room)) for each in seen if each.name in lengths}


def _lengths(seen: Seen, low: int, high: int, room: Room) -> Iterator[Expectation]:
    if low == high:
        yield expect(
            "expect_column_value_lengths_to_equal",
            f"All {seen.present:,} texts have this length: another is another kind of code, or cut.",
            column=seen.name, value=low,
        )  # fmt: skip
    elif seen.present >= 2 * room.batch():
        yield expect(
            "expect_column_value_lengths_to_be_between",
            f"The {seen.present:,} texts have {low:,} to {high:,} characters; twice that leaves room for longer ones.",
            column=seen.name, min_value=min(low, 1), max_value=2 * high,
        )  # fmt: skip
