"""The groups of a policy's attributes, and which columns are refused because they have too many."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, did_you_mean
from assay.gates._slices import Coded, distinct, named
from assay.policy import Fairness

MOST_VALUES = 200  # of one column: a column with more is a key or a number, and its groups say nothing
MOST_GROUPS = 1000  # of a combination of columns


class Joined(NamedTuple):
    """Combinations that occur, in order, each as one value of every column, and each row's position among them."""

    found: list[tuple[str, ...]]
    codes: NDArray[np.intp]


def code_columns(groups: Mapping[str, NDArray[Any]], policy: Fairness) -> tuple[dict[str, Coded], list[Problem]]:
    """The columns that a policy compares by, and what is wrong with those that are not among them."""
    columns, problems = {}, []
    for column in policy.columns:
        if column not in groups:
            problems.append(Problem(path=column, message="no such group column", mend=did_you_mean(column, groups)))
            continue
        edges = policy.edges.get(column)
        codes, values = distinct(groups[column])
        if edges is None and len(values) > MOST_VALUES:  # before a name is given to each
            problems.append(too_many_values(column, f"{len(values):,}"))
            continue
        try:
            columns[column] = named(codes, values, edges)
        except ValueError as error:
            problems.append(Problem(path=column, message=str(error), mend="only numbers can be cut at edges"))
    return columns, problems


def crowded(groups: Mapping[str, NDArray[Any]]) -> list[Problem]:
    """The columns that have too many values, where no policy says that they are cut at edges."""
    counted = {column: len(distinct(values)[1]) for column, values in groups.items()}
    return [too_many_values(column, f"{count:,}") for column, count in counted.items() if count > MOST_VALUES]


def too_many_values(column: str, found: str) -> Problem:
    """Why a column is refused as a group column, with `found` telling how many values it has."""
    return Problem(
        path=column,
        message=f"has {found} distinct values; groups are compared by at most {MOST_VALUES}",
        mend="declare edges for a number, map the values to coarser groups, or leave the column out",
    )


def join(columns: Sequence[Coded], most: int | None = None) -> Joined:
    """The combinations of columns that occur; no further column is joined once there are more than `most`.

    Examples
    --------
    >>> from assay.gates._slices import coded
    >>> joined = join([coded(np.array(["b", "a", "b"])), coded(np.array(["x", "y", "x"]))])
    >>> joined.found, joined.codes.tolist()
    ([('a', 'y'), ('b', 'x')], [1, 0, 1])
    """
    if len(columns) == 1:  # whose names all occur
        return Joined([(name,) for name in columns[0].names], columns[0].codes)
    found: list[tuple[str, ...]] = [()]
    at = np.zeros(len(columns[0].codes), dtype=np.intp)
    for names, codes in columns:
        cells = at * len(names) + codes
        seen = np.bincount(cells, minlength=len(found) * len(names)) > 0
        found = [(*found[cell // len(names)], names[cell % len(names)]) for cell in np.flatnonzero(seen).tolist()]
        at = (np.cumsum(seen) - 1)[cells]
        if most is not None and len(found) > most:  # a further column could only add to them
            break
    return Joined(found, at)


def join_attributes(
    columns: Mapping[str, Coded], policy: Fairness
) -> tuple[dict[tuple[str, ...], Joined], list[Problem]]:
    """The groups of every attribute whose columns are there, and which attributes have too many."""
    joined, problems = {}, []
    for names in policy.attributes:
        if not set(names) <= set(columns):
            continue
        found = join([columns[name] for name in names], MOST_GROUPS)
        if len(found.found) > MOST_GROUPS:
            message = f"has more than {MOST_GROUPS:,} groups that occur, which is the most that are compared"
            mend = "combine fewer columns, or map their values to coarser groups"
            problems.append(Problem(path="*".join(names), message=message, mend=mend))
        else:
            joined[names] = found
    return joined, problems
