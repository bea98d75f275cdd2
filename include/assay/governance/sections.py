"""One verdict laid out for a page: its checks by kind, its groups as tables, its waivers beside the checks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from assay.core import Check, GroupMetrics, Verdict
from assay.governance.figures import Picture, Scale, picture, scale_of
from assay.governance.waived import Excuses, WaiverState
from assay.governance.words import TASKS
from assay.registry.dossier import BEFORE_TRAINING

_SEVERITY = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One check, drawn if it can be, and the waiver that let it go on, if one did."""

    check: Check
    picture: Picture | None
    waived: WaiverState | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Checks of one kind, drawn on one scale; those without a picture form a family without a scale."""

    title: str
    scale: Scale | None
    rows: Sequence[Line]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTable:
    """Every metric of the groups that the same columns make."""

    columns: Sequence[str]
    metrics: Sequence[str]
    groups: Sequence[GroupMetrics]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One verdict on the page.

    Attributes
    ----------
    anchors
        Fragments that lead here: gate and task for a gate's latest verdict, ``gate-attempt`` for earlier ones.
    elsewhere
        Sentences about what this verdict was about, where the run is now about something else.
    """

    verdict: Verdict
    digest: str
    anchors: Sequence[str]
    elsewhere: Sequence[str]
    families: Sequence[Family]
    tables: Sequence[GroupTable]

    @property
    def waived(self) -> list[Line]:
        """The checks that a waiver let go on."""
        return [line for family in self.families for line in family.rows if line.waived]


def section(verdict: Verdict, *, latest: bool, subject: Mapping[str, str | None], excuses: Excuses) -> Section:
    """Lay out one verdict: worst family first, and in each family the worst check first.

    Parameters
    ----------
    latest
        Whether it is its gate's latest.
    subject
        What the run is about now: ``policy``, ``snapshot``, ``code version`` and ``model``.
    excuses
        The waivers of the dossier.
    """
    gate = verdict.gate
    anchors = [gate, TASKS.get(gate, gate)] if latest else [f"{gate}-{verdict.attempt}"]
    return Section(
        verdict=verdict,
        digest=verdict.digest,
        anchors=list(dict.fromkeys(anchors)),
        elsewhere=list(_elsewhere(verdict, subject)),
        families=_families(verdict, excuses),
        tables=_tables(verdict.groups),
    )


def _elsewhere(verdict: Verdict, subject: Mapping[str, str | None]) -> Iterator[str]:
    now = {
        "policy": verdict.policy_sha256,
        "snapshot": verdict.snapshot,
        "code version": verdict.code_version,
        "model": verdict.model,
    }
    for part, seen in now.items():
        wanted = subject.get(part)
        untrained = part == "model" and seen is None and verdict.gate in BEFORE_TRAINING
        if seen != wanted and not untrained:
            yield f"Judged on another {part} than this run's present one: {seen or 'none'}, not {wanted or 'none'}."


def _worst_first(line: Line) -> tuple[int, int]:
    return -_SEVERITY[line.check.severity], -line.check.outcome.rank


def _families(verdict: Verdict, excuses: Excuses) -> list[Family]:
    kinds: dict[tuple[str | None, str | None], list[Check]] = {}
    for check in verdict.checks:
        kinds.setdefault((check.metric, check.compare), []).append(check)
    drawn: list[Family] = []
    plain: list[Line] = []
    for (metric, compare), members in kinds.items():
        scale = scale_of(members)
        lines = sorted(
            (
                Line(check=check, picture=picture(check, scale), waived=excuses.of(verdict.digest, check))
                for check in members
            ),
            key=_worst_first,
        )
        if scale is None:
            plain += lines
        else:
            title = " ".join(part.replace("_", " ") for part in (metric, compare) if part and part != "level")
            drawn.append(Family(title=title, scale=scale, rows=lines))
    drawn.sort(key=lambda family: _worst_first(family.rows[0]))
    plain.sort(key=_worst_first)
    return [*drawn, Family(title="", scale=None, rows=plain)] if plain else drawn


def _tables(groups: Sequence[GroupMetrics]) -> list[GroupTable]:
    tables = []
    for columns, members in groupby(
        sorted(groups, key=lambda g: (len(g.group), list(g.group))), lambda g: list(g.group)
    ):
        rows = list(members)
        metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
        tables.append(GroupTable(columns=columns, metrics=metrics, groups=rows))
    return tables
