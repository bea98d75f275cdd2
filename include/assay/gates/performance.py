"""Whether the candidate is good enough, and no worse than the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.core import Check, Judgement, Limit, Severity, decide, judge_interval
from assay.gates import distinct_names, each_confidence, require_probabilities
from assay.policy import Performance
from assay.stats.bootstrap import Estimate, Metric, bootstrap, excess_interval, level_interval

_CANDIDATE, _CHAMPION = "candidate", "champion"


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceEvidence:
    """What was measured on the holdout.

    Attributes
    ----------
    rows, positives
        Number of rows, and how many of them are of the positive class.
    levels
        Each metric of the candidate; None where it cannot exist.
    excesses
        How much worse the candidate is than the champion on the same rows (positive is worse);
        None when there is no champion.
    """

    rows: int
    positives: int
    levels: Mapping[Metric, Estimate | None]
    excesses: Mapping[Metric, Estimate | None] | None


def measure(
    *,
    label: NDArray[np.bool_],
    score: NDArray[np.float64],
    champion_score: NDArray[np.float64] | None,
    policy: Performance,
    seed: int,
) -> PerformanceEvidence:
    """Measure the policy's metrics, and how they vary, by bootstrap over the rows.

    Parameters
    ----------
    label : ndarray of shape (n,)
        True for the positive class.
    score : ndarray of shape (n,)
        The candidate's probability of the positive class.
    champion_score : ndarray of shape (n,), optional
        The champion's, on the same rows.
    policy
        Which metrics, and how many draws.
    seed
        Makes the draws repeatable.

    Raises
    ------
    UserError
        When a score is not a number in [0, 1].
    """
    scores = {_CANDIDATE: score} if champion_score is None else {_CANDIDATE: score, _CHAMPION: champion_score}
    require_probabilities(**scores)
    absolute: list[Metric] = [check.metric for check in policy.checks]
    relative: list[Metric] = [check.metric for check in policy.champion]
    metrics = list(dict.fromkeys(absolute + relative))
    resampled = bootstrap(label=label, scores=scores, metrics=metrics, draws=policy.draws, seed=seed)
    excesses = {metric: resampled.excess(_CANDIDATE, _CHAMPION, metric) for metric in relative if _CHAMPION in scores}
    return PerformanceEvidence(
        rows=len(label),
        positives=int(np.count_nonzero(label)),
        levels={metric: resampled.level(_CANDIDATE, metric) for metric in absolute},
        excesses=None if champion_score is None else excesses,
    )


def judge(evidence: PerformanceEvidence, policy: Performance) -> Judgement:
    """Hold every metric against its limit, and its excess over the champion against the margin.

    Non-inferiority is a check named ``<metric>_vs_champion`` whose estimate says how much worse the
    candidate is; without a champion there is no such check.
    """
    relative = policy.champion if evidence.excesses is not None else []
    confidence = each_confidence(policy.confidence, len(policy.checks) + len(relative))
    checks = []
    for name, level in zip(distinct_names([c.metric for c in policy.checks]), policy.checks, strict=True):
        estimate = evidence.levels[level.metric]
        interval = None if estimate is None else level_interval(level.metric, estimate, confidence)
        checks.append(
            _check(name, level.metric, "level", estimate, interval, level.limit, level.severity, evidence, policy)
        )
    for name, rival in zip(_versus([c.metric for c in relative]), relative, strict=True):
        estimate = (evidence.excesses or {})[rival.metric]
        interval = None if estimate is None else excess_interval(estimate, confidence)
        limit = Limit(max=rival.margin)
        checks.append(
            _check(name, rival.metric, "difference", estimate, interval, limit, rival.severity, evidence, policy)
        )
    return Judgement(outcome=decide(checks), checks=tuple(checks))


def _versus(metrics: Sequence[str]) -> list[str]:
    return distinct_names([f"{metric}_vs_champion" for metric in metrics])


def _check(
    name: str,
    metric: Metric,
    compare: str,
    estimate: Estimate | None,
    interval: tuple[float, float] | None,
    limit: Limit,
    severity: Severity,
    evidence: PerformanceEvidence,
    policy: Performance,
) -> Check:
    value = None if estimate is None else estimate.value
    outcome, reason = judge_interval(estimate=value, interval=interval, limit=limit)
    if interval is None:
        reason = _unmeasured(metric, evidence, estimate)
    return Check(
        name=name,
        metric=metric,
        compare=compare,
        estimate=value,
        interval=interval,
        confidence=policy.confidence,
        limit=limit,
        support=evidence.rows,
        severity=severity,
        outcome=outcome,
        reason=reason,
    )


def _unmeasured(metric: Metric, evidence: PerformanceEvidence, estimate: Estimate | None) -> str:
    classes = f"{evidence.positives} positive and {evidence.rows - evidence.positives} negative rows"
    if evidence.rows == 0:
        return "there are no rows to measure on"
    if estimate is None:
        return f"{metric} needs rows of both classes; there are {classes}"
    return (
        f"{metric} is {estimate.value:.4g}, but how sure that is cannot be told from {classes}: too few of one class, "
        "or scores that separate the classes without a single error (look for a feature that gives the label away)"
    )
