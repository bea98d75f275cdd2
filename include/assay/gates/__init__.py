"""The gates. Each has `measure(...) -> Evidence`, which does the work, and a pure `judge(evidence, policy)`.

Every interval that a gate judges by is widened so that all of them together hold their quantities
with the policy's `confidence` (Bonferroni over the gate's checks). That joint level is what a
check's `confidence` field reports: adding checks never makes a false PASS more likely. It holds over
all attempts on the same snapshot, too: the k-th is judged at a higher level, see `attempted`.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.core import Budget, Problem, UserError
from assay.stats.intervals import SUREST
from assay.stats.simultaneous import attempt_alpha


def each_confidence(confidence: float, checks: int) -> float:
    """Level of each single interval such that `checks` of them hold together at `confidence`.

    Examples
    --------
    >>> round(each_confidence(0.95, 5), 4)
    0.99
    """
    return min(SUREST, 1 - (1 - confidence) / max(1, checks))


def attempted(confidence: float, attempt: int | None) -> tuple[float, Budget | None]:
    """The level at which an attempt's intervals must hold together, and what it thereby spends.

    Parameters
    ----------
    confidence
        What the gate keeps over all attempts.
    attempt
        Counted from 1; None where attempts are not counted, which leaves `confidence` as it is.

    Examples
    --------
    >>> [round(attempted(0.95, attempt)[0], 4) for attempt in (None, 1, 2, 10)]
    [0.95, 0.9696, 0.9924, 0.9997]
    """
    if attempt is None:
        return confidence, None
    level = min(SUREST, 1 - attempt_alpha(min(SUREST, 1 - confidence), attempt))
    return level, Budget(attempt=attempt, confidence=confidence, level=level)


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names with the second and later uses of one numbered, since a check is known by its name.

    Examples
    --------
    >>> distinct_names(["auc", "brier", "auc"])
    ['auc', 'brier', 'auc_2']
    """
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def no_probability(score: NDArray[np.float64]) -> int:
    """How many scores are not a number in [0, 1]."""
    return int(np.count_nonzero(~((score >= 0) & (score <= 1))))


def no_weight(weights: NDArray[np.float64]) -> int:
    """How many weights are neither 0 nor a number in [1e-100, 1e100], whose squares can be summed."""
    return int(np.count_nonzero(~((weights == 0) | ((weights >= _LIGHTEST) & (weights <= _HEAVIEST)))))


_LIGHTEST, _HEAVIEST = 1e-100, 1e100  # sums of their squares are neither lost to rounding nor infinite


def require_probabilities(**scores: NDArray[np.float64]) -> None:
    """Refuse scores that are no probabilities.

    Raises
    ------
    UserError
        Naming every array with such scores and how many of them there are.
    """
    problems = [
        Problem(
            path=name,
            message=f"{count} of {len(score)} values are not a number between 0 and 1",
            mend="a score is the probability of the positive class",
        )
        for name, score in scores.items()
        if (count := no_probability(score))
    ]
    if problems:
        raise UserError("scores", problems)
