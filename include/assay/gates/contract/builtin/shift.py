"""Shift against the champion's snapshot: how far each column has moved, and what has gone or come."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.deciding import counts_in_full, milder, settled
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.movement import Movement, movements
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import Shift
from assay.stats.divergence import pooled, psi, psi_interval
from assay.stats.intervals import newcombe_difference
from assay.stats.simultaneous import holm

NAME = "shift"
_DO = ". See what changed at its source; what is meant to stay needs a waiver, or another limit in the policy"


def measure(look: Look) -> tuple[Movement, ...] | None:
    """Every column of the reference; None where there is none."""
    return movements(look)


def judge(evidence: Sequence[Movement], policy: Shift, confidence: float) -> list[Check]:
    """Hold every column to the limits, the furthest moved first.

    A column fails when its index lies above the limit, whole interval and all, and the two-sample test,
    corrected by Holm's method for the number of columns, says too that it has moved; or when so much more
    of it is missing, or new, or when it is gone or of another kind. Where neither is shown, see `deciding`.
    """
    level = each_confidence(confidence, 3 * len(evidence))
    tested = [each for each in evidence if each.p_value is not None]
    corrected = holm([each.p_value or 0.0 for each in tested]) if tested else np.zeros(0)
    p_values = {each.column: float(p) for each, p in zip(tested, corrected, strict=True)}
    judged = [_one(each, list(_checks(each, policy, level, p_values.get(each.column)))) for each in evidence]
    judged.sort(key=lambda check: -_excess(check))
    return reported(judged)


def _one(found: Movement, checks: list[Check]) -> Check:
    """One check for a column: the quantity that matters most, and what else is wrong in its reason.

    Of a column that nobody needs it is a warning at most: a number of an order only ever grows.
    """
    ranked = sorted(checks, key=lambda check: (counts_in_full(check), check.outcome.rank, _excess(check)), reverse=True)
    others = [check.reason for check in ranked[1:] if check.outcome is not Outcome.PASS]
    check = replace(ranked[0], reason="; ".join([ranked[0].reason, *others]))
    if found.used or not counts_in_full(check):
        return check
    return replace(check, severity="warning", reason=f"{check.reason}. It does not block: the model is not shown it")


def _excess(check: Check) -> float:
    if check.estimate is None or check.limit is None or not check.limit.max:
        return float("inf") if check.outcome is Outcome.FAIL else 0.0
    return check.estimate / check.limit.max


def _checks(found: Movement, policy: Shift, level: float, p_value: float | None) -> Iterator[Check]:
    made = Check(
        name=NAME, compare="level", attribute=found.column, severity=policy.severity, confidence=level,
        outcome=Outcome.INCONCLUSIVE, reason="nothing was measured",
    )  # fmt: skip
    if found.unknown:
        why = "the reference has no such column, so that nothing tells whether it has moved"
        yield replace(made, confidence=None, severity=milder(policy), reason=why)
        return
    if found.now is None or found.retyped:
        how = f"was {found.was} in the reference and is {found.now or 'not there'}"
        yield replace(made, metric="type", confidence=None, outcome=Outcome.FAIL, reason=how)
        return
    yield _missing(replace(made, metric="missing_rise", compare="difference"), found, policy)
    if p_value is not None:
        yield _moved(replace(made, metric="psi"), found, policy, p_value)
    if found.new:
        yield _new(replace(made, metric="new_values", compare="difference"), found, policy)


def _missing(made: Check, found: Movement, policy: Shift) -> Check:
    before, of_before, after, of_after = found.missing
    if not min(of_before, of_after):
        return made
    what = (f"no value in {after / of_after:.3g} of the rows, in the reference in {before / of_before:.3g}: a "
            "difference of")  # fmt: skip
    return _risen(made, (after, of_after), (before, of_before), policy.max_missing, policy, what)


def _new(made: Check, found: Movement, policy: Shift) -> Check:
    named = f", such as {', '.join(dict.fromkeys(found.appeared))}," if found.appeared else ""
    what = (f"values that the reference does not have{named} in "
            f"{found.new / found.known:.3g} of the rows; {found.own / found.of_own:.3g} of the reference's own rows "
            "are as new to its others: a difference of")  # fmt: skip
    return _risen(made, (found.new, found.known), (found.own, found.of_own), policy.max_new, policy, what)


def _risen(
    made: Check, after: tuple[int, int], before: tuple[int, int], most: float, policy: Shift, what: str
) -> Check:
    """Hold the difference of two shares, each of so many of so many rows, to the limit."""
    assert made.confidence is not None
    low, high = (float(end) for end in newcombe_difference(*after, *before, made.confidence))
    made = replace(made, estimate=after[0] / after[1] - before[0] / before[1], interval=(low, high))
    check = _held(made, most, min(after[1], before[1]), what)
    half = (high - low) / 2
    return settled(check, policy, shown=low > 0, needed=(half / most) ** 2 if most else None)


def _moved(made: Check, found: Movement, policy: Shift, p_value: float) -> Check:
    assert made.confidence is not None
    before, after = pooled(found.before, found.after)
    low, high = psi_interval(before, after, made.confidence)
    chance = float((len(before) - 1) * (1 / before.sum() + 1 / after.sum()))
    estimate = min(max(psi(before, after) - chance, low), high)
    told = ", ".join(filter(None, [found.most, f"two-sample test p = {p_value:.2g}"]))
    what = (f"its values are spread otherwise than in the reference ({told}, corrected for the number of columns): "
            "population stability index")  # fmt: skip
    made = replace(made, estimate=estimate, interval=(low, high))
    check = _held(made, policy.max_psi, int(min(before.sum(), after.sum())), what)
    if check.outcome is Outcome.FAIL and p_value > policy.alpha:
        check = replace(check, outcome=Outcome.INCONCLUSIVE)
    needed = (high - estimate) / policy.max_psi
    return settled(check, policy, shown=low > 0 and p_value <= policy.alpha, needed=needed)


def _held(made: Check, most: float, support: int, what: str) -> Check:
    limit = Limit(max=most)
    outcome, reason = judge_interval(estimate=made.estimate, interval=made.interval, limit=limit)
    said = reason if outcome is Outcome.PASS else f"{what} {reason}"
    said += _DO if outcome is Outcome.FAIL else ""
    return replace(made, limit=limit, support=support, outcome=outcome, reason=said)
