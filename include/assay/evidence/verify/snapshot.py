"""The data: manifest, taking, files and content, each against the record; or that they were deleted in time."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import UserError, sha256_bytes
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted, uncheckable

if TYPE_CHECKING:
    from assay.data.store import Store
    from assay.data.tombstones import Tombstone

EXPIRY = "expiry"
"""Kind of the event by which a dossier records that the rows of its snapshot were deleted in time."""

Progress = Callable[[str, int, int], None]
"""Told what is being read, how much of it has been, and how much there is."""

_SHARED = ("rows", "content_sha256", "table_version")


def check_snapshot(case: Case, progress: Progress) -> tuple[Check, list[str]]:
    """Whether the data are those that were recorded, down to every cell, and what is worth knowing of them.

    Where their time was over and they were deleted, whether all that must be left of them is.
    """
    event = case.last("snapshot")
    if event is None:
        return uncheckable("snapshot", "snapshot"), []
    from assay.data.store import store_of
    from assay.data.tombstones import find

    facts, folder = event.facts, store_of(case.settings.snapshots, case.model)
    tombstone = find(folder, facts["snapshot"], facts["manifest_sha256"])
    if tombstone is not None:
        left = [*_deletion(case, facts, tombstone, folder), *_set_aside(case, facts)]
        gone = checked("snapshot", "what is left of it", left)
        return gone, [f"{tombstone.snapshot}: {tombstone.sentence}; no verdict about it can be replayed"]
    return _check_rows(case, facts, folder, progress), []


def _deletion(case: Case, facts: Mapping[str, Any], tombstone: "Tombstone", folder: "Store") -> Iterator[Finding]:
    """What is wrong with how rows were deleted: only a signed record tells that from hiding them."""
    place = f"tombstone of {tombstone.snapshot}"
    again = "assay snapshot expire --yes ends what was interrupted"
    digest, wanted = sha256_bytes(tombstone.manifest.encode()), facts["manifest_sha256"]
    if digest != wanted:
        yield Finding(path=place, message=f"holds a manifest with SHA-256 {digest}, recorded {wanted}")
    recorded = [each.facts for each in case.events(EXPIRY)]
    own = [each for each in recorded if each.get("manifest_sha256") == wanted]
    if not own:
        yield Finding(path=place, message=f"is there, and the dossier records no deletion; {again}")
    elif own[-1] != tombstone.facts():
        yield Finding(path=place, message="says something else of the deletion than the dossier records")
    for file in tombstone.left(folder):
        yield Finding(path=folder.place(file), message=f"is still there, though its rows were deleted; {again}")


def _check_rows(case: Case, facts: Mapping[str, Any], folder: "Store", progress: Progress) -> Check:
    from assay.data.snapshot import manifest_path

    path = folder.place(manifest_path(facts["snapshot"]))
    content = folder.read(manifest_path(facts["snapshot"]))
    if content is None:
        return checked("snapshot", "nothing", [Finding(path=path, message="is missing")])
    found = []
    if (digest := sha256_bytes(content)) != facts["manifest_sha256"]:
        message = f"has SHA-256 {digest}, recorded {facts['manifest_sha256']}"
        found.append(Finding(path=path, message=message))
    manifest = _parsed(content)
    if manifest is None:
        return checked("snapshot", "its manifest", [*found, Finding(path=path, message="is not a manifest")])
    recorded = {"id": facts["snapshot"], "model": case.model, **{name: facts[name] for name in _SHARED}}
    found += [
        Finding(path=f"{path}: {name}", message=f"says {manifest.get(name)!r}, recorded {value!r}")
        for name, value in recorded.items()
        if manifest.get(name) != value
    ]
    found += _other_takings(folder, path, facts, manifest)
    total = sum(int(each.get("bytes", 0)) for each in manifest["files"])
    files, changed = _fetched(folder, manifest, total, progress)
    place = folder.place("table")
    found += changed or _other_content(files, place, facts, progress)  # what is known to be changed is not parsed
    found += _set_aside(case, facts)
    rows = f"{facts['rows']:,} rows in {counted(len(manifest['files']), 'file')} ({total / 1e6:,.1f} MB)"
    if aside := facts.get("quarantine", {}).get("rows_set_aside"):
        rows = f"{rows}, {aside:,} rows set aside"
    return checked("snapshot", f"{rows}, the manifest and the content", found)


def _set_aside(case: Case, facts: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with the rows that were set aside when the snapshot was taken."""
    from assay.data.quarantine import Sifted, find_entry
    from assay.data.tombstones import find
    from assay.data.verify import verify_snapshot

    told = facts.get("quarantine", {}).get("entry")
    if told is None:
        return []
    root = case.settings.snapshots
    try:
        entry = find_entry(root=root, model=case.model, entry_id=told["id"])
        tombstone = find(entry.folder, entry.id, told["manifest_sha256"])
        if tombstone is not None:
            return list(_deletion(case, told, tombstone, entry.folder))
        Sifted.of(facts["quarantine"], root=root, model=case.model)
    except UserError as error:
        return [Finding(path=each.path, message=each.message) for each in error.problems]
    return [Finding(path=each.path, message=each.message) for each in verify_snapshot(entry)]


