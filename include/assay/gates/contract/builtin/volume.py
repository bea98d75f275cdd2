"""Volume: about as many rows as in the snapshots before."""

import math
import statistics
from dataclasses import dataclass

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates.contract.builtin.deciding import milder, surer
from assay.gates.contract.builtin.look import Look
from assay.policy.builtin import Volume
from assay.stats.intervals import normal_quantile

NAME = "volume"
_LATEST = 10
_LEAST = 2
"""Fewer rows have no share, no spread and no part to hold out: nothing that is said of them is evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """How many rows there are, and how many the latest snapshots had."""

    rows: int
    usual: tuple[int, ...]


def measure(look: Look) -> Rows | None:
    """The latest of the history, else the reference; None where there is neither and rows enough to judge."""
    usual = tuple(past.rows for past in look.history[-_LATEST:])
    if not usual and look.reference is not None:
        usual = (look.reference[1].rows,)
    return Rows(rows=look.facts.rows, usual=usual) if usual or look.facts.rows < _LEAST else None


def judge(evidence: Rows, policy: Volume, confidence: float) -> list[Check]:
    """Hold the number of rows to the limits, as a multiple of the usual; of less than two rows nothing can be judged.

    Beyond a limit it fails only where it is further from the usual than arrivals at random would be: of a
    hundred rows a fifth may well be missing by chance.
    """
    limit = Limit(min=policy.min_ratio, max=policy.max_ratio)
    usual = statistics.median(evidence.usual) if evidence.usual else 0
    ratio = evidence.rows / usual if usual else None
    outcome, reason = judge_interval(estimate=ratio, interval=None if ratio is None else (ratio, ratio), limit=limit)
    if ratio is not None:
        reason = (
            f"{evidence.rows:,} rows, usually {usual:,.0f}: {reason.replace(f' [{ratio:.4g}, {ratio:.4g}]', ' times')}"
        )
    severity = policy.severity
    if evidence.rows < _LEAST:
        found = "is one row" if evidence.rows else "are no rows at all"
        outcome, reason = Outcome.ERROR, f"there {found}: nothing can be judged; see what became of the source"
    elif outcome is Outcome.FAIL and abs(evidence.rows - usual) <= (
        chance := normal_quantile(surer(confidence)) * math.sqrt(evidence.rows + usual)
    ):
        outcome, severity = Outcome.INCONCLUSIVE, milder(policy)
        reason += f"; of so few, {chance:,.0f} more or less are chance where rows arrive at random"
    elif outcome is Outcome.FAIL:
        reason += ". See whether the source was read to its end, once, and over the usual span of time"
    return [
        Check(
            name=NAME, metric="rows", compare="ratio", estimate=ratio, limit=limit, support=evidence.rows,
            severity=severity, outcome=outcome, reason=reason,
        )
    ]  # fmt: skip
