"""Delete the rows of snapshots whose time is over, so that the date in a manifest is a promise that is kept.

A tombstone is written first: from then on whoever opens the snapshot is told that its rows were deleted, and when,
however far the deletion has come. Then the files go. A process that is killed in between leaves a tombstone with
files, and `Deletion.end` ends what it began. Manifests, takings and Delta's log stay: they hold no rows.

Rows that were set aside when a snapshot was taken are kept like a snapshot, and go like one: when their own time is
over, or when the rows are gone that they were taken out of.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from assay.core import fault_point, utc_now
from assay.data import cache, tombstones
from assay.data.quarantine import quarantine_of, quarantined
from assay.data.snapshots import Snapshot, find_snapshot, list_snapshots
from assay.data.staging import staging
from assay.data.store import Store, store_of
from assay.data.table import TABLE
from assay.data.tombstones import Tombstone


@dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """A deletion that was begun at least.

    Attributes
    ----------
    store
        The folder that the rows were in.
    """

    store: Store
    tombstone: Tombstone

    def left(self) -> list[str]:
        """Files that are there all the same, as people are told of them."""
        return [self.store.place(path) for path in self.tombstone.left(self.store)]

    def end(self) -> None:
        """Delete what an interruption has left.

        Raises
        ------
        UnavailableError
            When a disk or a store fails.
        """
        if self.tombstone.left(self.store):
            with staging(self.store):
                _clear(self.store, self.tombstone)


def is_over(snapshot: Snapshot, today: date) -> bool:
    """Whether a day is after the last one on which any purpose keeps the rows."""
    return snapshot.keep_until is not None and snapshot.keep_until < today.isoformat()


def overdue(root: str, model: str, today: date) -> list[Snapshot]:
    """A model's snapshots whose rows are there and should be gone, the longest overdue first.

    After them the same of the rows that were set aside.
    """
    taken, aside = list_snapshots(root, model), quarantined(root, model)
    gone = {each.id for each in taken if each.tombstone is not None}
    due = [each for each in taken if is_over(each, today)]
    due += [each for each in aside if is_over(each, today) or parent_of(each) in gone]
    there = [each for each in due if each.tombstone is None]
    return sorted(there, key=lambda each: (parent_of(each) != each.id, each.keep_until or "", each.id))


def parent_of(snapshot: Snapshot) -> str:
    """The snapshot that rows belong to: their own, or the one that they were set aside from."""
    return str(snapshot.manifest.get("snapshot", snapshot.id))


def deletions(root: str, model: str) -> list[Deletion]:
    """Every deletion of a model's rows that there ever was."""
    stores = (store_of(root, model), quarantine_of(root, model))
    return [Deletion(store=store, tombstone=each) for store in stores for each in tombstones.every(store)]


def strays(root: str, model: str, known: Collection[str] = ()) -> list[tuple[Store, str]]:
    """Files with rows that no snapshot names: a taking was killed before it was one, and not done again.

    None are looked for in a store that other machines write to: there a taking may be under way.

    Parameters
    ----------
    known
        Snapshots, and rows set aside, that somebody knows: if they have no manifest, that was lost, and will be missed.
    """
    found = []
    for store in (store_of(root, model), quarantine_of(root, model)):
        kept = [each for each in list_snapshots(store.root, store.model) if each.tombstone is None]
        named = {str(file["path"]) for each in kept for file in each.manifest["files"]}
        named |= {path for each in tombstones.every(store) for path in each.files}
        names = [name for name in ([] if store.shared else store.names(TABLE)) if name.endswith(".parquet")]
        own = (name for name in names if not name.startswith(tuple(known)))
        found += [(store, path) for name in own if (path := f"{TABLE}/{name}") not in named]
    return found


def sweep(root: str, model: str, known: Collection[str] = ()) -> list[str]:
    """Delete `strays`, and what killed takings have left elsewhere; which those were, as people are told of them.

    Who takes the same rows again finds them gone and writes them anew.

    Parameters
    ----------
    known
        As for `strays`.

    Raises
    ------
    UnavailableError
        When a disk or a store fails.
    """
    with staging(store_of(root, model)):  # nobody takes rows meanwhile
        found = strays(root, model, known)
        for store, path in found:
            store.remove(path)
    return [store.place(path) for store, path in found]


def delete_rows(snapshot: Snapshot, *, by: str, today: date) -> Deletion | None:
    """Delete rows for good.

    Parameters
    ----------
    snapshot
        One of `overdue`. It is looked at again: only who holds the model's lock knows how it is.
    by
        Who deletes it.

    Returns
    -------
    Deletion or None
        None when the rows were taken again in the meantime and may be kept; then nothing was deleted.

    Raises
    ------
    UserError
        When there is no such snapshot any more.
    UnavailableError
        When a disk or a store fails; doing it again ends what was begun.
    """
    store = snapshot.folder
    with staging(store):
        found = find_snapshot(root=store.root, model=store.model, snapshot_id=snapshot.id)
        tombstone = found.tombstone or _bury(found, by=by, today=today)
        if tombstone is None:
            return None
        _clear(store, tombstone)
    return Deletion(store=store, tombstone=tombstone)


def _bury(snapshot: Snapshot, *, by: str, today: date) -> Tombstone | None:
    """Write the tombstone, unless the rows may be kept by now."""
    store = snapshot.folder
    if not _is_due(snapshot, today):
        return None
    shared = _files_of_others(snapshot)
    own = {str(each["path"]): int(each["bytes"]) for each in snapshot.manifest["files"] if each["path"] not in shared}
    tombstone = Tombstone(
        snapshot=snapshot.id,
        manifest_sha256=snapshot.manifest_sha256,
        keep_until=snapshot.keep_until,
        at=utc_now(),
        by=by,
        rows=snapshot.rows,
        bytes=sum(own.values()),
        files=tuple(own),
        manifest=(store.read(f"manifests/{snapshot.id}.json") or b"").decode(),
    )
    tombstone.write(store)
    fault_point("expiry.buried")
    again = find_snapshot(root=store.root, model=store.model, snapshot_id=snapshot.id)
    same = again.manifest_sha256 == snapshot.manifest_sha256
    if same and not _is_due(again, today):  # another machine, which no lock stops, took them again; it looks here, too
        tombstone.withdraw(store)
        return None
    return tombstone


def _is_due(snapshot: Snapshot, today: date) -> bool:
    store = snapshot.folder
    if is_over(snapshot, today) or parent_of(snapshot) == snapshot.id:
        return is_over(snapshot, today)
    root, _, model = store.root.rpartition("/")
    return find_snapshot(root=root, model=model, snapshot_id=parent_of(snapshot)).tombstone is not None


def _files_of_others(snapshot: Snapshot) -> set[str]:
    """Files of the model's other snapshots: each has its own, but no promise to one may cost another its rows."""
    every = list_snapshots(snapshot.folder.root, snapshot.folder.model)
    others = (each for each in every if each.id != snapshot.id and each.tombstone is None)
    return {str(file["path"]) for each in others for file in each.manifest["files"]}


def _clear(store: Store, tombstone: Tombstone) -> None:
    digests = {str(each["path"]): str(each["sha256"]) for each in json.loads(tombstone.manifest)["files"]}
    for path in tombstone.files:
        store.remove(path)
        if store.shared:
            cache.place_of(digests[path]).unlink(missing_ok=True)
        fault_point("expiry.half_deleted")
    fault_point("expiry.deleted")