def _other_takings(folder: "Store", path: str, facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Finding]:
    """Whether the rows were taken as it is recorded: by the manifest, or when they were taken again."""
    from assay.data.takings import later_takings, taking_of
    from assay.data.tombstones import place_of

    place = place_of(facts["snapshot"], facts["manifest_sha256"])
    try:
        takings = [taking_of(manifest), *later_takings(folder, place)]
    except ValueError:
        return [Finding(path=folder.place(f"takings/{place}"), message="holds what is no taking")]
    wanted = facts.get("taking", {name: facts[name] for name in ("source", "source_sha256")})
    if any(all(each.get(name) == value for name, value in wanted.items()) for each in takings):
        return []
    told = f"from {wanted['source']} at {wanted.get('extracted_at', 'a time that is not recorded')}"
    return [Finding(path=f"{path}: taking", message=f"none of the snapshot's takings is the recorded one, {told}")]


def _fetched(
    folder: "Store", manifest: Mapping[str, Any], total: int, progress: Progress
) -> tuple[list[Path], list[Finding]]:
    """The files to be read on this machine, and those that are not what the manifest says."""
    from assay.data.store import DamagedError

    files, found, done = [], [], 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        progress("bytes of the snapshot", done, total)

    for each in manifest["files"]:
        try:
            files.append(folder.fetch(each["path"], each["sha256"], fresh=True, read=read))
        except DamagedError as error:
            message = f"has SHA-256 {error.found}, its manifest says {each['sha256']}" if error.found else "is missing"
            found.append(Finding(path=error.place, message=message))
    return files, found


def _other_content(files: list[Path], place: str, facts: Mapping[str, Any], progress: Progress) -> list[Finding]:
    """Whether the rows are those that were recorded, whatever files and manifest say."""
    import pyarrow as pa

    from assay.data.content import files_digest

    if not files:
        return [Finding(path=facts["snapshot"], message="has no files")]
    done = 0

    def read(rows: int) -> None:
        nonlocal done
        done += rows
        progress("rows of the snapshot", done, int(facts["rows"]))

    try:
        digest = files_digest(files, read)
    except (pa.ArrowException, OSError, UserError, ValueError) as error:
        reason = " ".join(str(error).split())
        return [Finding(path=place, message=f"holds no table that can be read: {reason[:200]}")]
    if digest == facts["content_sha256"]:
        return []
    return [Finding(path=place, message=f"holds rows with the digest {digest}, recorded {facts['content_sha256']}")]


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads(content)
        plain = all(isinstance(each["path"], str) and isinstance(each["sha256"], str) for each in manifest["files"])
    except (ValueError, KeyError, TypeError):
        return None
    return manifest if plain else None
