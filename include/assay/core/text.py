"""Text: a verdict for a log or a terminal, and whether what a person wrote says anything."""

import textwrap
from collections.abc import Iterator, Sequence

from assay.core.judge import describe_estimate
from assay.core.limit import Limit
from assay.core.outcome import Outcome
from assay.core.verdict import Check, Verdict, worst_first

_HEADER = ("outcome", "check", "estimate [low, high]", "limit", "n", "reason")
_GAP = "  "
_UNDER = "      "
_NARROWEST = 30
_WIDEST = 120


def verdict_text(verdict: Verdict, *, width: int = 140) -> str:
    """Lay a verdict out as a table, its worst checks first, in `width` columns.

    Where its cells leave no room for the reasons, each check stands by itself, its numbers and reason under its name.

    Examples
    --------
    >>> from assay.core import Check, Limit, Outcome, Verdict
    >>> check = Check(name="auc", outcome=Outcome.PASS, reason="lies within", estimate=0.9,
    ...     interval=(0.88, 0.92), confidence=0.95, limit=Limit(min=0.8), support=500)
    >>> print(verdict_text(Verdict(gate="performance", outcome=Outcome.PASS, attempt=1, model=None,
    ...     policy_sha256=None, snapshot=None, code_version="c", started_at="t", seconds=0.5,
    ...     previous=None, checks=[check]), width=90))
    performance gate: PASS (attempt 1, 0.5 s)
    outcome  check  estimate [low, high]  limit   n    reason
    PASS     auc    0.9 [0.88, 0.92]      >= 0.8  500  lies within
    Intervals of one gate hold together with 95 % confidence.
    """
    lines = [f"{verdict.gate} gate: {verdict.outcome} (attempt {verdict.attempt}, {verdict.seconds:g} s)"]
    checks = sorted(verdict.checks, key=worst_first)
    lines += _table([_HEADER, *map(_row, checks)], width) if checks else ["nothing was checked"]
    levels = sorted({check.confidence for check in checks if check.confidence is not None})
    lines += [
        f"Intervals of one gate hold together with {100 * level:g} % confidence{_spent(verdict)}." for level in levels
    ]
    return "\n".join(lines)


def _spent(verdict: Verdict) -> str:
    """What part of the error budget the verdict spent, as the end of a sentence."""
    if verdict.budget is None:
        return ""
    nth, level = verdict.budget.attempt, 100 * verdict.budget.level
    return f" over all attempts on these data; this is attempt {nth}, judged at {level:.4g} %"


def check_line(check: Check) -> str:
    """A check in one line: its outcome, name and reason."""
    outcome, name, *_ = _row(check)
    return f"{outcome} {name}: {_visible(' '.join(check.reason.split()))}"


def says_something(text: str) -> bool:
    r"""Whether a text has a letter or a digit: spaces, also those that nobody sees, give no reason and name nobody.

    Examples
    --------
    >>> [says_something(text) for text in ("ok", "7", "", "  ", "\u200b\u2060", "...")]
    [True, True, False, False, False, False]
    """
    return any(map(str.isalnum, text))


def _row(check: Check) -> tuple[str, ...]:
    name = check.name if check.attribute is None else f"{check.name} {check.attribute}"
    severity = "" if check.severity == "critical" else f" ({check.severity})"
    support = "-" if check.support is None else f"{check.support:,}"
    # a line break inside a reason or a value from the data must not break the table
    return tuple(
        _visible(" ".join(cell.split()))
        for cell in (
            f"{check.outcome}{severity}",
            name,
            _estimate(check),
            _limit(check.limit),
            support,
            # its own column says it already; without an interval it could be the beginning of another number
            check.reason if check.interval is None else check.reason.removeprefix(_estimate(check)),
        )
    )


def _visible(text: str) -> str:
    """Without what would steer a terminal: names and values come from data that anybody may have written."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _estimate(check: Check) -> str:
    return "-" if check.estimate is None else describe_estimate(check.estimate, check.interval)


def _limit(limit: Limit | None) -> str:
    if limit is None:
        return "-"
    bounds = (("<=", limit.max), (">=", limit.min))
    return ", ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None) or "-"


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    *columns, _ = [max(map(len, column)) for column in zip(*rows, strict=True)]
    indent = sum(columns) + len(_GAP) * len(columns)
    if width - indent < max(_NARROWEST, width // 3):
        return [line for row in rows[1:] for line in _stacked(row, max(_NARROWEST, min(width, _WIDEST)))]
    lines = []
    for *cells, reason in rows:
        left = _GAP.join(cell.ljust(size) for cell, size in zip(cells, columns, strict=True))
        first, *others = textwrap.wrap(reason, max(_NARROWEST, width - indent), break_on_hyphens=False) or [""]
        lines.append((left + _GAP + first).rstrip())
        lines += [" " * indent + other for other in others]
    return lines


def _stacked(row: Sequence[str], width: int) -> Iterator[str]:
    """A check under its name, where there is no room beside it."""
    outcome, name, estimate, limit, support, reason = row
    told = [estimate, f"limit {limit}", f"n {support}"]
    numbers = ", ".join(each for each in told if each.rpartition(" ")[2] != "-")
    under = [numbers, reason] if not outcome.startswith(Outcome.PASS) else [": ".join(filter(None, [numbers, reason]))]
    for text, indent in ((f"{outcome}{_GAP}{name}", ""), *((each, _UNDER) for each in under)):
        yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=_UNDER, break_on_hyphens=False)
