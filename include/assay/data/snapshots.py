"""Immutable versions of a model's data: a Delta Lake table version and a manifest that pins its files.

Below the root each model has a folder with `table/` (one Delta table, one version for each new
content) and `manifests/` (one JSON file for each snapshot). A snapshot exists when its manifest
does: the manifest is written last and in one move, so whatever breaks before it registers nothing.
A root may also be a URL in an object store; `store` is what differs.
"""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UnavailableError, UserError, code_version, did_you_mean, fault_point, problem, utc_now
from assay.data import tombstones
from assay.data.content import files_digest
from assay.data.describe import describe
from assay.data.origins.opening import open_origin
from assay.data.origins.origin import Origin, files_sha256
from assay.data.progress import Progress, counting, silent
from assay.data.sieve import Sieve
from assay.data.snapshot import Snapshot, changed_files, load, manifest_path
from assay.data.staging import Parts, staging
from assay.data.store import Store, models_in, reached, store_of
from assay.data.table import commit
from assay.data.takings import add_taking, taking_of
from assay.data.terms import Terms, kept_batches

if TYPE_CHECKING:
    from assay.policy import Data, Source

__all__ = [
    "Snapshot",
    "changed_files",
    "create_snapshot",
    "find_snapshot",
    "keep_until",
    "list_snapshots",
    "models_with_snapshots",
    "open_snapshot",
    "register",
]

_AT_ONCE = 16  # manifests that are read at the same time where each costs a round trip


def create_snapshot(
    *,
    source: "Source | Path",
    data: "Data",
    model: str,
    root: str,
    base: Path = Path(),
    sources: Sequence[str] = (),
    sieve: Sieve | None = None,
    progress: Progress = silent,
) -> Snapshot:
    """Register what may be kept of a source; the same content always gives the same snapshot.

    Rows stream through memory batch by batch. A process that is killed on the way leaves no
    snapshot, and running again gives the one that there would have been.

    Parameters
    ----------
    source
        As a policy names it; a path is a file, a folder or a pattern.
    data
        What the policy says of the data: columns, consent, what is dropped or pseudonymised.
    model, root
        Whose snapshot it is, and the folder or URL that all snapshots are kept at.
    base
        The folder that a relative source is meant from.
    sources
        Folders and URLs that a source must lie below; none means everywhere.
    sieve
        What sets rows aside; without it none is.
    progress
        Told what is being done.

    Raises
    ------
    UserError
        When the source cannot be read or is not what `data` says: everything at once.
    UnavailableError
        When disk, permissions, a store or a database fail. Nothing is registered then, and running
        again repairs it.
    """
    store = store_of(root, model)
    terms, sieve, began = Terms.of(data), sieve or Sieve(), utc_now()
    named = str(source) if isinstance(source, Path) else source
    origin = open_origin(named, base=base, roots=sources, progress=progress)
    with reached(f"writing a snapshot of {model}"), staging(store) as place:
        store.prepare()
        staged = sieve.sift(_stage(origin, terms, place, progress), place)
        files = origin.files()
        described = describe(staged, data, origin.name, progress)
        digest = files_digest(staged, counting(progress, "hashing the rows", described["rows"]))
        snapshot_id = f"{model}-{digest[:16]}"
        set_aside = sieve.settle(store, snapshot_id)
        taking = {
            **described,
            "source": origin.name,
            "source_sha256": files_sha256(files),
            **({"source_files": files} if len(files) > 1 else {}),
            **origin.facts,
            **terms.facts(),
            **set_aside,
            "purpose": data.purpose,
            "extracted_at": began,
            "keep_until": keep_until(began, data.keep_days),
            "code_version": code_version(),
            "created_at": utc_now(),
        }
        return register(store, snapshot_id, staged, taking, digest)


def register(
    store: Store, snapshot_id: str, staged: Sequence[Path], taking: Mapping[str, Any], digest: str
) -> Snapshot:
    """The snapshot of staged rows, the manifest written last; or that which was there, with one more taking.

    Parameters
    ----------
    taking
        What its manifest says beside table version, files and digest.
    digest
        Of the rows, as `files_digest` says.
    """
    path = manifest_path(snapshot_id)
    there = store.read(path)
    if there is not None and load(store, snapshot_id, there).tombstone is None:
        return _taken_again(store, snapshot_id, taking)
    fault_point("snapshot.staged")
    version, files = commit(store, staged, tombstones.generation(store, snapshot_id), digest)
    fault_point("snapshot.committed")
    manifest = {
        "id": snapshot_id,
        "model": store.model,
        "table_version": version,
        "files": files,
        **taking,
        "content_sha256": digest,
    }
    content = json.dumps(manifest, indent=2).encode()
    if not store.exchange(path, there, content):  # another machine has taken the same rows meanwhile
        return _taken_again(store, snapshot_id, taking)
    return load(store, snapshot_id, content)


