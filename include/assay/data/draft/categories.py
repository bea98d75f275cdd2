"""Expectations that the values of a column of categories suggest: which there are, and how often each occurs."""

import math
from collections.abc import Iterator
from typing import Any

from assay.data.draft.expectations import Expectation, expect
from assay.data.draft.room import Room, floored
from assay.data.draft.seen import Seen

_FEW = 10
"""Whole numbers with at most this many values are codes rather than amounts."""
_RARER = 10
"""How much rarer than the rarest a value may be that there is for certain not."""
_TELLING = 0.95
"""The least share of known values that is worth to block on."""


def is_coded(seen: Seen) -> bool:
    """Whether a column holds categories: few values that repeat."""
    if not seen.categories or 2 * len(seen.categories) > seen.present:
        return False
    return seen.family != "integer" or (len(seen.categories) <= _FEW and seen.categories[-1][1] > 1)


def categories(seen: Seen, room: Room) -> Iterator[Expectation]:
    """The values that there are, those that must be there, and the share of each."""
    if not is_coded(seen):
        return
    if seen.family != "boolean":
        yield from _known(seen, room)
    yield from _present(seen, room)
    yield from _shares(seen, room)


def unseen(counts: list[int], present: int, room: Room) -> float:
    """The largest share of values never seen before that chance gives a batch.

    What occurred once tells how likely the next value is a new one (Good and Turing). Where the rarest value
    occurred so often that even one ten times as rare would have been seen, there are no others.
    """
    return 0.0 if min(counts) >= _RARER * room.seen else room.most(counts.count(1), present)


def _known(seen: Seen, room: Room) -> Iterator[Expectation]:
    counts, severity = [times for _, times in seen.categories or ()], "critical"
    mostly = floored(1 - unseen(counts, seen.present, room))
    notes = f"All {seen.present:,} values are among these {len(counts)}; the rarest occurs {_times(min(counts))}"
    if mostly == 1:
        notes += ", so even one ten times as rare would have been seen."
    elif mostly >= _TELLING:
        notes += f", so {room.told} may have others, but by chance in no more than {1 - mostly:.1%}."
    else:
        mostly, severity = 1, "warning"
        notes += ": too seldom to tell that there are no others, so these only warn."
    yield expect(
        "expect_column_values_to_be_in_set", notes, severity,
        column=seen.name, value_set=_sorted(seen), mostly=mostly if mostly < 1 else None,
    )  # fmt: skip


def _present(seen: Seen, room: Room) -> Iterator[Expectation]:
    """Values so frequent that a batch without one of them is no chance."""
    batch = room.batch(seen.present)
    missed = seen.present / (seen.present + batch)
    frequent = {value for value, times in seen.categories or () if missed**times <= room.level}
    if frequent:
        yield expect(
            "expect_column_distinct_values_to_contain_set",
            f"Each of these is so frequent that {room.told} without it is no chance: a part of the source is lost.",
            column=seen.name, value_set=[value for value in _sorted(seen) if value in frequent],
        )  # fmt: skip


def _shares(seen: Seen, room: Room) -> Iterator[Expectation]:
    """How far the shares may move, where the room still tells that the most frequent value is gone."""
    found = seen.categories or ()
    if len(found) < 2:
        return
    threshold = math.ceil(room.divergence(len(found), seen.present) * 10_000) / 10_000
    top, most = found[0][0], found[0][1] / seen.present
    if threshold < -math.log1p(-most):
        weights = {value: times / seen.present for value, times in found}
        yield expect(
            "expect_column_kl_divergence_to_be_less_than",
            f'The shares of the values, such as {most:.1%} for "{top}", may move as far as they do by chance in '
            f"{room.told}.",
            column=seen.name,
            partition_object={"values": _sorted(seen), "weights": [round(weights[each], 6) for each in _sorted(seen)]},
            threshold=threshold,
            tail_weight_holdout=0.001,  # for values never seen, which are the set's to refuse
        )


def _sorted(seen: Seen) -> list[Any]:
    return sorted((value for value, _ in seen.categories or ()), key=lambda value: (str(type(value)), value))


def _times(times: int) -> str:
    return "once" if times == 1 else f"{times:,} times"
