"""Duplicate rows: the same in every column but the key."""

from dataclasses import dataclass

import numpy as np

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.twins import Twins
from assay.policy.builtin import DuplicateRows
from assay.stats.intervals import wilson

NAME = "duplicate_rows"


@dataclass(frozen=True, kw_only=True, slots=True)
class Copies:
    """Of `looked_at` rows, how many are `surplus`: the second and later of their kind; `census` where that is all."""

    surplus: int
    looked_at: int
    census: bool


def measure(look: Look, found: Twins | None) -> Copies | None:
    """Count them; None where there is nothing to compare."""
    if found is None:
        return None
    hashes = found.whole.hashes
    return Copies(surplus=len(hashes) - len(np.unique(hashes)), looked_at=len(hashes), census=found.census)


def judge(evidence: Copies, policy: DuplicateRows, confidence: float) -> list[Check]:
    """Hold their share to the limit."""
    n, limit = evidence.looked_at, Limit(max=policy.max_share)
    share = evidence.surplus / n if n else None
    interval = None if share is None else (share, share)
    if share is not None and not evidence.census:
        low, high = wilson(evidence.surplus, n, confidence)
        interval = (float(low), float(high))
    outcome, reason = judge_interval(estimate=share, interval=interval, limit=limit)
    if outcome is not Outcome.PASS:
        reason = (
            f"a share of {reason}: rows repeat others in every column but the key; look for a join or a load done twice"
        )
    return [
        Check(
            name=NAME, metric="share", compare="level", estimate=share, interval=interval, confidence=confidence,
            limit=limit, support=n, severity=policy.severity, outcome=outcome, reason=reason,
        )
    ]  # fmt: skip
