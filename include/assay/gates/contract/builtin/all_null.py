"""Columns without values."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core import Check, Limit, Outcome
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import AllNull

NAME = "all_null"


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """Of all `rows`, how many have no value in a column."""

    column: str
    missing: int
    rows: int


def measure(look: Look) -> tuple[Missing, ...]:
    """Every column that the model or its audit needs, in all rows."""
    rows, profiles = look.facts.rows, look.facts.profiles
    return tuple(Missing(column=name, missing=rows - profiles[name].present, rows=rows) for name in look.used)


def judge(evidence: Sequence[Missing], policy: AllNull, confidence: float) -> list[Check]:
    """Hold the share of missing values to the limit in each column.

    They are counted in all rows, so that `confidence` has no part in it.
    """
    ranked = sorted(evidence, key=lambda each: (-each.missing, each.column))
    return reported([_check(each, policy) for each in ranked])


def _check(found: Missing, policy: AllNull) -> Check:
    share = found.missing / found.rows if found.rows else None
    if share is None:
        outcome, reason = Outcome.INCONCLUSIVE, "there are no rows"
    else:
        outcome = Outcome.PASS if share <= policy.max_share else Outcome.FAIL
        reason = f"{found.missing:,} of {found.rows:,} rows have no value"
    return Check(
        name=NAME, metric="missing_share", compare="level", attribute=found.column, estimate=share,
        limit=Limit(max=policy.max_share), support=found.rows, severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip
