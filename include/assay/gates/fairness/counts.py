"""Measure: one table of counts by group, label and prediction, from which every rate follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Group, Problem, UserError, did_you_mean
from assay.gates import require_probabilities
from assay.gates.fairness.coding import coded
from assay.gates.fairness.scores import Scores, summarise
from assay.policy import Fairness
from assay.stats.counts import effective_size

ALL_KINDS = ("tp", "fp", "fn", "tn")
# A rate is the number of rows of the first kinds among the rows of the second, which bear the third name.
RATES = {
    "selection_rate": (("tp", "fp"), ALL_KINDS, "rows"),
    "tpr": (("tp",), ("tp", "fn"), "positives"),
    "fpr": (("fp",), ("fp", "tn"), "negatives"),
    "base_rate": (("tp", "fn"), ALL_KINDS, "rows"),
    "accuracy": (("tp", "tn"), ALL_KINDS, "rows"),
    "tnr": (("tn",), ("fp", "tn"), "negatives"),
    "fnr": (("fn",), ("tp", "fn"), "positives"),
    "ppv": (("tp",), ("tp", "fp"), "positive predictions"),
    "npv": (("tn",), ("tn", "fn"), "negative predictions"),
    "fdr": (("fp",), ("tp", "fp"), "positive predictions"),
    "for": (("fn",), ("tn", "fn"), "negative predictions"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupCounts:
    """One group's rows by label and prediction.

    Attributes
    ----------
    weights
        For each of `ALL_KINDS` the sum of its rows' weights and of their squares; None when every
        row weighs 1.
    scores
        What the group's scores come to, if there are any.
    """

    group: Group
    tp: int
    fp: int
    fn: int
    tn: int
    weights: tuple[tuple[float, float], ...] | None = None
    scores: Scores | None = None

    def of(self, kinds: Sequence[str]) -> int:
        """Number of rows of these kinds together."""
        return sum(getattr(self, kind) for kind in kinds)

    def weight(self, kinds: Sequence[str]) -> float:
        """The weight of the rows of these kinds together."""
        return float(self.of(kinds)) if self.weights is None else self._sum(self.weights, kinds, 0)

    def effective(self, kinds: Sequence[str]) -> float:
        """How many rows of equal weight tell as much about a rate among these kinds (Kish)."""
        if self.weights is None:
            return float(self.of(kinds))
        return float(effective_size(self._sum(self.weights, kinds, 0), self._sum(self.weights, kinds, 1)))

    @staticmethod
    def _sum(weights: tuple[tuple[float, float], ...], kinds: Sequence[str], at: int) -> float:
        return sum(pair[at] for kind, pair in zip(ALL_KINDS, weights, strict=True) if kind in kinds)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.of(ALL_KINDS)

    def __str__(self) -> str:
        return ", ".join(f"{column}={value}" for column, value in self.group.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class FairnessEvidence:
    """The groups of every attribute; an attribute is a column, or several joined by ``*``.

    `strata` holds, for an attribute and the column that it is compared within, the groups cut by
    that column too: it is the last of each group's columns.
    """

    attributes: Mapping[str, Sequence[GroupCounts]]
    strata: Mapping[tuple[str, str], Sequence[GroupCounts]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """What is counted: for each row its kind, as a position in `ALL_KINDS`, its score and its weight."""

    columns: Mapping[str, tuple[list[str], NDArray[np.intp]]]
    kind: NDArray[np.intp]
    label: NDArray[np.bool_]
    score: NDArray[np.float64] | None
    weights: NDArray[np.float64] | None
    times: NDArray[np.int64] | None


def measure(
    *,
    label: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    groups: Mapping[str, NDArray[Any]],
    policy: Fairness,
    score: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
    times: NDArray[np.int64] | None = None,
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
        Probability of the positive class; needed by the checks on scores.
    weights : ndarray of shape (n,), optional
        How much each row counts, finite and not negative; 1 without them.
    times : ndarray of shape (n,), optional
        How many rows each of these stands for, 1 without them; only for rows without scores and weights.

    Raises
    ------
    UserError
        Listing the policy's columns that `groups` lacks, columns to be cut that hold no numbers, checks
        that need a score where there is none, and weights that are none; or when a score is no
        probability.
    ValueError
        When there are `times` beside scores or weights.
    """
    if times is not None and (score is not None or weights is not None):
        raise ValueError("rows that stand for several have neither scores nor weights")
    problems = [
        Problem(path=column, message="no such group column", mend=did_you_mean(column, groups))
        for column in policy.columns
        if column not in groups
    ]
    if policy.scored and score is None:
        needing = ", ".join(dict.fromkeys(check.metric for check in policy.checks if check.scored))
        problems.append(Problem(path="gates.fairness.checks", message=f"{needing}: needs scores", mend="give a score"))
    problems += _wrong_weights(weights)
    columns = {}
    for column in (name for name in policy.columns if name in groups):
        try:
            columns[column] = coded(groups[column], policy.edges.get(column))
        except ValueError as error:
            problems.append(Problem(path=column, message=str(error), mend="only numbers can be cut at edges"))
    if problems:
        raise UserError("gates.fairness.groups", problems)
    if score is not None:
        require_probabilities(score=score)
    kind = 2 * (~prediction).astype(np.intp)  # tp fp fn tn
    kind = np.where(label, kind, 1 + kind)
    rows = _Rows(columns=columns, kind=kind, label=label, score=score, weights=weights, times=times)
    return FairnessEvidence(
        attributes={"*".join(names): _table(names, rows) for names in policy.attributes},
        strata={
            ("*".join(names), within): _table((*names, within), rows)
            for names in policy.attributes
            for within in dict.fromkeys(check.within for check in policy.checks_on(names))
            if within is not None
        },
    )


