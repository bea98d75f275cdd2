"""Damage to rows, to what columns have to do with each other, and to files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assay.gates.contract.faults.fault import Damage, Frame, Random, Target
from assay.gates.contract.faults.values import some


def repeated(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
    """Load a share of the rows twice."""
    import pandas as pd

    return pd.concat([frame, frame[some(frame, strength, random)]], ignore_index=True)


def repeated_anew(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
    """Load a share of the rows twice, and number all rows anew."""
    more = repeated(frame, strength, random, target)
    more[target.key] = np.arange(len(more)) + int(frame[target.key].max()) + 1
    return more


def test_in_train(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Write rows from all over the table over others, but for the key: some lie on the two sides of the split."""
    kept = [name for name in frame.columns if name != target.key]
    at = np.flatnonzero(some(frame, strength, random))
    frame.loc[at, kept] = frame.loc[random.integers(0, len(frame), len(at)), kept].to_numpy()


def lost_rows(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
    """Lose the last rows."""
    return frame.iloc[: round(len(frame) * (1 - strength))]


def without(column: str, value: Callable[[Target, Frame], Any]) -> Damage:
    """Lose a share of the rows that hold a value."""

    def damage(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
        hit = (frame[getattr(target, column)] == value(target, frame)) & some(frame, strength, random)
        return frame[~hit].reset_index(drop=True)

    return damage


def commonest(target: Target, frame: Frame) -> Any:
    """The most frequent category."""
    return frame[target.category].mode()[0]


def leaked(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """A feature takes the label's value in a share of the rows, and a random class in the others."""
    label = frame[target.label].to_numpy()
    told = np.where(random.random(len(frame)) < strength, label, random.permutation(label))
    frame[target.category] = np.where(told == target.positive, "approved", "declined")


def leaked_number(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """A number is known after the outcome: it grows with the label, with less and less noise."""
    positive = (frame[target.label] == target.positive).to_numpy()
    frame[target.other_number] = (50 * positive + random.normal(0, 50 / strength, len(frame))).round().astype(int)


def leaked_missing(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """A number is missing where the label is negative."""
    negative = (frame[target.label] != target.positive).to_numpy()
    frame[target.number] = frame[target.number].mask(negative & (random.random(len(frame)) < strength))


def flipped(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Take a share of the labels for the other class."""
    first, second = sorted(frame[target.label].dropna().unique())
    other = frame[target.label].map({first: second, second: first})
    frame[target.label] = frame[target.label].mask(some(frame, strength, random), other)


def broken_key(frame: Frame, strength: float, random: Random, target: Target) -> None:
    """Give a share of the rows the key of the first."""
    frame[target.key] = frame[target.key].mask(some(frame, strength, random), frame[target.key].iloc[0])


def lost_column(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
    """Lose some columns."""
    lost = [target.number, target.category, target.other_number, target.other_category]
    return frame.drop(columns=lost[: int(strength)])


def renamed(frame: Frame, strength: float, random: Random, target: Target) -> Frame:
    """Give some columns other names."""
    renamed = [target.number, target.category, target.other_number, target.other_category][: int(strength)]
    return frame.rename(columns={name: name.upper() + "_2" for name in renamed})


def cut(path: Path, strength: float) -> None:
    """Lose the end of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * (1 - strength))])


def open_quote(path: Path, strength: float) -> None:
    """A quote is opened in the middle of a cell of that many lines, and never closed."""
    lines = path.read_text().splitlines()
    for at in range(int(strength)):
        place = (at + 1) * len(lines) // (int(strength) + 1)
        lines[place] = lines[place].replace(",", ',"', 1)
    path.write_text("\n".join(lines) + "\n")
