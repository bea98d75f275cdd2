"""Judge: how far the groups lie apart in each metric, against its limit."""

from collections.abc import Iterator, Mapping

import numpy as np

from assay.core import Check, GroupMetrics, Judgement, Measured, Outcome, decide, judge_interval
from assay.gates import attempted
from assay.gates.fairness import reasons
from assay.gates.fairness.counts import FairnessEvidence
from assay.gates.fairness.estimates import Compared, compare, named_checks
from assay.gates.fairness.joint import confidences
from assay.gates.fairness.paired import paired_checks
from assay.policy import Fairness, FairnessCheck
from assay.stats.spread import Spread, extreme, range_difference, range_ratio


def judge(
    evidence: FairnessEvidence,
    policy: Fairness,
    *,
    attempt: int | None = None,
    max_accuracy_loss: float | None = None,
) -> Judgement:
    """Hold, for every attribute, the spread of each metric over its groups against the limit.

    A group that is too small, or lacks the rows that a metric is made of, is never left out in
    silence: it makes the check INCONCLUSIVE, unless the other groups alone already prove the FAIL
    (one more group can only widen a difference, lower a ratio or move an extreme level outwards).

    Parameters
    ----------
    attempt
        How many models, this one counted, were measured on these rows; None where that is not counted.
    max_accuracy_loss
        What a later model may have lost of an earlier one's accuracy; None when nothing is asked of that.

    Returns
    -------
    Judgement
        With the policy's checks on each attribute. Where the rows were counted by the decisions of an
        earlier model too, also with what is gained and paid, see `paired_checks`.
    """
    level, budget = attempted(policy.confidence, attempt)
    families = list(_families(evidence, policy))
    compares = bool(evidence.pairs) or max_accuracy_loss is not None
    each = (1 - level) / max(1, sum(len(own) for *_, own in families) + compares)
    checks = []
    for attribute, of, part, own in families:
        compared = [compare(part, attribute, check, policy) for _, check in own]
        levels = confidences(compared, 1 - each * len(own))
        checks += [
            _check(name, attribute, one, single, policy.confidence, of)
            for (name, _), one, single in zip(own, compared, levels, strict=True)
        ]
    if compares:
        checks += paired_checks(evidence, policy, 1 - each, max_accuracy_loss)
    return Judgement(outcome=decide(checks), checks=tuple(checks), groups=_groups(evidence, policy), budget=budget)


def _families(
    evidence: FairnessEvidence, policy: Fairness
) -> Iterator[tuple[str, str | None, FairnessEvidence, list[tuple[str, FairnessCheck]]]]:
    """What is made of the same table, the checks on one attribute and class: attribute, class, part, checks."""
    for of, part in evidence.parts:
        for attribute in part.attributes:
            if own := named_checks(policy, attribute):
                yield attribute, of, part, own


def _check(name: str, attribute: str, compared: Compared, confidence: float, joint: float, of: str | None) -> Check:
    check, usable = compared.check, compared.usable
    spread = _spread(compared, confidence)
    extremes = [] if spread is None else [usable[at] for at in dict.fromkeys([spread.highest, spread.lowest])]
    exists = spread is not None and not np.isnan(spread.estimate)
    estimate = spread.estimate if spread is not None and exists else None
    interval = (spread.low, spread.high) if spread is not None and exists else None
    outcome, _ = judge_interval(estimate=estimate, interval=interval, limit=check.limit)
    if estimate is None or interval is None:
        reason = reasons.nothing(attribute, compared)
    else:
        reason = reasons.finding(compared, extremes, estimate, interval, outcome, of)
        if outcome is Outcome.INCONCLUSIVE:
            reason += reasons.detectable(compared, extremes, interval, confidence)
    if compared.flaws:
        proven = outcome is Outcome.FAIL and _widens(check, interval)
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        reason += reasons.unmeasured(compared.flaws)
    return Check(
        name=_of(name, of),
        metric=_of(check.metric, of),
        compare=check.compare,
        attribute=attribute,
        groups=[group.group for group in extremes] or None,
        estimate=estimate,
        interval=interval,
        confidence=joint,
        limit=check.limit,
        support=min(map(compared.support, extremes), default=None),
        severity=check.severity,
        outcome=outcome,
        reason=reason,
    )


def _of(name: str, of: str | None) -> str:
    return name if of is None else f"{name}[{of}]"


def _spread(compared: Compared, confidence: float) -> Spread | None:
    check = compared.check
    if not compared.intervals or compared.lost:
        return None
    estimates = compared.estimates(confidence)
    if check.compare == "level":
        return extreme(estimates, highest=check.max is not None)
    method = range_difference if check.compare == "difference" else range_ratio
    return method(estimates, compared.reference)


def _widens(check: FairnessCheck, interval: tuple[float, float] | None) -> bool:
    """Whether the limit is broken on the side to which further groups can only add."""
    if interval is None:
        return False
    above, below = (
        (check.max is not None and interval[0] > check.max),
        (check.min is not None and interval[1] < check.min),
    )
    return {"difference": above, "ratio": below, "level": above or below}[check.compare]


def _groups(evidence: FairnessEvidence, policy: Fairness) -> tuple[GroupMetrics, ...]:
    """Every metric of every group, of all classes together, each with its own interval at the policy's confidence."""
    found: dict[tuple[str, int], tuple[Mapping[str, str], int, dict[str, Measured]]] = {}
    for of, part in evidence.parts:
        for attribute, groups in part.attributes.items():
            for at, group in enumerate(groups):
                *_, metrics = found.setdefault((attribute, at), (group.group, group.n, {}))
                metrics |= {_of(name, of): one for name, one in group.metrics(policy.confidence).items()}
    return tuple(GroupMetrics(group=group, n=n, metrics=metrics) for group, n, metrics in found.values())
