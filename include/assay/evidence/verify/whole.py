"""Every check of a version, one after the other."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from assay.evidence.opening import rollouts
from assay.evidence.verify.attempts import check_attempts
from assay.evidence.verify.case import Case, is_younger, open_case
from assay.evidence.verify.chain import check_anchors, check_grounds, check_moves, check_records, check_shipped
from assay.evidence.verify.files import check_candidate, check_card, check_inputs
from assay.evidence.verify.report import Check, Report
from assay.evidence.verify.shown import check_parameters, check_tags, check_version
from assay.evidence.verify.snapshot import Progress, check_snapshot
from assay.registry.archive import Archive

_FRESH = timedelta(minutes=1)
_PAUSE = 0.5


def verify(
    archive: Archive,
    model: str,
    version: int,
    *,
    shipped: Path | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    patience: float = 10,
) -> Report:
    """Hold a registered version against its dossier: everything that was recorded, down to the data's cells.

    Parameters
    ----------
    archive
        See `opening.archive`.
    shipped
        A copy of the anchors that was kept elsewhere; see `rollout.ship`. Without it nothing tells when
        whoever holds the key rewrote dossier and anchors together.
    progress
        Told what is being read, how much of it has been, and how much there is.
    patience
        Seconds to wait for a writer who is at work on the dossier to finish.

    Raises
    ------
    UserError
        When there is no such version, naming those there are; no such file; or no public keys.
    EvidenceError
        When the version was not registered by Assay.
    UnavailableError
        When a server or a disk does not answer: then nothing is verified.
    """
    case, shown = _settled(lambda: open_case(archive, rollouts(archive.settings), model, version), patience)
    checks = [check_anchors(case)]
    notes: list[str] = []
    if shipped is not None:
        checks.append(_noted(check_shipped(case, shipped), notes))
    checks.append(_noted(check_records(case), notes))
    checks.append(check_grounds(case))
    checks.append(_noted(check_moves(case), notes))
    checks.append(check_attempts(case))
    checks += [*shown, check_candidate(case), *check_inputs(case)]
    checks += [_noted(check_snapshot(case, progress), notes), check_card(case)]
    return Report(
        model=model,
        version=version,
        dossier=case.dossier.run_id,
        head=case.records[-1].digest if case.records else None,
        checks=tuple(checks),
        notes=tuple(notes),
    )


def _settled(read: Callable[[], Case], patience: float) -> tuple[Case, list[Check]]:
    """Read the case and what MLflow shows of it; again while a writer may be between a record and its tags."""
    deadline = time.monotonic() + patience
    while True:
        case = read()
        shown = [check_version(case), check_tags(case), check_parameters(case)]
        if not any(check.findings for check in shown) or not _at_work(case) or time.monotonic() > deadline:
            return case, shown
        time.sleep(_PAUSE)


def _at_work(case: Case) -> bool:
    anchors = case.table.of(case.dossier.run_id)
    return bool(anchors) and is_younger(anchors[-1].at, _FRESH)


def _noted(result: tuple[Check, list[str]], notes: list[str]) -> Check:
    check, told = result
    notes += told
    return check
