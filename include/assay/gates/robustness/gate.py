"""Measure how far a metric falls under each damage, on the same rows, and judge the fall."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import AssayError, Check, Judgement, Limit, Outcome, decide, judge_interval
from assay.gates import attempted, distinct_names, each_confidence, no_probability
from assay.gates.robustness.damage import DAMAGES, Columns, NoTargetError
from assay.policy import Robustness, RobustnessCheck
from assay.stats.estimates import Estimate, excess_interval
from assay.stats.influence import Sample, excess

Score = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float64]]
Key = tuple[str, float, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one damage did to one metric.

    Attributes
    ----------
    drop
        How much worse the metric is than on the clean rows (positive is worse); None when it was
        not measured.
    broken
        Why the model cannot be said to answer at all under this damage; None when it does.
    absent
        Why nothing could be measured; None when something was.
    """

    drop: Estimate | None = None
    broken: str | None = None
    absent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RobustnessEvidence:
    """A finding for every scenario, share and metric that the policy names, and the number of rows."""

    rows: int
    findings: Mapping[Key, Finding]


def measure(
    *,
    score: Score,
    inputs: Columns,
    label: NDArray[np.bool_],
    policy: Robustness,
    seed: int,
) -> RobustnessEvidence:
    """Score the rows clean and damaged, and see how far each metric falls on the same rows.

    Parameters
    ----------
    score
        Columns to n probabilities of the positive class.
    inputs
        Feature name to an array of shape (n, 1): floating for numbers, str objects for text.
    label : ndarray of shape (n,)
        True for the positive class.
    policy
        Which damages, shares and metrics.
    seed
        Makes the damage repeatable. It depends on the seed and on its own name and share only, so
        other checks do not change it.
    """
    rows = len(label)
    if rows == 0:
        return RobustnessEvidence(
            rows=0, findings={_key(check): Finding(absent="there are no rows to measure on") for check in policy.checks}
        )
    clean, flaw = _answers(score, inputs)
    if clean is None:
        broken = Finding(broken=f"on the undamaged rows {flaw}")
        return RobustnessEvidence(rows=rows, findings={_key(check): broken for check in policy.checks})
    findings = {}
    for check in policy.checks:
        findings[_key(check)] = _finding(check, score, inputs, label, clean, seed)
    return RobustnessEvidence(rows=rows, findings=findings)


def judge(evidence: RobustnessEvidence, policy: Robustness, *, attempt: int | None = None) -> Judgement:
    """Hold every fall against its limit.

    A model that fails to answer for a damaged row FAILs; a scenario that cannot apply to the
    model is INCONCLUSIVE, so that the policy gets mended instead of the check passing empty.

    Parameters
    ----------
    evidence
        What `measure` gave for the same policy.
    policy
        The gate's part of a policy.
    attempt
        Which model, counted from 1, this gate measured on these data; None where that is not counted.
    """
    level, budget = attempted(policy.confidence, attempt)
    confidence = each_confidence(level, len(policy.checks))
    names = distinct_names([f"{check.metric}_drop_{check.scenario}" for check in policy.checks])
    checks = [
        _check(name, check, evidence, policy.confidence, confidence)
        for name, check in zip(names, policy.checks, strict=True)
    ]
    return Judgement(outcome=decide(checks), checks=tuple(checks), budget=budget)


def _key(check: RobustnessCheck) -> Key:
    return check.scenario, check.share, check.metric


def _finding(
    check: RobustnessCheck,
    score: Score,
    inputs: Columns,
    label: NDArray[np.bool_],
    clean: NDArray[np.float64],
    seed: int,
) -> Finding:
    random = np.random.default_rng([seed, *f"{check.scenario}:{check.share!r}".encode()])
    try:
        damaged = DAMAGES[check.scenario](inputs, check.share, random)
    except NoTargetError as reason:
        return Finding(absent=f"{check.scenario} does not apply: {reason}")
    if all(_same(damaged[name], cells) for name, cells in inputs.items()):
        return Finding(absent=f"{check.scenario} at {check.share:g} damaged no cell of {len(label)} rows")
    answers, flaw = _answers(score, damaged)
    if answers is None:
        return Finding(broken=f"with {check.scenario} at {check.share:g} {flaw}")
    order = np.lexsort((label, answers, clean))  # sums must not depend on the order in which the rows come
    before, after = (Sample(label=label[order], score=each[order]) for each in (clean, answers))
    drop = excess(check.metric, after, before)
    if drop is None:
        return Finding(absent=f"{check.metric} needs rows of both classes")
    if drop.error is None:
        return Finding(drop=drop, absent=f"how sure {drop.value:.4g} is cannot be told: too few rows of one class")
    return Finding(drop=drop)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _answers(score: Score, columns: Columns) -> tuple[NDArray[np.float64] | None, str]:
    """The scores, or None and what is wrong with them in words."""
    try:
        answers = np.asarray(score(columns), dtype=np.float64)
    except (AssayError, MemoryError):
        raise
    except Exception as error:  # whatever the scorer raises, in service it would be no answer
        return None, f"scoring breaks: {' '.join(str(error).split()) or type(error).__name__}"
    bad = no_probability(answers)
    return (None, f"{bad} of {len(answers)} scores are not a number between 0 and 1") if bad else (answers, "")


def _check(name: str, check: RobustnessCheck, evidence: RobustnessEvidence, confidence: float, each: float) -> Check:
    finding, limit = evidence.findings[_key(check)], Limit(max=check.max_drop)
    interval = None if finding.drop is None else excess_interval(finding.drop, each)
    estimate = None if finding.drop is None else finding.drop.value
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=limit)
    if finding.broken is not None:
        outcome, reason = Outcome.FAIL, finding.broken
    elif finding.absent is not None:
        outcome, reason = Outcome.INCONCLUSIVE, finding.absent
    return Check(
        name=name,
        metric=check.metric,
        compare="difference",
        estimate=estimate,
        interval=interval,
        confidence=confidence,
        limit=limit,
        support=evidence.rows,
        severity=check.severity,
        outcome=outcome,
        reason=reason,
    )
