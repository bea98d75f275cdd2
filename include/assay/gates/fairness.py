"""Whether the candidate's decisions differ between groups of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import (
    Check,
    Group,
    GroupMetrics,
    Judgement,
    Measured,
    Outcome,
    Problem,
    UserError,
    decide,
    did_you_mean,
    judge_interval,
)
from assay.gates import MISSING, distinct_names, each_confidence, require_probabilities
from assay.policy import Fairness, FairnessCheck
from assay.stats.intervals import (
    Spread,
    mover_ratio,
    newcombe_difference,
    normal_quantile,
    pair_confidence,
    range_difference,
    range_ratio,
    wilson,
)

_ALL = ("tp", "fp", "fn", "tn")
# A rate is the number of rows of the first kinds among the rows of the second, which bear the third name.
_RATES = {
    "selection_rate": (("tp", "fp"), _ALL, "rows"),
    "tpr": (("tp",), ("tp", "fn"), "positives"),
    "fpr": (("fp",), ("fp", "tn"), "negatives"),
    "base_rate": (("tp", "fn"), _ALL, "rows"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupCounts:
    """One group's rows by label and prediction, and its scores' mean and standard deviation."""

    group: Group
    tp: int
    fp: int
    fn: int
    tn: int
    score: tuple[float, float] | None = None

    def of(self, kinds: Sequence[str]) -> int:
        """Number of rows of these kinds together."""
        return sum(getattr(self, kind) for kind in kinds)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.of(_ALL)

    def __str__(self) -> str:
        return ", ".join(f"{column}={value}" for column, value in self.group.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class FairnessEvidence:
    """The groups of every attribute; an attribute is a column, or several joined by ``*``."""

    attributes: Mapping[str, Sequence[GroupCounts]]


def measure(
    *,
    label: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    groups: Mapping[str, NDArray[Any]],
    policy: Fairness,
    score: NDArray[np.float64] | None = None,
) -> FairnessEvidence:
    """Count each group's rows by label and prediction.

    Parameters
    ----------
    label, prediction : ndarray of shape (n,)
        True for the positive class.
    groups
        Column to n values; None and NaN make a group of their own, ``(missing)``.
    policy
        Which columns, alone and together. Of combinations, those that occur are groups.
    score : ndarray of shape (n,), optional
        Probability of the positive class; its mean is reported by group, not judged.

    Raises
    ------
    UserError
        Listing the policy's columns that `groups` lacks; or when a score is no probability.
    """
    wanted = list(dict.fromkeys(column for attribute in policy.attributes for column in attribute))
    unknown = [column for column in wanted if column not in groups]
    if unknown:
        problems = [
            Problem(path=column, message="no such group column", mend=did_you_mean(column, groups))
            for column in unknown
        ]
        raise UserError("gates.fairness.groups", problems)
    if score is not None:
        require_probabilities(score=score)
    coded = {column: np.unique(_texts(groups[column]), return_inverse=True) for column in wanted}
    kind = np.where(label, np.where(prediction, 0, 2), np.where(prediction, 1, 3))  # positions in _ALL
    return FairnessEvidence(
        attributes={"*".join(columns): _table(columns, coded, kind, score) for columns in policy.attributes}
    )


def judge(evidence: FairnessEvidence, policy: Fairness) -> Judgement:
    """Hold, for every attribute, the spread of each rate over its groups against the limit.

    A group that is too small, or lacks the rows that a rate is made of, is never left out in
    silence: it makes the check INCONCLUSIVE, unless the other groups alone already prove the FAIL
    (one more group can only widen a difference and lower a ratio).
    """
    names = distinct_names([f"{check.metric}_{check.compare}" for check in policy.checks])
    confidence = each_confidence(policy.confidence, len(policy.checks) * len(evidence.attributes))
    checks = [
        _check(name, check, attribute, groups, policy, confidence)
        for attribute, groups in evidence.attributes.items()
        for name, check in zip(names, policy.checks, strict=True)
    ]
    measured = [_metrics(group, policy.confidence) for groups in evidence.attributes.values() for group in groups]
    return Judgement(outcome=decide(checks), checks=tuple(checks), groups=tuple(measured))


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "U":
        return values
    return np.array([MISSING if value is None or value != value else str(value) for value in values], dtype=np.str_)


def _table(
    columns: Sequence[str],
    coded: Mapping[str, tuple[NDArray[Any], NDArray[np.intp]]],
    kind: NDArray[np.intp],
    score: NDArray[np.float64] | None,
) -> tuple[GroupCounts, ...]:
    codes = np.stack([coded[column][1] for column in columns], axis=1)
    present, group = np.unique(codes, axis=0, return_inverse=True)
    counts = np.bincount(group * 4 + kind, minlength=4 * len(present)).reshape(-1, 4)
    return tuple(
        GroupCounts(
            group={column: str(coded[column][0][code]) for column, code in zip(columns, present[row], strict=True)},
            **dict(zip(_ALL, map(int, counts[row]), strict=True)),
            score=None if score is None else _moments(score[group == row]),
        )
        for row in range(len(present))
    )


def _moments(score: NDArray[np.float64]) -> tuple[float, float]:
    ordered = np.sort(score)  # so that the sum does not depend on the order of rows
    return float(ordered.mean()), float(ordered.std())


def _check(
    name: str,
    check: FairnessCheck,
    attribute: str,
    groups: Sequence[GroupCounts],
    policy: Fairness,
    confidence: float,
) -> Check:
    part, whole, _ = _RATES[check.metric]
    usable = [group for group in groups if _flaw(group, check.metric, policy.min_group_size) is None]
    spread = _spread(check.compare, usable, part, whole, confidence)
    extremes = [] if spread is None else [usable[spread.highest], usable[spread.lowest]]
    exists = spread is not None and not np.isnan(spread.estimate)
    estimate = spread.estimate if spread is not None and exists else None
    interval = (spread.low, spread.high) if spread is not None and exists else None
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=check.limit)
    flaws = [flaw for group in groups if (flaw := _flaw(group, check.metric, policy.min_group_size))]
    if interval is None:
        reason = _why_nothing(attribute, groups, usable)
    elif outcome is Outcome.INCONCLUSIVE:
        reason += _detectable(check, extremes, pair_confidence(len(usable), confidence))
    if flaws:
        proven = outcome is Outcome.FAIL and _widens(check, interval)
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        reason += f"; not measured: {'; '.join(flaws)}"
    return Check(
        name=name,
        metric=check.metric,
        compare=check.compare,
        attribute=attribute,
        groups=[group.group for group in extremes] or None,
        estimate=estimate,
        interval=interval,
        confidence=policy.confidence,
        limit=check.limit,
        support=min((group.of(whole) for group in extremes), default=None),
        severity=check.severity,
        outcome=outcome,
        reason=reason,
    )


def _flaw(group: GroupCounts, metric: str, smallest: int) -> str | None:
    """Why a group has no such rate, or None when it has."""
    _, whole, kind = _RATES[metric]
    if group.n < smallest:
        return f"{group} has {group.n} rows, fewer than {smallest}"
    return None if group.of(whole) else f"{group} has no {kind} among {group.n} rows"


def _spread(
    compare: str, groups: Sequence[GroupCounts], part: Sequence[str], whole: Sequence[str], confidence: float
) -> Spread | None:
    if len(groups) < 2:
        return None
    method = range_difference if compare == "difference" else range_ratio
    return method([group.of(part) for group in groups], [group.of(whole) for group in groups], confidence)


def _widens(check: FairnessCheck, interval: tuple[float, float] | None) -> bool:
    """Whether the limit is broken on the side to which further groups can only add."""
    if interval is None:
        return False
    if check.compare == "difference":
        return check.max is not None and interval[0] > check.max
    return check.min is not None and interval[1] < check.min


def _why_nothing(attribute: str, groups: Sequence[GroupCounts], usable: Sequence[GroupCounts]) -> str:
    if not groups:
        return "there are no rows to measure on"
    if len(groups) == 1:
        return f"{attribute} has only one group ({groups[0]}, {groups[0].n} rows): there is nothing to compare"
    if len(usable) < 2:
        return f"{len(usable)} of {len(groups)} groups can be measured: there is nothing to compare"
    return "the rate is 0 in every group that can be measured, so a ratio does not exist"


def _detectable(check: FairnessCheck, extremes: Sequence[GroupCounts], confidence: float) -> str:
    """The smallest gap that groups of these sizes could have shown.

    It is the far end of the interval that the two extreme groups would get, were both at their
    common rate: anything nearer to equality looks like equality.
    """
    part, whole, kind = _RATES[check.metric]
    sizes = [group.of(whole) for group in extremes]
    common = sum(group.of(part) for group in extremes) / sum(sizes)
    counts = (common * sizes[0], sizes[0], common * sizes[1], sizes[1], confidence)
    sides = " and ".join(f"{size} {kind} ({group})" for size, group in zip(sizes, extremes, strict=True))
    if check.compare == "difference":
        gap = f"a difference above {float(newcombe_difference(*counts).high):.2g}"
    else:
        gap = f"a ratio below {float(mover_ratio(*counts).low):.2g}"
    return f". With {sides}, only {gap} can be told from equal rates"


def _metrics(group: GroupCounts, confidence: float) -> GroupMetrics:
    """Every rate of a group, each with its own Wilson interval at `confidence`."""
    metrics = {name: _rate(group.of(part), group.of(whole), confidence) for name, (part, whole, _) in _RATES.items()}
    if group.score is not None:
        mean, deviation = group.score
        half = normal_quantile(confidence) * deviation / group.n**0.5
        interval = (max(0.0, mean - half), min(1.0, mean + half)) if group.n > 1 else None
        metrics["mean_score"] = Measured(estimate=mean, interval=interval, support=group.n)
    return GroupMetrics(group=group.group, n=group.n, metrics=metrics)


def _rate(part: int, whole: int, confidence: float) -> Measured:
    if whole == 0:
        return Measured(estimate=None, interval=None, support=0)
    low, high = wilson(part, whole, confidence)
    return Measured(estimate=part / whole, interval=(float(low), float(high)), support=whole)
