"""What an attempt spends of the error that a gate may make over all its attempts on the same data."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The part of a gate's budget of error that one verdict spent.

    Attributes
    ----------
    attempt
        k, when the model is the k-th that this gate measured on the same snapshot; counted from 1.
    confidence
        Level in (0, 1) that the gate keeps over all its attempts together: the policy's.
    level
        Level in (0, 1) at which all intervals of this attempt hold together; above `confidence`.
    """

    attempt: int
    confidence: float
    level: float
