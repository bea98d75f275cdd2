"""Duplicate columns: two that hold the same."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.core import Check, Limit, Outcome
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import DuplicateColumn

NAME = "duplicate_column"
_AT_ONCE = 256  # pairs of one query


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A column, the one before it that looks the same, and in how many of all `rows` they agree."""

    column: str
    other: str
    agree: int
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """The pairs that agree in every sampled row, and how many columns were compared."""

    pairs: tuple[Pair, ...]
    columns: int
    rows: int


def measure(look: Look) -> Pairs:
    """Compare the columns that the model or its audit needs: in the sampled rows, then those alike in all."""
    alike: dict[bytes, list[str]] = defaultdict(list)
    for name in look.used:
        profile, values = look.facts.profiles[name], look.facts.sample.get(name)
        if values is not None and profile.present and profile.low != profile.high:  # constants have their own check
            alike[_fingerprint(values)].append(name)
    pairs = tuple(_pairs(look, list(alike.values())))
    return Pairs(pairs=pairs, columns=sum(map(len, alike.values())), rows=look.facts.rows)


def _fingerprint(values: Values) -> bytes:
    digest = hashlib.sha256()
    if values.numbers is not None:
        digest.update((values.numbers + 0.0).tobytes())  # -0.0 is 0.0
    else:
        assert values.codes is not None
        digest.update(repr(list(values.texts)).encode())  # numbered as they first occur, in both columns alike
        digest.update(values.codes.tobytes())
    return digest.digest()


def _pairs(look: Look, alike: Sequence[Sequence[str]]) -> Iterator[Pair]:
    pairs = [(first, other) for first, *others in alike for other in others]
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        asked = ", ".join(_agreement(look, *pair) for pair in part)
        (answer,) = look.table.ask(f"SELECT {asked} FROM {{rows}}")
        for (first, other), agree in zip(part, answer, strict=True):
            yield Pair(column=other, other=first, agree=int(agree), rows=look.facts.rows)


def _agreement(look: Look, first: str, other: str) -> str:
    one, two = (look.facts.columns[name].plain for name in (first, other))
    return f"count(*) FILTER ({one} IS NOT DISTINCT FROM {two})"


def judge(evidence: Pairs, policy: DuplicateColumn, confidence: float) -> list[Check]:
    """Hold the share of rows in which two columns agree to the limit.

    They are counted in all rows, so that `confidence` has no part in it.
    """
    if evidence.pairs:
        return reported([_check(each, policy) for each in evidence.pairs])
    if evidence.columns < 2:
        return []
    reason = f"no two of {evidence.columns:,} columns hold the same"
    return [
        Check(
            name=NAME, metric="agreement", compare="level", limit=Limit(max=policy.max_share), support=evidence.rows,
            severity=policy.severity, outcome=Outcome.PASS, reason=reason,
        )
    ]  # fmt: skip


def _check(found: Pair, policy: DuplicateColumn) -> Check:
    share = found.agree / found.rows
    outcome = Outcome.PASS if share <= policy.max_share else Outcome.FAIL
    reason = f"holds what {found.other} holds in {found.agree:,} of {found.rows:,} rows; keep one of them"
    return Check(
        name=NAME, metric="agreement", compare="level", attribute=found.column, estimate=share,
        limit=Limit(max=policy.max_share), support=found.rows, severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip
