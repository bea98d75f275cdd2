"""What the page of a verdict shows, and where its pictures are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.core import Check, Outcome, Verdict, worst_first
from assay.evidence.pictures.checks import check_figures
from assay.evidence.pictures.figure import Figure
from assay.evidence.pictures.reliability import Reliability, reliability
from assay.governance.verdict.columns import Column, columns
from assay.governance.verdict.groups import Attribute, attributes
from assay.governance.verdict.story import Story, story

if TYPE_CHECKING:
    from assay.governance.waived import WaiverState

CheckKey = tuple[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One check, and the waiver that let it go on, if one did."""

    check: Check
    waived: "WaiverState | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A verdict laid out.

    Attributes
    ----------
    digest
        The verdict's.
    unmet, met
        The checks that do not pass, what decides first, and those that do.
    informing
        Those that are for information: whether they pass means nothing for the gate.
    figures
        The checks that have intervals, drawn.
    attributes
        The groups.
    columns
        The columns that did not pass.
    calibration
        The reliability diagram; None when the score was not binned.
    promise
        How sure the intervals of the checks are, in a sentence; may be empty.
    """

    verdict: Verdict
    digest: str
    story: Story
    unmet: Sequence[Judged]
    met: Sequence[Judged]
    informing: Sequence[Judged]
    figures: Sequence[Figure]
    attributes: Sequence[Attribute]
    columns: Sequence[Column]
    calibration: Reliability | None
    promise: str

    @property
    def waived(self) -> list[Judged]:
        """The checks that went on by a waiver."""
        return [each for each in (*self.unmet, *self.met, *self.informing) if each.waived]


def sheet(verdict: Verdict, *, waived: "Mapping[CheckKey, WaiverState] | None" = None) -> Sheet:
    """Lay out a verdict.

    Parameters
    ----------
    waived
        By name and attribute, the waivers that let checks of this verdict go on.
    """
    excuses = waived or {}
    judged = [
        Judged(check=check, waived=excuses.get((check.name, check.attribute)))
        for check in sorted(verdict.checks, key=worst_first)
    ]
    limited = [each for each in judged if each.check.severity != "info"]
    figures = [each for each in check_figures(verdict.checks, verdict) if any(line.interval for line in each.lines)]
    return Sheet(
        verdict=verdict,
        digest=verdict.digest,
        story=story(verdict),
        unmet=[each for each in limited if each.check.outcome is not Outcome.PASS],
        met=[each for each in limited if each.check.outcome is Outcome.PASS],
        informing=[each for each in judged if each.check.severity == "info"],
        figures=[_bare(each) for each in figures],
        attributes=attributes(verdict),
        columns=columns(verdict),
        calibration=reliability(verdict.groups),
        promise=next((each.level for each in figures), ""),
    )


def _bare(figure: Figure) -> Figure:
    """A figure without what the page says elsewhere: how sure all of them are, and each check's reason."""
    return replace(figure, level="", lines=[replace(line, reason="") for line in figure.lines])
