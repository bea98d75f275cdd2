"""The versions in MLflow: each made by a registration that a dossier records, with its moves and its files."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from assay.core import Anchor
from assay.evidence.account import kept_until
from assay.evidence.audit.deviation import LAG, Deviation, key
from assay.evidence.verify.case import Case, is_younger, registered
from assay.evidence.verify.chain import CUT_OFF, check_moves, cut_off
from assay.evidence.verify.files import check_candidate
from assay.evidence.verify.report import Finding
from assay.evidence.verify.shown import check_version
from assay.policy.tiers import TIERS
from assay.registry.archive import Archive
from assay.registry.images import DOSSIER
from assay.registry.live import (
    LiveModel,
    read_model,
    read_version,
)
from assay.rollout.anchors import AnchorTable

if TYPE_CHECKING:
    from assay.rollout.rollouts import Rollouts

_KEPT = timedelta(days=365 * min(tier.retention_years for tier in TIERS.values()))  # no dossier goes before that


def read_cases(
    archive: Archive, book: "Rollouts", model: str
) -> tuple[LiveModel, dict[int, Case], list[Case], list[Anchor]]:
    """A model as MLflow shows it, and the dossiers that registered its versions.

    The dossiers are read first: what was registered in between is new, and not a version that is gone.

    Returns
    -------
    live, cases, lost, gone
        The cases by version; those whose record of the registration cannot be read; and of each dossier whose
        run is not in MLflow any more, the last anchor.
    """
    read, gone = [], []
    for run_id in registered(AnchorTable(book.engine), model):
        dossier = archive.at(run_id, model)
        anchors = AnchorTable(book.engine).of(run_id)
        if dossier is None:
            gone.append(anchors[-1])
        else:
            read.append((dossier, anchors, *dossier.check()))
    live = read_model(archive.client, model) or LiveModel(versions={}, aliases={})
    today = datetime.now(UTC).date()
    cases: dict[int, Case] = {}
    lost = []
    for dossier, anchors, sealed, doubts in read:
        case = Case(
            archive=archive, book=book, model=model, version=0, live=None,
            dossier=dossier, anchors=anchors, sealed=sealed, doubts=doubts,
        )  # fmt: skip
        numbers = [int(event.facts["version"]) for event in case.events("registration")]
        every = [replace(case, version=number, live=live.versions.get(number)) for number in numbers]
        cases |= {each.version: each for each in every if each.live is not None or not _released(each, today)}
        lost += [] if numbers else [case]
    return live, cases, lost, gone


def pending(live: LiveModel, table: AnchorTable) -> set[int]:
    """The versions that a registration has just made and is about to record."""
    return {
        number
        for number, version in live.versions.items()
        if time.time() - version.created < LAG.total_seconds() and table.of(version.tags.get(DOSSIER, ""))
    }


def audit_versions(
    model: str,
    live: LiveModel,
    cases: Mapping[int, Case],
    lost: Sequence[Case],
    gone: Sequence[Anchor],
    pending: Collection[int],
) -> list[Deviation]:
    """Versions that nobody registered, or that lead elsewhere; versions that are gone; dossiers that are not whole."""
    named = {version.run_id for version in live.versions.values()}
    found = [_vanished(each) for each in gone if each.dossier in named or is_younger(each.at, _KEPT)]
    found += [_gone(case) for number, case in sorted(cases.items()) if number not in live.versions]
    doubted = {case.dossier.run_id for case in lost} | {each.dossier for each in gone}
    for number, version in sorted(live.versions.items()):
        case = cases.get(number)
        if case is not None:
            found += [_elsewhere(case, each) for each in check_version(case).findings]
        elif version.run_id not in doubted and number not in pending:
            found.append(_foreign(model, number))
    for case in {case.dossier.run_id: case for case in (*lost, *cases.values())}.values():
        found += [_broken(case)] if case.doubts else []
        cut, _ = cut_off(case)
        if cut and (cut := cut_off(read_again(case))[0]):  # the writer may have been between two records
            found.append(_cut(case, cut))
    return found


def cut_key(case: Case) -> str:
    """The key of the deviation that records of a dossier were anchored once and are not any more."""
    return key(case.model, "dossier", case.dossier.run_id, "cut")


def audit_moves(case: Case) -> list[Deviation]:
    """Every move of the traffic, and the rollout that they led to, that is not as the dossier records it."""
    return [
        Deviation(
            key=key(case.model, "row", case.version, each.path),
            model=case.model,
            version=case.version,
            kind="row",
            message=str(each),
            mend="the history says what did not happen: find out who can write to the operations database, and "
            "restore that from a backup",
        )
        for each in check_moves(case)[0].findings
    ]


def audit_files(case: Case) -> list[Deviation]:
    """Every file of a version's model that is not as it was recorded and signed."""
    return [
        Deviation(
            key=key(case.model, "file", case.version, each.path),
            model=case.model,
            version=case.version,
            kind="file",
            message=str(each),
            mend="nothing must serve it: the gateway keeps the last good model. Restore the file from a backup, or "
            "retrain",
        )
        for each in check_candidate(case).findings
    ]


def _released(case: Case, today: date) -> bool:
    """Whether a version's retention is over, so that it may have been deleted."""
    registration = case.registration
    if registration is None:
        return False
    last, _ = kept_until(case.dossier, registration)
    return last is not None and last < today


def read_again(case: Case) -> Case:
    """The case as it is now: a writer may have been at work."""
    anchors = case.table.of(case.dossier.run_id)
    sealed, doubts = case.dossier.check()
    live = read_version(case.dossier.client, case.model, case.version)
    return replace(case, live=live, anchors=anchors, sealed=sealed, doubts=doubts)


def _gone(case: Case) -> Deviation:
    return Deviation(
        key=key(case.model, "version", case.version, "gone"),
        model=case.model,
        version=case.version,
        kind="version",
        message=f"version {case.version} was deleted from MLflow; the dossier {case.dossier.run_id} registered it",
        mend="MLflow gives no number twice: restore its database from a backup; the dossier and the files are kept",
    )


def _foreign(model: str, number: int) -> Deviation:
    return Deviation(
        key=key(model, "version", number, "foreign"),
        model=model,
        version=number,
        kind="version",
        message=f"version {number} was made by other hands: no dossier registers it",
        mend="if a registration was interrupted, clear its task: it takes the version up; else delete it in MLflow",
    )


def _elsewhere(case: Case, finding: Finding) -> Deviation:
    return Deviation(
        key=key(case.model, "version", case.version, finding.path),
        model=case.model,
        version=case.version,
        kind="version",
        message=str(finding),
        mend="nothing must load it by name: restore MLflow's database from a backup, or retrain",
    )


def _vanished(last: Anchor) -> Deviation:
    return Deviation(
        key=key(last.model, "dossier", last.dossier),
        model=last.model,
        version=None,
        kind="dossier",
        message=f"the run {last.dossier} is gone from MLflow, and with it the dossier of a version: "
        f"{last.number} records are anchored",
        mend="delete nothing: restore MLflow's database from a backup; the files may still be there",
    )


def _cut(case: Case, names: Sequence[str]) -> Deviation:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return Deviation(
        key=cut_key(case),
        model=case.model,
        version=case.version or None,
        kind="anchors",
        message=f"the dossier {case.dossier.run_id}: {names[0]} {CUT_OFF}{more}",
        mend="keep everything as it is, and set no tag back: restore the operations database from a backup",
    )


def _broken(case: Case) -> Deviation:
    more = f" (and {len(case.doubts) - 1} more)" if len(case.doubts) > 1 else ""
    return Deviation(
        key=key(case.model, "dossier", case.dossier.run_id),
        model=case.model,
        version=case.version or None,
        kind="dossier",
        message=f"the dossier {case.dossier.run_id} was changed: {case.doubts[0]}{more}",
        mend="keep everything as it is; assay dossier verify names all of it; restore the files from a backup",
    )
