"""Judge a rollout. Pure: the evidence comes in as arrays, the decision goes out."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Check, Limit, Outcome, judge_interval
from assay.rollout.records import RolloutRow
from assay.stats.sequential import mean_bounds

# The comparison and the error rate are each watched by one confidence sequence.
WATCHED = 2


class Decision(StrEnum):
    """What to do with a rollout now."""

    WAIT = "WAIT"
    ADVANCE = "ADVANCE"
    PROMOTE = "PROMOTE"
    ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutEvidence:
    """What a rollout has shown since it began.

    Attributes
    ----------
    losses : ndarray of shape (n,)
        One entry per labelled row that both versions were asked to score, in the order in which the
        labels came. With a champion, the canary's squared error minus the champion's, in [-1, 1];
        without, the canary's own, in [0, 1]. A version that failed to score a row has the error 1.
    errors : ndarray of shape (r,)
        One entry per row that the canary was asked to score: 1 where it failed, else 0.
    stage_labels, stage_served
        Labelled rows predicted in this stage, and how many of them the canary served.
    """

    losses: NDArray[np.float64]
    errors: NDArray[np.float64]
    stage_labels: int
    stage_served: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """A decision about a rollout, and all that it rests on.

    Attributes
    ----------
    epoch
        The epoch that was judged; the move must name it.
    decision, reason
        What to do, and why in words.
    checks
        The watched quantities with their intervals.
    labels, labels_needed
        Labelled rows of this stage, so far and needed.
    labels_total
        Labelled rows since the rollout began.
    stage_served
        Labelled rows of this stage that the canary served.
    scored, failed
        Rows that the canary was asked to score since the rollout began, and how many it failed.
    at
        When it was judged.
    """

    rollout_id: int
    model: str
    version: int
    epoch: int
    stage: str
    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    labels: int
    labels_needed: int
    labels_total: int
    stage_served: int
    scored: int
    failed: int
    at: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        data = asdict(self)
        data["decision"] = str(self.decision)
        for raw in data["checks"]:
            raw["outcome"] = str(raw["outcome"])
        return data


def judge(rollout: RolloutRow, evidence: RolloutEvidence, *, now: str) -> Assessment:
    """Decide what to do with a rollout.

    ADVANCE, and from the last stage PROMOTE, needs the whole interval of the comparison below its
    limit and `min_labels` labelled rows predicted in this stage; beside a champion, at least one of
    them served by the canary as soon as it has a share. ROLLBACK follows when a whole interval lies
    above its limit, or at the deadline. All else is WAIT.

    Of the labelled rows only one need be the canary's own because both versions score every row: at
    5 % a stage needs `min_labels` rows, not twenty times as many, and cannot starve.

    What is guaranteed: let the canary's expected excess loss, given all that came before, be at least
    `margin` on every row (or its expected loss at least `max_brier` where there is no champion). Then
    the chance that this function *ever* answers ADVANCE or PROMOTE, however often it is called, is at
    most ``alpha / 4``; the chance that a canary within its limits is ever rolled back on evidence is at
    most ``alpha / 2``. (`alpha` is split evenly over the two watched sequences, and each sequence's
    share evenly over its two sides.) What is not: the comparison is paired on the same rows, so it does
    not see what acting on the canary's predictions does to the world; labels that come only for some
    rows speak for those rows alone; and a canary that is good at first and turns bad is noticed only
    once the later rows outweigh the earlier.

    Parameters
    ----------
    rollout
        An active rollout.
    evidence
        What it has shown.
    now
        UTC time, ISO 8601.
    """
    comparison = _watch_losses(rollout, evidence.losses)
    errors = _watch_errors(rollout, evidence.errors)
    decision, reason = _decide(rollout, evidence, comparison, errors, now)
    return Assessment(
        rollout_id=rollout.id,
        model=rollout.model,
        version=rollout.version,
        epoch=rollout.epoch,
        stage=rollout.stage_name,
        decision=decision,
        reason=reason,
        checks=(comparison, errors),
        labels=evidence.stage_labels,
        labels_needed=rollout.policy.min_labels,
        labels_total=int(evidence.losses.size),
        stage_served=evidence.stage_served,
        scored=int(evidence.errors.size),
        failed=int(evidence.errors.sum()),
        at=now,
    )


def _decide(
    rollout: RolloutRow, evidence: RolloutEvidence, comparison: Check, errors: Check, now: str
) -> tuple[Decision, str]:
    for check in (comparison, errors):
        if check.outcome is Outcome.FAIL:
            return Decision.ROLLBACK, f"{check.name}: {check.reason}"
    if now >= rollout.deadline:
        return Decision.ROLLBACK, f"time ran out at {rollout.deadline}; {_progress(rollout, evidence)}"
    if comparison.outcome is not Outcome.PASS:
        return Decision.WAIT, f"{comparison.name}: {comparison.reason}; {_progress(rollout, evidence)}"
    if evidence.stage_labels < rollout.policy.min_labels:
        return Decision.WAIT, _progress(rollout, evidence)
    if rollout.share and rollout.champion and not evidence.stage_served:
        return Decision.WAIT, f"no labelled row of this stage was served by the canary; {_progress(rollout, evidence)}"
    decision = Decision.PROMOTE if rollout.last_stage else Decision.ADVANCE
    return decision, f"{comparison.name}: {comparison.reason}; {_progress(rollout, evidence)}"


def _progress(rollout: RolloutRow, evidence: RolloutEvidence) -> str:
    return f"{evidence.stage_labels} of {rollout.policy.min_labels} labelled rows in this stage"


def _watch_losses(rollout: RolloutRow, losses: NDArray[np.float64]) -> Check:
    policy = rollout.policy
    if rollout.champion is None:
        return _watch("brier", losses, low=0.0, limit=policy.max_brier, alpha=policy.alpha, compare="level")
    return _watch(
        "brier_against_champion", losses, low=-1.0, limit=policy.margin, alpha=policy.alpha, compare="difference"
    )


def _watch_errors(rollout: RolloutRow, errors: NDArray[np.float64]) -> Check:
    policy = rollout.policy
    return _watch("error_rate", errors, low=0.0, limit=policy.max_error_rate, alpha=policy.alpha, compare="level")


def _watch(name: str, values: NDArray[np.float64], *, low: float, limit: float, alpha: float, compare: str) -> Check:
    level = alpha / WATCHED
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    if values.size:
        estimate, lower, upper = mean_bounds(values, low=low, high=1.0, alpha=level)
        interval = (lower, max(lower, upper))  # they cross when the stream has changed: then believe the harm
    bound = Limit(max=limit)
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=bound)
    return Check(
        name=name,
        metric="error_rate" if name == "error_rate" else "brier",
        compare=compare,
        estimate=estimate,
        interval=interval,
        confidence=1 - level,
        limit=bound,
        support=int(values.size),
        outcome=outcome,
        reason=reason,
    )
