"""Freshness: how old the newest row is, and whether any comes from the future."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from assay.core import Check, Limit, Outcome
from assay.gates.contract.builtin.deciding import milder
from assay.gates.contract.builtin.look import Look
from assay.policy.builtin import Freshness

NAME = "freshness"
_DAY = 86_400.0
_TOLERANCE = _DAY
"""A time without a zone may lie this much ahead of UTC."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ages:
    """The newest row's age in days, how many rows have a time and how many one in the future, and past ages.

    `age` is None where no row has a time; rows of the future are not taken for the newest. `type` is the column's
    where it holds values that are no times; then nothing else is known of it.
    """

    column: str
    age: float | None
    timed: int
    future: int
    past: tuple[float, ...]
    type: str | None = None


def measure(look: Look) -> Ages | None:
    """Ask for all rows; None without a column of times."""
    column = look.table.column(look.roles.time) if look.roles.time is not None else None
    if column is None:
        return None
    if column.kind != "time":
        filled = look.facts.profiles[column.name].present > 0
        return Ages(column=column.name, age=None, timed=0, future=0, past=(), type=column.type if filled else None)
    now = _utc(look.taken_at).timestamp()
    asked = (
        f"SELECT max(v) FILTER (v <= $1), count(v), count(*) FILTER (v > $1) "
        f"FROM (SELECT epoch({column.place}) AS v FROM {{rows}})"
    )
    ((newest, timed, future),) = look.table.ask(asked, [now + _TOLERANCE])
    past = tuple(
        (_utc(each.taken_at) - _utc(each.newest)).total_seconds() / _DAY
        for each in look.history
        if each.newest is not None
    )
    age = None if newest is None else max(0.0, (now - newest) / _DAY)
    return Ages(column=column.name, age=age, timed=int(timed), future=int(future), past=past)


def _utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def judge(evidence: Ages, policy: Freshness, confidence: float) -> list[Check]:
    """Hold the age to the policy's limit, else to the history's; without either only the future is looked at.

    Few snapshots do not tell what is usual: beyond the history's limit an age fails only where it would be rare
    among as many ages, were rows to arrive at random. The policy's limit is held to the day.
    """
    if evidence.type is not None:
        return [_untimed(evidence, policy)]
    checks = [_future(evidence, policy)]
    if policy.max_age_days is not None:
        checks.append(_age(evidence, policy.max_age_days, policy, "the policy"))
    elif evidence.past:
        usual = max(1.0, *evidence.past)  # a day at least: a snapshot is not taken at the same minute
        check = _age(evidence, usual * policy.max_ratio, policy, f"{policy.max_ratio:g} times the oldest so far")
        checks.append(_unless_chance(check, usual, len(evidence.past), policy, confidence))
    return checks


def _untimed(found: Ages, policy: Freshness) -> Check:
    reason = (f"it is to say when a row came about, and is {found.type}: neither the newest row nor one of the future "
              "can be told. Make it a date or a timestamp at the source")  # fmt: skip
    return Check(
        name=NAME, metric="age_days", compare="level", attribute=found.column, severity=policy.severity,
        outcome=Outcome.FAIL, reason=reason,
    )  # fmt: skip


def _unless_chance(check: Check, usual: float, many: int, policy: Freshness, confidence: float) -> Check:
    """An age beyond the limit is undecided, while chance explains it among so many.

    Of k past waiting times of a Poisson process the longest is exceeded r times over with probability
    1 / ((1 + r)(1 + r / 2)...(1 + r / k)).
    """
    if check.outcome is not Outcome.FAIL or check.estimate is None:
        return check
    times = check.estimate / usual
    chance = 1 / math.prod(1 + times / k for k in range(1, many + 1))
    if chance <= 1 - confidence:
        return replace(check, reason=f"{check.reason}. See whether the source still delivers")
    said = (f"; with {many} earlier snapshots that is little to go by: rows that arrive at random would be as "
            f"old in {chance:.2g} of all cases. Say what is too old in the policy: freshness.max_age_days")  # fmt: skip
    return replace(check, outcome=Outcome.INCONCLUSIVE, severity=milder(policy), reason=f"{check.reason}{said}")


def _age(found: Ages, most: float, policy: Freshness, whose: str) -> Check:
    if found.age is None:
        outcome, reason = Outcome.INCONCLUSIVE, "no row has a time that is not in the future"
    else:
        outcome = Outcome.PASS if found.age <= most else Outcome.FAIL
        reason = f"the newest row is {found.age:,.1f} days old, against at most {most:,.1f} ({whose})"
    return Check(
        name=NAME, metric="age_days", compare="level", attribute=found.column, estimate=found.age,
        limit=Limit(max=most), support=found.timed, severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip


def _future(found: Ages, policy: Freshness) -> Check:
    share = found.future / found.timed if found.timed else None
    if share is None:
        outcome, reason = Outcome.INCONCLUSIVE, "no row has a time"
    else:
        outcome = Outcome.PASS if share <= policy.max_future else Outcome.FAIL
        reason = f"{found.future:,} of {found.timed:,} rows lie more than a day in the future"
    return Check(
        name="future_times", metric="share", compare="level", attribute=found.column, estimate=share,
        limit=Limit(max=policy.max_future), support=found.timed, severity=policy.severity, outcome=outcome,
        reason=reason,
    )  # fmt: skip
