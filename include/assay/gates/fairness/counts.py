"""Measure: one table of counts by group, label and prediction, from which every rate follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, Group, Problem, UserError, did_you_mean
from assay.gates import require_probabilities
from assay.policy import Fairness

ALL_KINDS = ("tp", "fp", "fn", "tn")
# A rate is the number of rows of the first kinds among the rows of the second, which bear the third name.
RATES = {
    "selection_rate": (("tp", "fp"), ALL_KINDS, "rows"),
    "tpr": (("tp",), ("tp", "fn"), "positives"),
    "fpr": (("fp",), ("fp", "tn"), "negatives"),
    "base_rate": (("tp", "fn"), ALL_KINDS, "rows"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupCounts:
    """One group's rows by label and prediction, and its scores' mean and standard deviation."""

    group: Group
    tp: int
    fp: int
    fn: int
    tn: int
    score: tuple[float, float] | None = None

    def of(self, kinds: Sequence[str]) -> int:
        """Number of rows of these kinds together."""
        return sum(getattr(self, kind) for kind in kinds)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.of(ALL_KINDS)

    def __str__(self) -> str:
        return ", ".join(f"{column}={value}" for column, value in self.group.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class FairnessEvidence:
    """The groups of every attribute; an attribute is a column, or several joined by ``*``."""

    attributes: Mapping[str, Sequence[GroupCounts]]


def measure(
    *,
    label: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    groups: Mapping[str, NDArray[Any]],
    policy: Fairness,
    score: NDArray[np.float64] | None = None,
) -> FairnessEvidence:
    """Count each group's rows by label and prediction.

    Parameters
    ----------
    label, prediction : ndarray of shape (n,)
        True for the positive class.
    groups
        Column to n values; None and NaN make a group of their own, ``(missing)``.
    policy
        Which columns, alone and together. Of combinations, those that occur are groups.
    score : ndarray of shape (n,), optional
        Probability of the positive class; its mean is reported by group, not judged.

    Raises
    ------
    UserError
        Listing the policy's columns that `groups` lacks; or when a score is no probability.
    """
    wanted = list(dict.fromkeys(column for attribute in policy.attributes for column in attribute))
    unknown = [column for column in wanted if column not in groups]
    if unknown:
        problems = [
            Problem(path=column, message="no such group column", mend=did_you_mean(column, groups))
            for column in unknown
        ]
        raise UserError("gates.fairness.groups", problems)
    if score is not None:
        require_probabilities(score=score)
    coded = {column: _coded(groups[column]) for column in wanted}
    kind = np.where(label, np.where(prediction, 0, 2), np.where(prediction, 1, 3))  # positions in ALL_KINDS
    return FairnessEvidence(
        attributes={"*".join(columns): _table(columns, coded, kind, score) for columns in policy.attributes}
    )


def _coded(values: NDArray[Any]) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct values as sorted text, and for every row the position of its own."""
    seen: dict[Any, int] = {}
    codes = np.fromiter((seen.setdefault(value, len(seen)) for value in values.tolist()), np.intp, count=len(values))
    texts = [MISSING if value is None or value != value else str(value) for value in seen]
    names = sorted(set(texts))
    position = {name: place for place, name in enumerate(names)}
    return names, np.array([position[text] for text in texts], dtype=np.intp)[codes]


def _table(
    columns: Sequence[str],
    coded: Mapping[str, tuple[list[str], NDArray[np.intp]]],
    kind: NDArray[np.intp],
    score: NDArray[np.float64] | None,
) -> tuple[GroupCounts, ...]:
    shape = [max(1, len(coded[column][0])) for column in columns]
    flat = np.ravel_multi_index([coded[column][1] for column in columns], shape)
    found, group = np.unique(flat, return_inverse=True)
    present = np.stack(np.unravel_index(found, shape), axis=1)
    counts = np.bincount(group * 4 + kind, minlength=4 * len(present)).reshape(-1, 4)
    moments: Sequence[tuple[float, float] | None]
    moments = [None] * len(present) if score is None else _moments(score, group, counts.sum(axis=1))
    return tuple(
        GroupCounts(
            group={column: coded[column][0][code] for column, code in zip(columns, present[row], strict=True)},
            **dict(zip(ALL_KINDS, map(int, counts[row]), strict=True)),
            score=moments[row],
        )
        for row in range(len(present))
    )


def _moments(
    score: NDArray[np.float64], group: NDArray[np.intp], sizes: NDArray[np.intp]
) -> Sequence[tuple[float, float]]:
    ordered = score[np.lexsort((score, group))]  # sorted also within a group: sums must not depend on the rows' order
    parts = np.split(ordered, np.cumsum(sizes)[:-1])
    return [(float(part.mean()), float(part.std())) for part in parts if part.size]
