"""Personal data in columns that nobody has declared: how large a share, never which values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.personal import is_card, kind_of
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import Pii
from assay.stats.intervals import wilson

NAME = "pii"
_CARD = "payment cards"
_LEAST_CARD, _MOST_CARD = 10**12, 10**16
"""Numbers with as many digits as a card's; a longer one is no longer exact as a number."""
_CHANCE, _LEAST, _SURE = 0.1, 0.5, 0.001
"""One of ten numbers has a right check digit by chance: those long enough are cards where at least a half have, and
chance as good as never gives so many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Personal:
    """Of `known` rows with a value, how many hold a kind of personal data; `census` where those are all there are."""

    column: str
    kind: str | None
    rows: int
    known: int
    census: bool


def measure(look: Look) -> tuple[Personal, ...]:
    """Every column of text or numbers that is not declared, in the sampled rows."""
    declared = {*look.roles.sensitive, *look.roles.declared}
    found = []
    for name, values in look.facts.sample.items():
        if name not in declared and look.facts.columns[name].kind in ("text", "number"):
            counts, known = _counts(values)
            kind, rows = max(counts.items(), key=lambda each: (each[1], each[0]), default=(None, 0))
            found.append(Personal(column=name, kind=kind, rows=rows, known=known, census=look.facts.census))
    return tuple(found)


def _counts(values: Values) -> tuple[Counter[str], int]:
    counts: Counter[str] = Counter()
    if values.codes is not None:
        times = np.bincount(values.codes[values.codes >= 0], minlength=len(values.texts))
        for text, rows in zip(values.texts, times, strict=True):
            if (kind := kind_of(text)) is not None:
                counts[kind] += int(rows)
        return counts, int(times.sum())
    assert values.numbers is not None
    known = values.numbers[~np.isnan(values.numbers)]
    long = known[(known >= _LEAST_CARD) & (known < _MOST_CARD) & (known == np.floor(known))]
    cards = sum(is_card(str(int(number))) for number in long)
    if cards > _LEAST * len(long) and special.bdtrc(cards - 1, len(long), _CHANCE) < _SURE:
        counts[_CARD] = cards
    return counts, len(known)


def judge(evidence: Sequence[Personal], policy: Pii, confidence: float) -> list[Check]:
    """Hold the share of personal data to the limit in each column that the policy does not allow it in."""
    level = each_confidence(confidence, len(evidence))
    looked_at = [each for each in evidence if each.column not in policy.allow and each.known]
    ranked = sorted(looked_at, key=lambda each: (-each.rows / each.known, each.column))
    return reported([_check(each, policy, level) for each in ranked])


def _check(found: Personal, policy: Pii, level: float) -> Check:
    share, limit = found.rows / found.known, Limit(max=policy.max_share)
    low, high = wilson(found.rows, found.known, level)
    interval = (share, share) if found.census else (float(low), float(high))
    outcome, reason = judge_interval(estimate=share, interval=interval, limit=limit)
    if found.kind is not None:
        reason = f"a share of {reason}: values that look like {found.kind}"
        if outcome is not Outcome.PASS:
            reason += (". Declare the column (data.sensitive, data.pseudonymize), drop it (data.drop), or say under "
                       "gates.contract.pii.allow that it is none")  # fmt: skip
    return Check(
        name=NAME, metric="share", compare="level", attribute=found.column, estimate=share, interval=interval,
        confidence=level, limit=limit, support=found.known, severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip
