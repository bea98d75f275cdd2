"""How long the served model takes to answer."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
Model = Callable[[Columns], object]

CALLS = 2000
"""Most calls that are timed: enough for a 99th percentile among twenty checks."""

_WARM_UP, _SECONDS = 20, 10.0  # calls before the first that counts; and after so long no more are begun


def call_times(model: Model, inputs: Columns, rows: int) -> NDArray[np.float64]:
    """Milliseconds of single calls with so many rows each, other rows every time.

    Parameters
    ----------
    model
        Columns to scores.
    inputs
        Column to an array whose first axis are n rows; what is taken out of it comes as the rows come.
    rows
        How many rows a call has; they begin anew where there are fewer.
    """
    n = len(next(iter(inputs.values())))
    begun, found = perf_counter(), []
    for call in range(_WARM_UP + CALLS):
        asked = {name: cells.take(_window(call, rows, n), axis=0) for name, cells in inputs.items()}
        start = perf_counter()
        model(asked)
        end = perf_counter()
        found.append(1000 * (end - start))
        if end - begun > _SECONDS:
            break
    return np.array(found[min(_WARM_UP, len(found) - 1) :])


def _window(call: int, rows: int, n: int) -> NDArray[np.intp]:
    return np.arange(call * rows, (call + 1) * rows) % n
