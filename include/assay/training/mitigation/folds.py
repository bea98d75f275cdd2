"""Parts of the training rows that are alike in their groups and labels."""

import numpy as np
from numpy.typing import NDArray

from assay.training.mitigation.cells import Cells


def folds(label: NDArray[np.bool_], cells: Cells, *, count: int, seed: int) -> NDArray[np.intp]:
    """Deal the rows out, those of each group and class in a shuffled order.

    Returns
    -------
    ndarray of shape (n,)
        Each row's part, from 0 to `count` - 1.

    Examples
    --------
    >>> from assay.training.mitigation.cells import cells_of
    >>> cells = cells_of({"sex": np.repeat(np.array(["f", "m"], dtype=object), 6)}, ["sex"])
    >>> label = np.arange(12) % 2 == 0
    >>> np.bincount(folds(label, cells, count=3, seed=0)).tolist()
    [4, 4, 4]
    """
    stratum = cells.code * 2 + label
    shuffled = np.random.default_rng([seed, 3]).permutation(len(label))
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    part = np.empty(len(label), dtype=np.intp)
    part[order] = np.arange(len(label)) % count
    return part
