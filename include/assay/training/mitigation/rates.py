"""How the groups' rates differ at some decisions, and which groups are large enough to be asked."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from assay.policy import Parity, Target
from assay.training.mitigation.cells import Cells

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

MIN_CASES = 30
"""Rows of each class that a group must have for its rates to be compared."""

RATES: Mapping[Target | Parity, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("tpr",),
    "true_positive_rate_parity": ("tpr",),
    "false_positive_rate_parity": ("fpr",),
    "equalized_odds": ("tpr", "fpr"),
}
"""What must be alike under each goal."""


def class_counts(label: Bools, cells: Cells) -> NDArray[np.intp]:
    """Rows by group and class: shape (groups, 2), negatives first."""
    return np.bincount(cells.code * 2 + label, minlength=2 * len(cells.names)).reshape(-1, 2)


def large_enough(label: Bools, cells: Cells) -> Bools:
    """Which groups have `MIN_CASES` rows of each class."""
    return np.asarray((class_counts(label, cells) >= MIN_CASES).all(axis=1), dtype=np.bool_)


def rates(goal: Target | Parity, *, chosen: Floats, totals: Floats) -> Floats:
    """The rates that a goal wants alike.

    Parameters
    ----------
    goal
        One of `RATES`.
    chosen, totals : ndarray of shape (..., 2)
        Rows decided for, and all rows: negatives, then positives.

    Returns
    -------
    ndarray of shape (rates, ...)

    Examples
    --------
    >>> rates("equalized_odds", chosen=np.array([2.0, 3.0]), totals=np.array([8.0, 4.0])).tolist()
    [0.75, 0.25]
    """
    by_name = {
        "selection_rate": chosen.sum(axis=-1) / totals.sum(axis=-1),
        "tpr": chosen[..., 1] / totals[..., 1],
        "fpr": chosen[..., 0] / totals[..., 0],
    }
    return np.stack([by_name[name] for name in RATES[goal]])


def gap(goal: Target | Parity, decided: Bools, label: Bools, cells: Cells) -> float:
    """The largest difference between two large groups in any of the goal's rates."""
    large = large_enough(label, cells)
    totals = class_counts(label, cells)[large].astype(np.float64)
    chosen = class_counts(label[decided], cells.take(decided))[large].astype(np.float64)
    return float(np.ptp(rates(goal, chosen=chosen, totals=totals), axis=1).max())
