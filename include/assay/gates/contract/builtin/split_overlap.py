"""Split overlap: rows for testing that training sees too, the same or the same but for one column."""

from dataclasses import dataclass

import numpy as np

from assay.core import Check, Limit, Outcome, Severity, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.look import Look, Split
from assay.gates.contract.builtin.twins import Hashed, Twins
from assay.policy.builtin import SplitOverlap
from assay.stats.intervals import wilson

NAME = "split_overlap"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Of `tested` rows for testing, how many have a twin among those for training.

    `kinds` is how many different rows those are: all copies of a row are looked at together. `but_for` names
    the column in which twins may differ.
    """

    twins: int
    tested: int
    kinds: int
    but_for: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """Exact twins, and near ones for each column left out; `census` where all rows were looked at."""

    exact: Shared
    near: tuple[Shared, ...]
    census: bool


def measure(look: Look, found: Twins | None) -> Overlap | None:
    """Count them; None where the split is not known."""
    if found is None or look.split is None:
        return None
    exact = _shared(found.whole, look.split, None)
    near = tuple(_shared(hashed, look.split, name) for name, hashed in found.but_one.items())
    return Overlap(exact=exact, near=near, census=found.census)


def _shared(hashed: Hashed, split: Split, but_for: str | None) -> Shared:
    training, testing = (hashed.hashes[side[hashed.numbers]] for side in (split.training, split.testing))
    twins = np.isin(testing, training)
    return Shared(twins=int(twins.sum()), tested=len(testing), kinds=len(np.unique(testing)), but_for=but_for)


def judge(evidence: Overlap, policy: SplitOverlap, confidence: float) -> list[Check]:
    """Hold both shares to their limits, the near one where it is largest.

    A near twin may be chance, so that it is a warning at most.
    """
    level = each_confidence(confidence, 1 + len(evidence.near))
    warned: Severity = "info" if policy.severity == "info" else "warning"
    checks = [_check(evidence.exact, policy.max_share, policy.severity, level, census=evidence.census)]
    if evidence.near:
        nearest = max(evidence.near, key=lambda each: each.twins / max(1, each.tested))
        checks.append(_check(nearest, policy.max_near_share, warned, level, census=evidence.census))
    return checks


def _check(found: Shared, most: float, severity: Severity, level: float, *, census: bool) -> Check:
    limit, share, interval = Limit(max=most), None, None
    if found.tested:
        share = found.twins / found.tested
        low, high = wilson(share * found.kinds, found.kinds, level)
        interval = (share, share) if census else (float(low), float(high))
    outcome, reason = judge_interval(estimate=share, interval=interval, limit=limit)
    if share is None:
        reason = "no row for testing was looked at"
    elif outcome is not Outcome.PASS:
        same = "every column" if found.but_for is None else f"every column but {found.but_for}"
        reason = (f"a share of {reason}: rows for testing are the same as rows for training in {same} (the key left "
                  "out); deal duplicates together (data.split.duplicates), or take them out at the source")  # fmt: skip
    return Check(
        name=NAME, metric="exact" if found.but_for is None else "near", compare="level", attribute=found.but_for,
        estimate=share, interval=interval, confidence=level, limit=limit, support=found.tested, severity=severity,
        outcome=outcome, reason=reason,
    )  # fmt: skip
