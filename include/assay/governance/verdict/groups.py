"""The groups of a verdict as figures: one for each metric of each attribute, a group a row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.core import Check, Group, GroupMetrics, Limit, Verdict
from assay.evidence.card import words
from assay.evidence.pictures.checks import group_levels, is_paired
from assay.evidence.pictures.figure import Figure, Line
from assay.evidence.pictures.reliability import is_bin

FOUND = ("slice",)
"""The only column of the slices that a search found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """The groups that the same columns make.

    Attributes
    ----------
    title, by
        The heading, and what makes the groups, as a phrase.
    count
        How many groups there are.
    judged, others
        A figure for each metric: those that the policy limits, and what was measured beside them.
    """

    title: str
    by: str
    count: int
    judged: Sequence[Figure]
    others: Sequence[Figure]


def attributes(verdict: Verdict) -> list[Attribute]:
    """Every group of a verdict under the columns that make it; bins of the score are no groups."""
    kinds: dict[tuple[str, ...], list[GroupMetrics]] = {}
    for group in verdict.groups:
        if not is_bin(group):
            kinds.setdefault(tuple(group.group), []).append(group)
    return [_attribute(columns, members, verdict) for columns, members in kinds.items()]


def _attribute(columns: tuple[str, ...], groups: Sequence[GroupMetrics], verdict: Verdict) -> Attribute:
    metrics = list(dict.fromkeys(name for group in groups for name in group.metrics))
    checks = [check for check in verdict.checks if _about(check) == "*".join(columns)]
    judged = [name for name in dict.fromkeys(map(_metric, checks)) if name in metrics]
    by = words.attribute("*".join(columns)) if columns != FOUND else "slice that was found"
    figures = {
        metric: _figure(metric, by, groups, [check for check in checks if _metric(check) == metric], verdict)
        for metric in metrics
    }
    kind = "Slices" if verdict.gate == "performance" else "Groups"
    return Attribute(
        title=f"{kind} by {by}" if columns != FOUND else "Weak slices that were found",
        by=by,
        count=len(groups),
        judged=[figures[metric] for metric in judged],
        others=[figure for metric, figure in figures.items() if metric not in judged],
    )


def _about(check: Check) -> str | None:
    return FOUND[0] if check.compare == "excess" else check.attribute


def _metric(check: Check) -> str:
    return "excess" if check.compare == "excess" else check.metric or ""


def _figure(metric: str, by: str, groups: Sequence[GroupMetrics], checks: Sequence[Check], verdict: Verdict) -> Figure:
    named = {_key(group) for check in checks for group in check.groups or ()}
    limit, said = _limit(metric, groups, checks)
    drawn = [_line(group, metric, limit, decisive=_key(group.group) in named) for group in groups]
    return Figure(
        caption=f"{words.metric(metric)} by {by}",
        lines=sorted(drawn, key=_highest_first),
        level=" ".join(filter(None, [said, group_levels(verdict)])),
    )


def _line(group: GroupMetrics, metric: str, limit: Limit | None, *, decisive: bool) -> Line:
    found = group.metrics.get(metric)
    return Line(
        name=words.group(group.group),
        estimate=None if found is None else found.estimate,
        interval=None if found is None else found.interval,
        n=group.n if found is None else found.support,
        limit=limit,
        decisive=decisive,
    )


def _highest_first(line: Line) -> tuple[bool, float, str]:
    return line.estimate is None, -(line.estimate or 0.0), line.name


def _limit(metric: str, groups: Sequence[GroupMetrics], checks: Sequence[Check]) -> tuple[Limit | None, str]:
    """What each group may be, and that in words: by itself, or beside the groups that were compared."""
    held = [check.limit for check in checks if check.limit is not None and _of_one(check)]
    if held:
        lows, highs = [each.min for each in held if each.min is not None], [e.max for e in held if e.max is not None]
        limit = Limit(min=max(lows, default=None), max=min(highs, default=None))
        return limit, f"Shaded: what each group may have, {words.limit(limit)}."
    return next(_apart(metric, groups, checks), (None, ""))


def _of_one(check: Check) -> bool:
    """Whether a limit is one that every group is held against."""
    return check.compare in ("level", "excess") and not is_paired(check)


def _apart(metric: str, groups: Sequence[GroupMetrics], checks: Sequence[Check]) -> Iterator[tuple[Limit, str]]:
    """How far apart the limit lets the groups be that a check compared, from where the estimates are."""
    estimates = {_key(group.group): found.estimate for group in groups if (found := group.metrics.get(metric))}
    for check in checks:
        pair = [value for group in check.groups or () if (value := estimates.get(_key(group))) is not None]
        if len(pair) != 2 or check.limit is None or is_paired(check) or "_within_" in check.name:
            continue  # what was gained, and rates at the same mix, are no numbers of the groups themselves
        if check.compare == "difference" and check.limit.max is not None:
            low = min(pair)
            yield Limit(min=low, max=low + check.limit.max), _shaded("difference", check.limit)
        if check.compare == "ratio" and check.limit.min is not None:
            high = max(pair)
            yield Limit(min=high * check.limit.min, max=high), _shaded("ratio", check.limit)


def _shaded(compare: str, limit: Limit) -> str:
    return f"Shaded: as far as the limit lets the two groups compared be apart, {compare} {words.limit(limit)}."


def _key(group: Group) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(group.items()))
