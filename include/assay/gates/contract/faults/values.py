"""Damage to the values of single columns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.gates.contract.faults.fault import Damage, Frame, Random, Target


def some(frame: Frame, share: float, random: Random) -> Any:
    """A mask of about `share` of the rows, at least one of them."""
    mask = random.random(len(frame)) < share
    mask[random.integers(len(frame))] = True
    return mask


def put(column: str, value: Any) -> Damage:
    """Put one value into a share of the cells of the target's column of that role."""

    def damage(frame: Frame, strength: float, random: Random, target: Target) -> None:
        name = getattr(target, column)
        frame[name] = frame[name].mask(some(frame, strength, random), value)

    return damage


def changed(column: str, change: Callable[[Any], Any]) -> Damage:
    """Change a share of the cells of the target's column of that role."""

    def damage(frame: Frame, strength: float, random: Random, target: Target) -> None:
        name = getattr(target, column)
        frame[name] = frame[name].where(~some(frame, strength, random), change(frame[name]))

    return damage


def swapped(one: str, other: str) -> Damage:
    """Swap two columns in a share of the rows."""

    def damage(frame: Frame, strength: float, random: Random, target: Target) -> None:
        mask, names = some(frame, strength, random), [getattr(target, one), getattr(target, other)]
        frame.loc[mask, names] = frame.loc[mask, names[::-1]].to_numpy()

    return damage


def shifted_mean(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Move a number by a part of its spread."""
    column = frame[target.number]
    frame[target.number] = column + round(strength * float(column.std()))


def noise(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Add noise to a number."""
    column = frame[target.number]
    frame[target.number] = (column + random.normal(0, strength * float(column.std()), len(column))).round().astype(int)


def clipped(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Cut off the largest values of a number."""
    frame[target.number] = frame[target.number].clip(upper=frame[target.number].quantile(1 - strength))


def heaped(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Round a number to multiples of the strength."""
    frame[target.number] = (frame[target.number] / strength).round().astype(int) * int(strength)


def shuffled(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Deal a column anew between a share of the rows: every column by itself stays as it was."""
    at = np.flatnonzero(some(frame, strength, random))
    column = frame.columns.get_loc(target.other_category)
    frame.iloc[at, column] = frame.iloc[random.permutation(at), column].to_numpy()


def copied_column(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Put one number in the place of another."""
    frame[target.number] = frame[target.number].mask(some(frame, strength, random), frame[target.other_number])


def as_text(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Some numbers come with their unit, which makes text of all of them."""
    text = frame[target.number].astype(str)
    frame[target.number] = text.mask(some(frame, strength, random), text + " years")


def numbered(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """The most frequent categories come as codes, which are still text."""
    known = frame[target.category].value_counts().index[: int(strength)]
    frame[target.category] = frame[target.category].replace({name: str(at) for at, name in enumerate(known)})


def stale(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Move all times into the past."""
    import pandas as pd

    frame[target.time] = frame[target.time] - pd.Timedelta(days=strength)


def future(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Move some times ten years ahead."""
    import pandas as pd

    moved = frame[target.time] + pd.Timedelta(days=3650)
    frame[target.time] = frame[target.time].mask(some(frame, strength, random), moved)


def filled(column: str, make: Callable[[int], str]) -> Damage:
    """Fill a share of the cells with values made from random numbers."""

    def damage(frame: Frame, strength: float, random: Random, target: Target) -> None:
        name, mask = getattr(target, column), some(frame, strength, random)
        frame.loc[mask, name] = [make(int(at)) for at in random.integers(0, 10**9, int(mask.sum()))]

    return damage


def card(number: int) -> str:
    """A number that looks like a payment card's, with its check digit."""
    digits = f"4{number:014d}"
    total = sum(sum(divmod(int(digit) * (1 if at % 2 else 2), 10)) for at, digit in enumerate(reversed(digits)))
    return f"{digits}{-total % 10}"


def utf16(text: Any) -> Any:
    """Text of two bytes a character, read as one byte a character."""
    return text.map(
        lambda value: value if value is None else value.encode("utf-16-le").decode("latin-1"), na_action="ignore"
    )


def mojibake(text: Any) -> Any:
    """Text in UTF-8, read as if it were in Windows-1252."""
    return text.map(lambda value: value.replace("-", "â€“").replace("e", "Ã©"), na_action="ignore")