def keep_until(began: str, days: int | None) -> str | None:
    """The last day on which rows that were read at a time may be kept; None without a limit.

    Examples
    --------
    >>> keep_until("2026-01-01T12:00:00+00:00", 30)
    '2026-01-31'
    """
    if days is None:
        return None
    return (datetime.fromisoformat(began).date() + timedelta(days=days)).isoformat()


def find_snapshot(*, root: str, model: str, snapshot_id: str) -> Snapshot:
    """Read a snapshot's manifest, also where its rows were deleted; its files are not looked at.

    Raises
    ------
    UserError
        When there is no such snapshot, naming the nearest, or its manifest is none.
    """
    store = store_of(root, model)
    named = re.fullmatch(re.escape(model) + "-[0-9a-f]{16}", snapshot_id)
    content = store.read(manifest_path(snapshot_id)) if named else None
    if content is None:
        known = [each.id for each in list_snapshots(root, model)]
        raise UserError(
            snapshot_id, [Problem(path=store.root, message="no such snapshot", mend=did_you_mean(snapshot_id, known))]
        )
    return load(store, snapshot_id, content)


def open_snapshot(*, root: str, model: str, snapshot_id: str) -> Snapshot:
    """Open a snapshot after checking every one of its files against the manifest.

    Raises
    ------
    UserError
        As `find_snapshot`, and when its rows were deleted, or listing every file that is missing or was changed.
    """
    snapshot = find_snapshot(root=root, model=model, snapshot_id=snapshot_id)
    if snapshot.tombstone is not None:
        raise UserError(snapshot_id, [snapshot.tombstone.problem])
    if problems := changed_files(snapshot):
        raise UserError(snapshot_id, problems)
    return snapshot


def list_snapshots(root: str, model: str) -> list[Snapshot]:
    """A model's snapshots, oldest first; their files are not checked."""
    store = store_of(root, model)
    names = [name.removesuffix(".json") for name in store.names("manifests") if name.endswith(".json")]
    with ThreadPoolExecutor(_AT_ONCE if store.shared else 1) as pool:
        found = [each for each in pool.map(partial(_found, store), names) if each is not None]
    return sorted(found, key=lambda snapshot: snapshot.manifest["table_version"])


def models_with_snapshots(root: str) -> list[str]:
    """The models that have a snapshot, by name."""
    return [name for name in models_in(root) if store_of(root, name).names("manifests")]


def _found(store: Store, snapshot_id: str) -> Snapshot | None:
    """A snapshot; None where its manifest has just gone."""
    content = store.read(manifest_path(snapshot_id))
    return None if content is None else load(store, snapshot_id, content)


def _taken_again(store: Store, snapshot_id: str, taking: Mapping[str, Any]) -> Snapshot:
    found = open_snapshot(root=store.root, model=store.model, snapshot_id=snapshot_id)
    own = taking_of(taking)
    add_taking(store, found.place, own)
    if tombstones.find(store, found.id, found.manifest_sha256):  # by another machine; whoever deletes looks here, too
        raise UnavailableError(f"{found.id}: its rows are being deleted at this very moment; take them once more")
    return replace(found, takings=(*found.takings, own))


def _stage(origin: Origin, terms: Terms, place: Path, progress: Progress) -> list[Path]:
    """Write what may be kept of the rows, and give the files."""
    parts, told = Parts(place, origin.name), counting(progress, f"reading {origin.name}", origin.rows)
    for batch in kept_batches(terms, origin.batches(), origin.name):
        parts.write(batch)
        told(batch.num_rows)
    if terms.read and not parts.rows:
        consent = terms.data.consent
        assert consent is not None
        message = f'no row has the consent "{consent.value}" in {consent.column}; {terms.read:,} were read'
        raise problem(origin.name, message, "data.consent names the column and the value that says yes")
    if not parts.rows:
        raise problem(origin.name, "has no rows")
    return parts.close()