def _wrong_weights(weights: NDArray[np.float64] | None) -> list[Problem]:
    if weights is None:
        return []
    if bad := int(np.count_nonzero(~((weights >= 0) & np.isfinite(weights)))):
        return [Problem(path="weights", message=f"{bad} of {len(weights)} are negative or no number")]
    return [Problem(path="weights", message="are all 0")] if len(weights) and not weights.any() else []


def _table(names: Sequence[str], rows: _Rows) -> tuple[GroupCounts, ...]:
    shape = [max(1, len(rows.columns[name][0])) for name in names]
    flat = np.ravel_multi_index([rows.columns[name][1] for name in names], shape)
    found, group = _occurring(flat, int(np.prod(shape)))
    present = np.stack(np.unravel_index(found, shape), axis=1)
    cell = group * 4 + rows.kind
    counts = np.bincount(cell, weights=rows.times, minlength=4 * len(present)).reshape(-1, 4)
    weights = [None] * len(present) if rows.weights is None else _weighed(cell, rows.weights, len(present))
    scores = [None] * len(present) if rows.score is None else summarise(group, rows.label, rows.score, rows.weights)
    return tuple(
        GroupCounts(
            group={name: rows.columns[name][0][code] for name, code in zip(names, present[at], strict=True)},
            **dict(zip(ALL_KINDS, map(int, counts[at]), strict=True)),
            weights=weights[at],
            scores=scores[at],
        )
        for at in range(len(present))
    )


def _occurring(flat: NDArray[np.intp], room: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The codes that occur, in order, and for each row the position of its own among them."""
    if room > _DENSE:
        return np.unique(flat, return_inverse=True)
    seen = np.bincount(flat, minlength=room) > 0
    position = np.cumsum(seen) - 1
    return np.flatnonzero(seen), position[flat]


_DENSE = 1 << 20  # so many possible groups are counted by position; sorting the rows takes a hundred times longer


def _weighed(
    cell: NDArray[np.intp], weights: NDArray[np.float64], groups: int
) -> list[tuple[tuple[float, float], ...] | None]:
    order = np.lexsort((weights, cell))  # sums must not depend on the rows' order
    sums, squares = (
        np.bincount(cell[order], weights=part, minlength=4 * groups).reshape(-1, 4).tolist()
        for part in (weights[order], weights[order] ** 2)
    )
    return [tuple(zip(one, two, strict=True)) for one, two in zip(sums, squares, strict=True)]
