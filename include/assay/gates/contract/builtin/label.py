"""Which rows are positive, and how many."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.table import Table

Positive = str | int | bool | None
_SPELLINGS = {"true": "1", "false": "0"}
_MOST = 1000  # a label with more classes than this is none


def spelling(value: object) -> str:
    """One spelling for what is the same class, as the gate commands take them: 1 is 1.0 and true.

    Examples
    --------
    >>> [spelling(value) for value in (True, 1.0, "1", ">50K")]
    ['1', '1', '1', '>50K']
    """
    text = str(value)
    text = _SPELLINGS.get(text.lower(), text)
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def classes(table: Table, label: str | None) -> dict[str, int]:
    """How many rows each class has, missing labels left out; nothing where there is no such column."""
    column = table.column(label) if label is not None else None
    if column is None:
        return {}
    asked = f"SELECT CAST({column.value} AS VARCHAR) AS v, count(*) FROM {{rows}} GROUP BY 1 ORDER BY 2 DESC, 1"
    found: dict[str, int] = {}
    for value, count in table.ask(f"{asked} LIMIT {_MOST}"):
        if value is not None:
            found[spelling(value)] = found.get(spelling(value), 0) + int(count)
    return found


def positive_class(counts: Mapping[str, int], positive: Positive) -> str | None:
    """The class that counts as positive: the one that was named, else the rarer of two."""
    if positive is not None:
        return spelling(positive)
    return min(counts, key=lambda each: (counts[each], each)) if len(counts) == 2 else None


def labelled(values: Values, positive: str) -> NDArray[np.int8]:
    """1 for a positive row, 0 for a negative one, -1 for one without a label; shape (rows,)."""
    if values.numbers is not None:
        distinct, places = np.unique(values.numbers, return_inverse=True)
        is_positive = np.array([spelling(number) == positive for number in distinct], dtype=np.bool_)
        return np.where(np.isnan(values.numbers), -1, is_positive[places]).astype(np.int8)
    assert values.codes is not None
    known = np.array([spelling(text) == positive for text in values.texts] + [False])
    return np.where(values.codes < 0, -1, known[values.codes]).astype(np.int8)
