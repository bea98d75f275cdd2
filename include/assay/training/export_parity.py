"""How far two forms of a model may be apart."""

import numpy as np
from numpy.typing import NDArray

PARITY = 1e-5
"""Largest difference allowed between scikit-learn's and ONNX Runtime's probability."""


def parity_gap(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Return the largest absolute difference between two forms' scores of n rows; NaN when one is NaN."""
    return float(np.max(np.abs(expected - found), initial=0.0))
