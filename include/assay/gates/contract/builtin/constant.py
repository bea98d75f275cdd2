"""Constant columns: one value and nothing else tells a model nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import Constant
from assay.stats.intervals import wilson

NAME = "constant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Commonest:
    """Of `known` rows looked at that have a value, how many have the commonest; `sure` where it is no estimate."""

    column: str
    rows: int
    known: int
    sure: bool


def measure(look: Look) -> tuple[Commonest, ...]:
    """Every column that the model or its audit needs and that has a value, in the sampled rows."""
    found = []
    for name in look.used:
        profile, values = look.facts.profiles[name], look.facts.sample.get(name)
        if profile.present and profile.low is not None and profile.low == profile.high:
            found.append(Commonest(column=name, rows=profile.present, known=profile.present, sure=True))
        elif profile.present and values is not None:
            if values.codes is not None:
                counts = np.bincount(values.codes[values.codes >= 0])
            else:
                assert values.numbers is not None
                counts = np.unique(values.numbers[~np.isnan(values.numbers)], return_counts=True)[1]
            most, known = (int(counts.max()), int(counts.sum())) if len(counts) else (0, 0)
            found.append(Commonest(column=name, rows=most, known=known, sure=look.facts.census))
    return tuple(found)


def judge(evidence: Sequence[Commonest], policy: Constant, confidence: float) -> list[Check]:
    """Hold the commonest value's share to the limit in each column."""
    level, limit = each_confidence(confidence, len(evidence)), Limit(max=policy.max_share)
    ranked = sorted(evidence, key=lambda each: (-each.rows / max(1, each.known), each.column))
    return reported([_check(each, policy, limit, level) for each in ranked])


def _check(found: Commonest, policy: Constant, limit: Limit, level: float) -> Check:
    share, interval = None, None
    if found.known:
        share = found.rows / found.known
        low, high = wilson(found.rows, found.known, level)
        # more than one value is known to be there, so a sample of one value only is not yet all of them
        interval = (share, share) if found.sure else (float(low), float(high))
    outcome, reason = judge_interval(estimate=share, interval=interval, limit=limit)
    if outcome is not Outcome.PASS:
        what = (
            "every row that has a value has the same one"
            if found.rows == found.known and found.sure
            else "nearly constant"
        )
        reason = f"{what}: a share of {reason}; leave it out of the features, or see what became of it at the source"
    return Check(
        name=NAME, metric="commonest_share", compare="level", attribute=found.column, estimate=share, interval=interval,
        confidence=level, limit=limit, support=found.known, severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip
