"""Snapshots: rows that vanished, rows whose time is over, and deletions that nobody ended or recorded."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.core import Settings
from assay.evidence.audit.deviation import LAG, Deviation, key
from assay.evidence.verify.case import Case, is_younger
from assay.evidence.verify.snapshot import EXPIRY

if TYPE_CHECKING:
    from assay.data.snapshots import Snapshot

KIND = "snapshot"

_GRACE = timedelta(days=1)
"""How long after its day a snapshot may wait for the night's `assay snapshot expire`."""

_LOST = (
    "find out who deleted it: nothing but assay snapshot expire may, and it leaves a tombstone. Restore the file from "
    "a backup; until then no verdict about it can be replayed"
)
_AGAIN = "assay snapshot expire --yes ends what was interrupted"


def audit_snapshots(settings: Settings, model: str, cases: Mapping[int, Case]) -> list[Deviation]:
    """Everything about a model's snapshots that somebody must look at. Files are looked for, and not read.

    Parameters
    ----------
    cases
        The dossiers of the model's versions: each names its rows.
    """
    from assay.data.quarantine import quarantined
    from assay.data.snapshots import list_snapshots

    root = settings.snapshots
    found = list_snapshots(root, model)
    each = [*_files(model, found), *_files(model, quarantined(root, model)), *_overdue(settings, model)]
    return [*each, *_of_versions(model, cases, {one.id: one for one in found})]


def _files(model: str, snapshots: Iterable["Snapshot"]) -> Iterator[Deviation]:
    """Files that are missing without a tombstone, and those that are there in spite of one."""
    there: set[str] | None = None
    for each in snapshots:
        folder = each.folder
        there = {f"table/{name}" for name in folder.names("table")} if there is None else there
        named = {str(file["path"]) for file in each.manifest["files"]}
        if each.tombstone is None and (lost := sorted(named - there)):
            more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
            message = f"{each.id}: {folder.place(lost[0])} is missing{more}, and no tombstone says that it was deleted"
            yield _deviation(model, each.id, message, _LOST)
        if each.tombstone is not None and (left := sorted({*each.tombstone.files} & there)):
            message = f"{each.id}: {folder.place(left[0])} is still there, though its rows were deleted"
            yield _deviation(model, each.id, message, _AGAIN)


def _overdue(settings: Settings, model: str) -> Iterator[Deviation]:
    from assay.data.expiry import overdue

    for each in overdue(settings.snapshots, model, (datetime.now(UTC) - _GRACE).date()):
        message = f"{each.id}: its rows might be kept until {each.keep_until}, and are there"
        mend = f"assay snapshot expire --model {model} tells what needs them, and deletes them with --yes"
        yield _deviation(model, each.id, message, mend)


def _of_versions(model: str, cases: Mapping[int, Case], snapshots: Mapping[str, "Snapshot"]) -> Iterator[Deviation]:
    """Versions whose rows nobody can account for: by the record, neither kept nor deleted."""
    from assay.data.store import store_of
    from assay.data.tombstones import find

    for number, case in sorted(cases.items()):
        event = case.last("snapshot")
        if event is None:
            continue
        name, digest = str(event.facts["snapshot"]), str(event.facts["manifest_sha256"])
        tombstone = find(store_of(case.settings.snapshots, model), name, digest)
        recorded = any(each.facts.get("manifest_sha256") == digest for each in case.events(EXPIRY))
        now = snapshots.get(name)
        if tombstone is None and (now is None or now.manifest_sha256 != digest):
            message = f"{name}: the manifest that version {number} was made from is gone, or is another"
            yield _deviation(model, name, message, _LOST, number)
        elif tombstone is not None and not recorded and not is_younger(tombstone.at, LAG):
            message = f"{name}: its rows were deleted, and the dossier of version {number} does not record it"
            yield _deviation(model, name, message, _AGAIN, number)


def _deviation(model: str, snapshot: str, message: str, mend: str, version: int | None = None) -> Deviation:
    place = (snapshot,) if version is None else (snapshot, version)
    return Deviation(key=key(model, KIND, *place), model=model, version=version, kind=KIND, message=message, mend=mend)
