"""The table of counts by group, label and prediction, from which every rate follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.gates.fairness.coding import Joined
from assay.gates.fairness.members import ALL_KINDS, PAIRS, GroupCounts, Members, PairedCounts, Weights
from assay.gates.fairness.scores import summarise


@dataclass(frozen=True, kw_only=True, slots=True)
class FairnessEvidence:
    """The groups of every attribute; an attribute is a column, or several joined by ``*``.

    Attributes
    ----------
    attributes
        Empty when there are `classes`.
    strata
        For an attribute and the column that it is compared within, the groups cut by that column too:
        it is the last of each group's columns.
    classes
        For a label of several classes, what was measured of each against the rest.
    pairs
        The groups' rows by the decisions of an earlier model, too, where that is compared with.
    """

    attributes: Mapping[str, Sequence[Members]]
    strata: Mapping[tuple[str, str], Sequence[GroupCounts]] = field(default_factory=dict)
    classes: Mapping[str, "FairnessEvidence"] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[PairedCounts]] = field(default_factory=dict)

    @property
    def parts(self) -> "list[tuple[str | None, FairnessEvidence]]":
        """What is judged: every class by its name, or else the whole without one."""
        return [*self.classes.items()] if self.classes else [(None, self)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What is counted: for each row its label, prediction, score, weight and how many rows it stands for."""

    label: NDArray[np.bool_]
    prediction: NDArray[np.bool_]
    score: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    times: NDArray[np.int64] | None = None


def named(columns: Sequence[str], joined: Joined) -> list[dict[str, str]]:
    """Every combination that occurs, by its columns."""
    return [dict(zip(columns, values, strict=True)) for values in joined.found]


def tabulate(columns: Sequence[str], joined: Joined, rows: Rows) -> tuple[GroupCounts, ...]:
    """Each group's counts, weights and scores."""
    groups = named(columns, joined)
    kind = 2 * (~rows.prediction).astype(np.intp) + ~rows.label  # tp fp fn tn
    counts, weights = _counted(joined.codes, kind, len(ALL_KINDS), len(groups), rows)
    scores = (
        summarise(joined.codes, rows.label, rows.score, rows.weights)
        if rows.score is not None
        else [None] * len(groups)
    )
    return tuple(
        GroupCounts(
            group=group, **dict(zip(ALL_KINDS, counts[at], strict=True)), weights=weights[at], scores=scores[at]
        )
        for at, group in enumerate(groups)
    )


def tabulate_pairs(
    columns: Sequence[str], joined: Joined, rows: Rows, before: NDArray[np.bool_]
) -> tuple[PairedCounts, ...]:
    """Each group's counts and weights by both models' decisions."""
    groups = named(columns, joined)
    cell = 4 * (~rows.label).astype(np.intp) + 2 * ~before + ~rows.prediction  # the order of `PAIRS`
    counts, weights = _counted(joined.codes, cell, len(PAIRS), len(groups), rows)
    return tuple(
        PairedCounts(group=group, rows=tuple(counts[at]), weights=weights[at]) for at, group in enumerate(groups)
    )


def _counted(
    group: NDArray[np.intp], kind: NDArray[np.intp], kinds: int, groups: int, rows: Rows
) -> tuple[list[list[int]], Sequence[Weights | None]]:
    """How many rows, and what sums of weights and of their squares, are in each cell of each group."""
    cell = group * kinds + kind
    counts = np.bincount(cell, weights=rows.times, minlength=kinds * groups).astype(np.int64).reshape(-1, kinds)
    if rows.weights is None:
        return counts.tolist(), [None] * groups
    order = np.lexsort((rows.weights, cell))  # sums must not depend on the rows' order
    sums, squares = (
        np.bincount(cell[order], weights=part, minlength=kinds * groups).reshape(-1, kinds).tolist()
        for part in (rows.weights[order], rows.weights[order] ** 2)
    )
    return counts.tolist(), [tuple(zip(one, two, strict=True)) for one, two in zip(sums, squares, strict=True)]
