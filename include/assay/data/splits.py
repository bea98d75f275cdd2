"""Which rows are held out: a function of a row's key and of nothing else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PANDAS_HASH_KEY = "assay.holdout.v1"  # pandas wants 16 bytes
_GAMMA, _MIX_1, _MIX_2 = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def holdout_mask(keys: Any, share: float) -> NDArray[np.bool_]:
    """Choose about `share` of the rows by a hash of their keys.

    A row keeps its side whatever other rows come, go or change places, so that a model never meets
    in a later holdout what an earlier one was trained on. A larger share holds all of a smaller one.

    Parameters
    ----------
    keys
        Arrow array, NumPy array or sequence of n integers or strings, without nulls.
    share
        In (0, 1).

    Returns
    -------
    ndarray of shape (n,)
        True for held-out rows.

    Raises
    ------
    ValueError
        When `share` is outside (0, 1) or a key is null.

    References
    ----------
    Steele, Lea and Flood (2014), Fast Splittable Pseudorandom Number Generators, OOPSLA: the mixing
    function, used here for integers.

    Examples
    --------
    >>> holdout_mask([1, 2, 3, 4, 5, 6], 0.5).tolist()
    [False, False, True, True, True, False]
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    return np.asarray(uniform(hashes(keys)) < share, dtype=np.bool_)


def uniform(hashed: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Hashes as numbers in [0, 1)."""
    return (hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hashes(keys: Any) -> NDArray[np.uint64]:
    """A hash of each value, of shape (n,), the same in every release.

    Raises
    ------
    ValueError
        When a value is null.
    """
    import pyarrow as pa

    column = keys if isinstance(keys, (pa.Array, pa.ChunkedArray)) else pa.array(keys)
    if column.null_count:
        raise ValueError("a key is null")
    if pa.types.is_integer(column.type):
        return mixed(column.to_numpy(zero_copy_only=False).astype(np.uint64))
    from pandas.util import hash_array

    texts = column.cast(pa.string()).to_numpy(zero_copy_only=False)
    return np.asarray(hash_array(texts, hash_key=_PANDAS_HASH_KEY, categorize=False), dtype=np.uint64)


def mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of each number in every bit of its result."""
    state = state + _GAMMA
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
