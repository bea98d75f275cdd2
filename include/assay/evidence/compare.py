"""Where two verdicts on the same thing differ, field by field."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.core import TIMED, Check, Verdict, canonical_json, decide

TOLERANCE = 1e-9
"""Relative or absolute, for estimates and intervals: sums may be taken in another order on another machine."""

_SUBJECT = ("model", "policy_sha256", "snapshot", "code_version")
# A reason is words made from the other fields; what a test may word otherwise proves nothing.
_FIELDS = (
    "outcome", "estimate", "interval", "confidence", "limit", "support", "severity", "metric", "compare", "groups",
)  # fmt: skip
_READ = ("outcome", "estimate", "interval", "support")  # what a clock decides


def address(gate: str, check: Check) -> str:
    """A check's name among all gates, as a waiver gives it: ``gate/check`` or ``gate/check/attribute``."""
    return "/".join(filter(None, [gate, check.name, check.attribute]))


def differences(recorded: Verdict, replayed: Verdict) -> list[str]:
    """Say where a verdict that was made again is not the one that was recorded; empty where all agrees.

    Outcomes, supports and counts must be equal, numbers equal to `TOLERANCE`. When and how often a
    gate judged, and its place in a dossier, are not compared; nor is what a clock showed, and what
    follows from that alone.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from assay.core import Check, Outcome, Verdict
    >>> check = Check(name="auc", outcome=Outcome.PASS, reason="", estimate=0.91, support=500)
    >>> was = Verdict(gate="performance", outcome=Outcome.PASS, attempt=1, model=None, policy_sha256=None,
    ...     snapshot=None, code_version="c", started_at="t", seconds=1.0, previous=None, checks=[check])
    >>> differences(was, replace(was, seconds=2.0, checks=[replace(check, estimate=0.9)]))
    ['performance/auc: estimate recorded 0.91, replayed 0.9']
    """
    gate = recorded.gate
    one, other = recorded.to_dict(), replayed.to_dict()
    if all(each.outcome is decide(each.checks) for each in (recorded, replayed)):
        one["outcome"], other["outcome"] = _untimed(recorded), _untimed(replayed)
    found = list(_fields(gate, one, other, ("outcome", "budget", *_SUBJECT)))
    for where, pair in _paired(_checks(recorded), _checks(replayed)).items():
        timed = all(raw is not None and raw["compare"] == TIMED for raw in pair)
        found += _both(where, pair, [name for name in _FIELDS if not (timed and name in _READ)])
    for where, pair in _paired(_groups(gate, one), _groups(gate, other)).items():
        found += _both(where, pair, sorted(set(pair[0] or ()) | set(pair[1] or ())))
    for where, pair in _paired(_columns(gate, one), _columns(gate, other)).items():
        found += _both(where, pair, sorted(set(pair[0] or ()) | set(pair[1] or ())))
    return found


def _untimed(verdict: Verdict) -> str:
    """What the verdict comes to without the checks that read a clock."""
    return str(decide([check for check in verdict.checks if check.compare != TIMED]))


def _checks(verdict: Verdict) -> dict[str, Mapping[str, Any]]:
    written = verdict.to_dict()["checks"]
    return {address(verdict.gate, check): raw for check, raw in zip(verdict.checks, written, strict=True)}


def _groups(gate: str, written: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Each group's size, and each of its metrics as if it were a field."""
    return {
        f"{gate}/{canonical_json(each['group']).decode()}": {
            "n": each["n"],
            **{f"{name}.{field}": value for name, m in each["metrics"].items() for field, value in m.items()},
        }
        for each in written["groups"]
    }


def _columns(gate: str, written: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {f"{gate}/distribution of {each['column']}": each for each in written.get("distributions", ())}


Pair = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def _paired(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]]) -> dict[str, Pair]:
    return {where: (one.get(where), other.get(where)) for where in dict.fromkeys([*one, *other])}


def _both(where: str, pair: Pair, names: Sequence[str]) -> Iterator[str]:
    one, other = pair
    if one is None or other is None:
        yield f"{where}: {'not recorded, but replayed' if one is None else 'recorded, but not replayed'}"
    else:
        yield from _fields(where, one, other, names)


def _fields(where: str, one: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        was, now = one.get(name), other.get(name)
        if not _same(was, now):
            yield f"{where}: {name} recorded {_shown(was, now)}, replayed {_shown(now, was)}"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    if numbers and isinstance(one, float) | isinstance(other, float):  # a whole number is read back as an integer
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def _shown(value: Any, beside: Any) -> str:
    """Short, but never so short that two values that differ look the same."""
    short = _short(value)
    return short if short != _short(beside) else str(value)


def _short(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case float():
            return f"{value:.6g}"
        case Mapping():
            return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
        case list():
            return f"[{', '.join(map(_short, value))}]"
    return str(value)
