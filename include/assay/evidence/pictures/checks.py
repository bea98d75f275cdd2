"""The checks of a verdict as figures: one for each kind, what came out worst first."""

from collections.abc import Iterator, Sequence

from assay.core import Check, Verdict, worst_first
from assay.evidence.card import words
from assay.evidence.pictures.figure import Figure, Line

GAINED, PAID = "_gained", "accuracy_paid"
"""How the checks are called that compare a mitigated model with the one before it."""

_ANCHORS = {"difference": 0.0, "ratio": 1.0, "excess": 0.0, "gained": 0.0, "paid": 0.0}
_COMPARED = {
    ("performance", "difference"): ": how much worse than the champion",
    ("performance", "excess"): ": how much worse than elsewhere, in the weakest slice that was found",
    ("fairness", "difference"): ": largest difference between groups",
    ("fairness", "ratio"): ": smallest ratio between groups",
    ("fairness", "level"): ": the group that is nearest to the limit, or beyond it",
    ("fairness", "gained"): " {compare}: what the mitigation gained",
    ("fairness", "paid"): ": what the mitigation cost",
    ("robustness", "difference"): ": how much worse under damage",
}


def check_figures(checks: Sequence[Check], verdict: Verdict, source: str = "") -> list[Figure]:
    """Some checks of a verdict, those on one scale together; the figure with the worst check first.

    Parameters
    ----------
    source
        The verdict's place in its dossier, for a page that tells of several records.
    """
    kinds: dict[tuple[str, str, str | None, str], list[Check]] = {}
    for check in sorted(checks, key=worst_first):
        kinds.setdefault((check.metric or check.name, _kind(check), check.compare, _mix(check)), []).append(check)
    level = levels(verdict)
    together = "together, over all attempts," if verdict.budget else "together"
    told = f"The intervals of the {verdict.gate} gate hold {together} with {level} confidence." if level else ""
    return [
        Figure(
            caption=words.metric(metric) + _COMPARED.get((verdict.gate, kind), "").format(compare=compare) + mix,
            lines=[_line(check, name, source) for check, name in zip(members, _names(members), strict=True)],
            level=told,
            anchor=_ANCHORS.get(kind),
        )
        for (metric, kind, compare, mix), members in kinds.items()
    ]


def levels(verdict: Verdict) -> str:
    """The confidence of a verdict's checks in words; empty when none has an interval."""
    return ", ".join(map(words.percent, sorted(set(_confidences(verdict)))))


def group_levels(verdict: Verdict) -> str:
    """How sure the intervals of a verdict's groups are, in a sentence; empty when nothing tells."""
    level = levels(verdict)
    if not level:
        return ""
    if verdict.gate == "fairness":
        return f"Each interval by itself at {level} confidence."
    return f"The intervals of one kind of group hold together at {level} confidence."


def is_paired(check: Check) -> bool:
    """Whether a check compares a mitigated model with the one before it."""
    return GAINED in check.name or check.name == PAID


def check_title(check: Check) -> str:
    """A check's name and what it is about, as one phrase."""
    return words.plain(check.name) + (f" by {words.attribute(check.attribute)}" if check.attribute else "")


def sides(check: Check) -> str:
    """The groups that a check's estimate came from, as one phrase; empty when it names none."""
    return " against ".join(words.group(group) for group in check.groups or ())


def _confidences(verdict: Verdict) -> Iterator[float]:
    return (check.confidence for check in verdict.checks if check.confidence is not None)


def _kind(check: Check) -> str:
    if check.name == PAID:
        return "paid"
    return "gained" if GAINED in check.name else check.compare or ""


def _mix(check: Check) -> str:
    """For rates that were compared as if all groups had the same mix of a column's values, that in words."""
    column = check.name.partition("_within_")[2].partition("[")[0]
    return f", at the same mix of {column}" if column else ""


def _names(checks: Sequence[Check]) -> list[str]:
    """What tells the checks of one figure apart: what they are about, where that is enough."""
    about = {check.attribute for check in checks}
    if None in about or len(about) < len(checks):
        return list(map(check_title, checks))
    return [f"by {words.attribute(check.attribute or '')}" for check in checks]


def _line(check: Check, name: str, source: str) -> Line:
    return Line(
        name=name,
        detail=sides(check),
        estimate=check.estimate,
        interval=check.interval,
        n=check.support,
        source=source,
        limit=check.limit,
        outcome=check.outcome,
        reason=check.reason,
    )
