"""The groups that rows belong to: each combination of the attributes' values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.core import problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Cells:
    """Which group each of n rows belongs to.

    Attributes
    ----------
    attributes
        The columns that groups are made of.
    names
        Each group's values, one for each attribute, in order. A missing value is a value of its own.
    code : ndarray of shape (n,)
        Each row's position in `names`.
    """

    attributes: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    code: NDArray[np.intp]

    def take(self, rows: NDArray[Any]) -> "Cells":
        """The same groups, for some of the rows."""
        return replace(self, code=self.code[rows])

    def told(self, name: Sequence[str]) -> dict[str, str]:
        """A group as verdicts name it: column to value."""
        return dict(zip(self.attributes, name, strict=True))


def cells_of(groups: Mapping[str, NDArray[np.object_]], attributes: Sequence[str]) -> Cells:
    """Sort rows into groups.

    Parameters
    ----------
    groups
        Column name to n values, as text.
    attributes
        Those of the columns that the groups are made of.

    Raises
    ------
    UserError
        When all rows are of one group, so that there is nothing to be told apart.

    Examples
    --------
    >>> sex = np.array(["f", "m", "f"], dtype=object)
    >>> cells = cells_of({"sex": sex}, ["sex"])
    >>> cells.names, cells.code.tolist()
    ((('f',), ('m',)), [0, 1, 0])
    """
    code, found = pd.MultiIndex.from_arrays([groups[name] for name in attributes]).factorize(sort=True)
    names = tuple(tuple(str(value) for value in each) for each in found)
    if len(names) < 2:
        columns = ", ".join(attributes)
        raise problem(
            "mitigation.attributes", f"all training rows are of one group of {columns}", "name another column"
        )
    return Cells(attributes=tuple(attributes), names=names, code=np.asarray(code, dtype=np.intp))
