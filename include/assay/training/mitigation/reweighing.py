"""Weights under which the label does not depend on the group."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.training.mitigation.cells import Cells


def weights(label: NDArray[np.bool_], cells: Cells) -> NDArray[np.float64]:
    """The weight of each row: what its group and label together would have if they were independent.

    Parameters
    ----------
    label : ndarray of shape (n,)
        True for the positive class.
    cells
        The rows' groups.

    Returns
    -------
    ndarray of shape (n,)
        P(group) P(label) / P(group, label), above 0; their sum is n where every group has both classes.

    References
    ----------
    F. Kamiran, T. Calders (2012), Data preprocessing techniques for classification without
    discrimination, Knowledge and Information Systems 33: reweighing.

    Examples
    --------
    >>> from assay.training.mitigation.cells import cells_of
    >>> cells = cells_of({"sex": np.array(["f", "f", "m", "m"], dtype=object)}, ["sex"])
    >>> weights(np.array([True, False, True, True]), cells).tolist()
    [1.5, 0.5, 0.75, 0.75]
    """
    return _by_cell(label, cells)[cells.code, label.astype(np.intp)]


def weights_like(
    label: NDArray[np.bool_], cells: Cells, *, other: NDArray[np.bool_], others: Cells
) -> NDArray[np.float64]:
    """The weights of other rows: those that rows of their group and label have here; 1 where there are none.

    A loss over the other rows is then an estimate of the very loss that the rows are trained on.

    Parameters
    ----------
    label, cells
        As for `weights`.
    other, others
        The other rows' labels, and their groups under the same names.

    Examples
    --------
    >>> from assay.training.mitigation.cells import cells_of
    >>> cells = cells_of({"sex": np.array(["f", "f", "m", "m"], dtype=object)}, ["sex"])
    >>> label = np.array([True, False, True, True])
    >>> weights_like(label, cells, other=np.array([True, False]), others=cells.take(np.array([0, 3]))).tolist()
    [1.5, 1.0]
    """
    known = np.where(_table(label, cells) > 0, _by_cell(label, cells), 1.0)
    return np.asarray(known[others.code, other.astype(np.intp)], dtype=np.float64)


def facts(label: NDArray[np.bool_], cells: Cells) -> list[dict[str, Any]]:
    """The table of weights as plain JSON: one entry for each group and class that some row has."""
    table, weight = _table(label, cells), weights(label, cells)
    found = []
    for place, name in enumerate(cells.names):
        for positive in (False, True):
            rows = int(table[place, int(positive)])
            if rows:
                here = weight[(cells.code == place) & (label == positive)][0]
                found.append({"group": cells.told(name), "positive": positive, "rows": rows, "weight": float(here)})
    return found


def _by_cell(label: NDArray[np.bool_], cells: Cells) -> NDArray[np.float64]:
    """Weights by group and class."""
    table = _table(label, cells)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return np.asarray(expected / np.maximum(table, 1), dtype=np.float64)


def _table(label: NDArray[np.bool_], cells: Cells) -> NDArray[np.float64]:
    """Rows by group and class."""
    flat = np.bincount(cells.code * 2 + label, minlength=2 * len(cells.names))
    return flat.reshape(-1, 2).astype(np.float64)
