"""Thresholds of a model that decides by group."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, canonical_json


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupThresholds:
    """Which score is high enough, group by group.

    A row whose group is not among them, because an attribute is missing or was never seen in
    training, is decided by the model's plain threshold.

    Attributes
    ----------
    attributes
        The columns that groups are made of.
    by_group
        The attributes' values, in order, to the group's threshold in (0, 1).

    Examples
    --------
    >>> own = GroupThresholds(attributes=("sex",), by_group={("f",): 0.4, ("m",): 0.6})
    >>> sex = np.array(["f", "m", "(missing)", "x"], dtype=object).reshape(-1, 1)
    >>> own.of({"sex": sex}, plain=0.5).tolist()
    [0.4, 0.6, 0.5, 0.5]
    """

    attributes: tuple[str, ...]
    by_group: Mapping[tuple[str, ...], float]

    def of(self, columns: Mapping[str, NDArray[Any]], *, plain: float) -> NDArray[np.float64]:
        """The threshold of each of n rows.

        Parameters
        ----------
        columns
            Attribute to an array of shape (n, 1) of text.
        plain
            What decides where a row's group has no threshold.
        """
        rows = zip(*(columns[name][:, 0].tolist() for name in self.attributes), strict=True)
        return np.array([self.by_group.get(row, plain) for row in rows], dtype=np.float64)

    def to_json(self) -> str:
        """The thresholds as one line of canonical JSON."""
        groups = [{"group": list(group), "threshold": own} for group, own in sorted(self.by_group.items())]
        return canonical_json({"attributes": list(self.attributes), "groups": groups}).decode()

    @classmethod
    def from_json(cls, text: str) -> "GroupThresholds":
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            When the text holds anything else.
        """
        try:
            found = json.loads(text)
            attributes = tuple(found["attributes"])
            by_group = {tuple(each["group"]): float(each["threshold"]) for each in found["groups"]}
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"thresholds by group that cannot be read: {text[:80]!r}") from error
        if not _is_whole(attributes, by_group):
            raise ValueError(f"thresholds by group that do not fit together: {text[:80]!r}")
        return cls(attributes=attributes, by_group=by_group)


def _is_whole(attributes: tuple[Any, ...], by_group: Mapping[tuple[Any, ...], float]) -> bool:
    texts = [*attributes, *(value for group in by_group for value in group)]
    return (
        bool(attributes)
        and all(isinstance(each, str) for each in texts)
        and all(len(group) == len(attributes) and MISSING not in group for group in by_group)
        and all(0 < own < 1 for own in by_group.values())  # false for NaN
    )
