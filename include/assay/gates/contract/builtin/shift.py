"""Shift against the champion's snapshot: how far each column has moved, and what has gone or come."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.coding import cells
from assay.gates.contract.builtin.facts import Facts, Profile, Values
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.personal import kind_of
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import Shift
from assay.stats.divergence import chi_squared, kolmogorov_smirnov, psi, psi_interval
from assay.stats.intervals import newcombe_difference, wilson
from assay.stats.simultaneous import holm

NAME = "shift"
_TENTHS = 10
_FINE = 200
_CATEGORIES = 30
_FREE_TEXT = 0.2
"""A column of text with more different values than this share of its rows is no set of categories."""
_NAMED = 5
_LONG = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """How a column of the reference is found again.

    Attributes
    ----------
    column
        Its name.
    was, now
        Its types; `now` is None where it is gone.
    retyped
        Whether it was numbers and is text, say: then nothing else is compared.
    before, after
        Counts of sampled rows in the reference's cells; the last is for missing values.
    p_value
        Of the two-sample test, Kolmogorov and Smirnov's for numbers, Pearson's for categories.
    missing
        Rows without a value and rows, before and after; of all rows.
    new, known
        Sampled rows with a category that the reference does not have, or a number beyond its least and
        greatest, and sampled rows with a value.
    appeared
        A few of those categories, the most frequent first, or the numbers' own least and greatest.
    """

    column: str
    was: str
    now: str | None
    retyped: bool = False
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    p_value: float | None = None
    missing: tuple[int, int, int, int] = (0, 0, 0, 0)
    new: int = 0
    known: int = 0
    appeared: tuple[str, ...] = ()


def measure(look: Look) -> tuple[Movement, ...] | None:
    """Every column of the reference; of key, time and label only whether they are there."""
    if look.reference is None:
        return None
    then, now, roles = look.reference[1], look.facts, look.roles
    special = {roles.key, roles.time, roles.label}
    return tuple(_movement(name, then, now, compared=name not in special) for name in then.columns)


def _movement(name: str, then: Facts, now: Facts, *, compared: bool) -> Movement:
    was, column = then.columns[name], now.columns.get(name)
    found = Movement(column=name, was=was.type, now=None if column is None else column.type)
    if column is None or (column.kind != was.kind and now.profiles[name].present):
        return replace(found, retyped=column is not None)
    present = (then.profiles[name].present, now.profiles[name].present)
    found = replace(found, missing=(then.rows - present[0], then.rows, now.rows - present[1], now.rows))
    if not compared or was.kind == "other" or column.kind != was.kind or not all(present):
        return found
    found = _compared(found, then.sample[name], now.sample[name])
    return _beyond(found, then.profiles[name], now.sample[name]) if was.kind == "number" else found


def _compared(found: Movement, then: Values, now: Values) -> Movement:
    known = int((now.codes >= 0).sum()) if now.codes is not None else int((~np.isnan(_numbers(now))).sum())
    if then.numbers is not None:
        coarse, fine = cells(then, _TENTHS), cells(then, _FINE)
        # the last two cells are for text and for missing values, which a test of numbers does not know
        _, p = kolmogorov_smirnov(fine.counts(then)[:-2], fine.counts(now)[:-2])
    else:
        coarse = cells(then, _CATEGORIES)
        _, p = chi_squared(coarse.counts(then)[:-1], coarse.counts(now)[:-1])
        found = _with_new(found, then, now)
    before, after = (tuple(int(n) for n in coarse.counts(each)) for each in (then, now))
    return replace(found, before=before, after=after, p_value=p, known=known)


def _with_new(found: Movement, then: Values, now: Values) -> Movement:
    assert then.codes is not None
    assert now.codes is not None
    if len(then.texts) > _FREE_TEXT * max(1, int((then.codes >= 0).sum())):
        return found
    counts, old = np.bincount(now.codes[now.codes >= 0], minlength=len(now.texts)), set(then.texts)
    new = sorted(((int(n), text) for n, text in zip(counts, now.texts, strict=True) if text not in old), reverse=True)
    return replace(found, new=sum(n for n, _ in new), appeared=tuple(_shown(text) for _, text in new[:_NAMED]))


def _shown(text: str) -> str:
    """A value for a verdict, which many people read: none that looks personal, and none at length."""
    kind = kind_of(text)
    return textwrap.shorten(text, _LONG, placeholder="...") if kind is None else f"({kind})"


def _beyond(found: Movement, then: Profile, now: Values) -> Movement:
    numbers = _numbers(now)
    strange = numbers[(numbers < float(then.low)) | (numbers > float(then.high))]
    ends = (f"{strange.min():g}", f"{strange.max():g}") if len(strange) else ()
    return replace(found, new=len(strange), appeared=tuple(dict.fromkeys(ends)))


def _numbers(values: Values) -> Any:
    assert values.numbers is not None
    return values.numbers


def judge(evidence: Sequence[Movement], policy: Shift, confidence: float) -> list[Check]:
    """Hold every column to the limits, the furthest moved first.

    A column fails when its index lies above the limit, whole interval and all, and the two-sample test,
    corrected by Holm's method for the number of columns, says too that it has moved; or when so much more
    of it is missing, or new, or when it is gone or of another kind.
    """
    level = each_confidence(confidence, 3 * len(evidence))
    tested = [each for each in evidence if each.p_value is not None]
    corrected = holm([each.p_value or 0.0 for each in tested]) if tested else np.zeros(0)
    p_values = {each.column: float(p) for each, p in zip(tested, corrected, strict=True)}
    judged = [_worst(list(_checks(each, policy, level, p_values.get(each.column)))) for each in evidence]
    judged.sort(key=lambda check: -_excess(check))
    return reported(judged)


def _worst(checks: list[Check]) -> Check:
    """One check for a column: the quantity that matters most, and what else is wrong in its reason."""
    first = max(checks, key=lambda check: (check.outcome.rank, _excess(check)))
    others = [check.reason for check in checks if check is not first and check.outcome is not Outcome.PASS]
    return replace(first, reason="; ".join([first.reason, *others]))


def _excess(check: Check) -> float:
    if check.estimate is None or check.limit is None or not check.limit.max:
        return float("inf") if check.outcome is Outcome.FAIL else 0.0
    return check.estimate / check.limit.max


def _checks(found: Movement, policy: Shift, level: float, p_value: float | None) -> Iterator[Check]:
    made = Check(
        name=NAME, compare="level", attribute=found.column, severity=policy.severity, confidence=level,
        outcome=Outcome.INCONCLUSIVE, reason="nothing was measured",
    )  # fmt: skip
    if found.now is None or found.retyped:
        how = f"was {found.was} in the reference and is {found.now or 'not there'}"
        yield replace(made, metric="type", confidence=None, outcome=Outcome.FAIL, reason=how)
        return
    yield _missing(replace(made, metric="missing_rise", compare="difference"), found, policy)
    if p_value is not None:
        yield _moved(replace(made, metric="psi"), found, policy, p_value)
    if found.appeared:
        yield _new(replace(made, metric="new_values"), found, policy)


def _missing(made: Check, found: Movement, policy: Shift) -> Check:
    before, of_before, after, of_after = found.missing
    support, limit = min(of_before, of_after), Limit(max=policy.max_missing)
    if not support:
        return made
    estimate = after / of_after - before / of_before
    assert made.confidence is not None
    low, high = newcombe_difference(after, of_after, before, of_before, made.confidence)
    return _held(
        made, estimate, (float(low), float(high)), limit, support,
        f"missing in {after / of_after:.3g} of the rows, in the reference in {before / of_before:.3g}",
    )  # fmt: skip


def _moved(made: Check, found: Movement, policy: Shift, p_value: float) -> Check:
    assert made.confidence is not None
    n, m = sum(found.before), sum(found.after)
    low, high = psi_interval(found.before, found.after, made.confidence)
    chance = (len(found.before) - 1) * (1 / n + 1 / m)
    estimate = min(max(psi(found.before, found.after) - chance, low), high)
    says = f"two-sample test p = {p_value:.2g}, corrected for the number of columns"
    check = _held(
        made, estimate, (low, high), Limit(max=policy.max_psi), min(n, m), f"the distribution has moved ({says})"
    )
    if check.outcome is Outcome.FAIL and p_value > policy.alpha:
        return replace(check, outcome=Outcome.INCONCLUSIVE, reason=f"{check.reason}, which chance would explain")
    return check


def _new(made: Check, found: Movement, policy: Shift) -> Check:
    assert made.confidence is not None
    low, high = wilson(found.new, found.known, made.confidence)
    named = ", ".join(dict.fromkeys(found.appeared))
    return _held(
        made, found.new / found.known, (float(low), float(high)), Limit(max=policy.max_new), found.known,
        f"values that the reference does not have, such as {named}",
    )  # fmt: skip


def _held(made: Check, estimate: float, interval: tuple[float, float], limit: Limit, support: int, what: str) -> Check:
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=limit)
    said = reason if outcome is Outcome.PASS else f"{what}: {made.metric} {reason}"
    return replace(
        made, estimate=estimate, interval=interval, limit=limit, support=support, outcome=outcome, reason=said
    )
