"""Measure: one pass over the rows, by group."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, Problem, UserError, did_you_mean
from assay.gates import no_weight, require_probabilities
from assay.gates._slices import Coded, coded
from assay.gates.fairness.coding import Joined, code_columns, join, join_attributes
from assay.gates.fairness.counts import FairnessEvidence, Rows, named, tabulate, tabulate_pairs
from assay.gates.fairness.errors import summarise_errors
from assay.policy import Fairness

Attribute = tuple[str, ...]
_SHOWN = 6
_WEIGHT = "a weight is 0 or between 1e-100 and 1e100"


def measure(
    *,
    label: NDArray[Any],
    prediction: NDArray[Any],
    groups: Mapping[str, NDArray[Any]],
    policy: Fairness,
    score: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
    times: NDArray[np.int64] | None = None,
    before: NDArray[np.bool_] | None = None,
) -> FairnessEvidence:
    """Count each group's rows by label and prediction.

    Parameters
    ----------
    label, prediction : ndarray of shape (n,)
        True for the positive class. Where the policy declares classes, each row's class; where its
        metrics are those of numbers, a number.
    groups
        Column to n values; None and NaN make a group of their own, ``(missing)``.
    policy
        Which columns, alone and together. Of combinations, those that occur are groups.
    score : ndarray of shape (n,), optional
        Probability of the positive class; needed by the checks on scores.
    weights : ndarray of shape (n,), optional
        How much each row counts, finite and not negative; 1 without them.
    times : ndarray of shape (n,), optional
        How many rows each of these stands for, 1 without them; only for rows of classes without weights.
    before : ndarray of shape (n,), optional
        What an earlier model decided for the same rows, True for the positive class.

    Raises
    ------
    UserError
        Listing the columns that `groups` lacks, that have too many values or cannot be cut, combinations
        with too many groups, classes that never occur, labels and predictions that are no classes or no
        numbers, checks that need a score where there is none, and weights that are none; or when a
        score is no probability.
    ValueError
        When there are `times` beside scores, weights or numbers, or `before` with anything but two classes.
    """
    several = policy.classes is not None or policy.numeric
    if times is not None and (score is not None or weights is not None or policy.numeric):
        raise ValueError("rows that stand for several have neither scores nor weights, and are of classes")
    if several and (before is not None or score is not None):
        raise ValueError("scores and earlier decisions are of two classes")
    columns, joined, problems = _groups(groups, policy)
    problems += [*_no_scores(policy, score), *_wrong_weights(weights), *wrong_targets(label, prediction, policy)]
    if problems:
        raise UserError("gates.fairness", problems)
    if score is not None:
        require_probabilities(score=score)
    if policy.numeric:
        return _numbers(label, prediction, joined, weights)
    if policy.classes is None:
        rows = Rows(label=label, prediction=prediction, score=score, weights=weights, times=times)
        return _binary(rows, columns, joined, policy, before)
    actual, decided = coded(label), coded(prediction)
    one_by_one = {}
    for name in map(str, policy.classes):
        rows = Rows(label=_is(actual, name), prediction=_is(decided, name), weights=weights, times=times)
        one_by_one[name] = _binary(rows, columns, joined, policy)
    return FairnessEvidence(attributes={}, classes=one_by_one)


def _numbers(
    label: NDArray[Any],
    prediction: NDArray[Any],
    joined: Mapping[Attribute, Joined],
    weights: NDArray[np.float64] | None,
) -> FairnessEvidence:
    error = np.asarray(prediction, dtype=np.float64) - np.asarray(label, dtype=np.float64)
    return FairnessEvidence(
        attributes={
            "*".join(names): summarise_errors(named(names, found), found.codes, error, weights)
            for names, found in joined.items()
        }
    )


def _binary(
    rows: Rows,
    columns: Mapping[str, Coded],
    joined: Mapping[Attribute, Joined],
    policy: Fairness,
    before: NDArray[np.bool_] | None = None,
) -> FairnessEvidence:
    return FairnessEvidence(
        attributes={"*".join(names): tabulate(names, found, rows) for names, found in joined.items()},
        strata={
            ("*".join(names), within): tabulate(cut, join([columns[name] for name in cut]), rows)
            for names in joined
            for within in dict.fromkeys(check.within for check in policy.checks_on(names))
            if within is not None and (cut := (*names, within))
        },
        pairs={
            "*".join(names): tabulate_pairs(names, found, rows, before)
            for names, found in joined.items()
            if before is not None
        },
    )


def require_groups(groups: Mapping[str, NDArray[Any]], policy: Fairness) -> None:
    """Refuse columns that cannot be compared by, before anything is measured.

    Raises
    ------
    UserError
        Listing the policy's columns that `groups` lacks, that have too many values or cannot be cut, and
        combinations with too many groups.
    """
    *_, problems = _groups(groups, policy)
    if problems:
        raise UserError("gates.fairness.groups", problems)


def _groups(
    groups: Mapping[str, NDArray[Any]], policy: Fairness
) -> tuple[dict[str, Coded], dict[Attribute, Joined], list[Problem]]:
    columns, problems = code_columns(groups, policy)
    joined, more = join_attributes(columns, policy)
    return columns, joined, problems + more


def wrong_targets(
    label: NDArray[Any],
    prediction: NDArray[Any],
    policy: Fairness,
    names: tuple[str, str] = ("label", "prediction"),
) -> list[Problem]:
    """What is wrong with labels and predictions, called by these names, that are numbers or of several classes."""
    if policy.numeric:
        return [
            Problem(path=path, message=f"is not a finite number in {bad} of {len(values)} rows")
            for path, values in zip(names, (label, prediction), strict=True)
            if (bad := int(np.count_nonzero(~np.isfinite(np.asarray(values, dtype=np.float64)))))
        ]
    if policy.classes is None or not len(label):
        return []
    known, predicted = coded(label).names, coded(prediction).names
    problems = [
        Problem(path=path, message="has rows without a value", mend="leave such rows out")
        for path, found in zip(names, (known, predicted), strict=True)
        if MISSING in found
    ]
    problems += [
        Problem(
            path="gates.fairness.classes", message=f'"{name}" never occurs in {names[0]}', mend=_nearest(name, known)
        )
        for name in map(str, policy.classes)
        if name not in known
    ]
    if strangers := sorted({*predicted} - {*known, MISSING}):
        shown = ", ".join(strangers[:_SHOWN]) + (", ..." if len(strangers) > _SHOWN else "")
        mend = "write labels and predictions in the same words"
        problems.append(Problem(path=names[1], message=f"holds classes that {names[0]} does not: {shown}", mend=mend))
    return problems


def _nearest(name: str, known: list[str]) -> str:
    return did_you_mean(name, known) if len(known) <= _SHOWN or did_you_mean(name, known).startswith("did") else ""


def _is(classes: Coded, name: str) -> NDArray[np.bool_]:
    wanted = np.array([each == name for each in classes.names], dtype=np.bool_)
    found: NDArray[np.bool_] = wanted[classes.codes]
    return found


def _no_scores(policy: Fairness, score: NDArray[np.float64] | None) -> list[Problem]:
    if not policy.scored or score is not None:
        return []
    needing = ", ".join(dict.fromkeys(check.metric for check in policy.checks if check.scored))
    return [Problem(path="gates.fairness.checks", message=f"{needing}: needs scores", mend="give a score")]


def _wrong_weights(weights: NDArray[np.float64] | None) -> list[Problem]:
    if weights is None:
        return []
    if bad := no_weight(weights):
        return [Problem(path="weights", message=f"{bad} of {len(weights)} are negative or no number", mend=_WEIGHT)]
    return [Problem(path="weights", message="are all 0")] if len(weights) and not weights.any() else []
