"""Metrics of decisions: functions of how many rows have which label and which decision."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Each takes the counts of true positives, false positives, false negatives and true negatives, arrays
# of one shape, and is named and defined as scikit-learn's scorer of two classes.
_Metric = Callable[[Floats, Floats, Floats, Floats], Floats]


def _f1(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    return 2 * tp / (2 * tp + fp + fn)


def _jaccard(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    return tp / (tp + fp + fn)


def _precision(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    return tp / (tp + fp)


def _recall(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    return tp / (tp + fn)


def _micro_jaccard(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    return (tp + tn) / (tp + tn + 2 * (fp + fn))


def _matthews(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    product: Floats = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / product


def _macro(one: _Metric) -> _Metric:
    """The mean over both classes, each taken once as the positive one."""
    return lambda tp, fp, fn, tn: (one(tp, fp, fn, tn) + one(tn, fn, fp, tp)) / 2


def _weighted(one: _Metric) -> _Metric:
    """As `_macro`, by how many rows are of either class."""

    def both(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
        positive = (tp + fn) / (tp + fp + fn + tn)
        return positive * one(tp, fp, fn, tn) + (1 - positive) * one(tn, fn, fp, tp)

    return both


CONFUSION: Mapping[str, _Metric] = {
    "balanced_accuracy": _macro(_recall),
    "f1": _f1,
    "f1_macro": _macro(_f1),
    "f1_weighted": _weighted(_f1),
    "jaccard": _jaccard,
    "jaccard_macro": _macro(_jaccard),
    "jaccard_micro": _micro_jaccard,
    "jaccard_weighted": _weighted(_jaccard),
    "matthews_corrcoef": _matthews,
    "neg_negative_likelihood_ratio": lambda tp, fp, fn, tn: -(fn / (tp + fn)) / (tn / (tn + fp)),
    "positive_likelihood_ratio": lambda tp, fp, fn, tn: (tp / (tp + fn)) / (fp / (tn + fp)),
    "precision_macro": _macro(_precision),
    "precision_weighted": _weighted(_precision),
    "recall_macro": _macro(_recall),
}

# Plain rates: the cells (in the order tp, fp, fn, tn) of their part, and of what it is counted among.
_ALL = (0, 1, 2, 3)
RATES: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    **dict.fromkeys(("accuracy", "f1_micro", "precision_micro", "recall_micro", "recall_weighted"), ((0, 3), _ALL)),
    "precision": ((0,), (0, 1)),
    "recall": ((0,), (0, 2)),
}


def cells(label: NDArray[np.bool_], decided: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each row its cell: 0 true positive, 1 false positive, 2 false negative, 3 true negative."""
    found: NDArray[np.intp] = 2 * (~decided).astype(np.intp) + (~label)
    return found


def gradient(metric: str, counts: Floats) -> tuple[float, Floats]:
    """A metric of four counts, and how fast it grows with each of them; NaN where it does not exist.

    The slope is read off a step into the complex plane, which is exact to rounding.

    References
    ----------
    W. Squire, G. Trapp (1998), Using complex variables to estimate derivatives of real functions.
    SIAM Review 40, 110-112.

    Examples
    --------
    >>> value, slope = gradient("f1", np.array([3.0, 1.0, 1.0, 5.0]))
    >>> value, slope.round(4).tolist()
    (0.75, [0.0625, -0.0938, -0.0938, 0.0])
    """
    step = 1e-30
    stepped = counts.astype(np.complex128)[:, None] + 1j * step * np.eye(4)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, found = CONFUSION[metric](*counts), CONFUSION[metric](*stepped)
    return float(value), np.asarray(found.imag / step, dtype=np.float64)
