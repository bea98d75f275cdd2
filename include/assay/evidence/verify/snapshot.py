"""The data: manifest, taking, files and content, each against the record; or that they were deleted in time."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import UnavailableError, UserError, sha256_bytes
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted, uncheckable

if TYPE_CHECKING:
    from assay.data.tombstones import Tombstone

EXPIRY = "expiry"
"""Kind of the event by which a dossier records that the rows of its snapshot were deleted in time."""

Progress = Callable[[str, int, int], None]
"""Told what is being read, how much of it has been, and how much there is."""

_CHUNK = 1 << 20
_SHARED = ("rows", "content_sha256", "table_version")


def check_snapshot(case: Case, progress: Progress) -> tuple[Check, list[str]]:
    """Whether the data are those that were recorded, down to every cell, and what is worth knowing of them.

    Where their time was over and they were deleted, whether all that must be left of them is.
    """
    event = case.last("snapshot")
    if event is None:
        return uncheckable("snapshot", "snapshot"), []
    from assay.data.snapshots import manifest_file
    from assay.data.tombstones import find

    facts = event.facts
    path = manifest_file(case.settings.snapshots, case.model, facts["snapshot"])
    tombstone = find(path.parents[1], facts["snapshot"], facts["manifest_sha256"])
    if tombstone is not None:
        gone = checked("snapshot", "what is left of it", _deletion(case, facts, tombstone, path.parents[1]))
        return gone, [f"{tombstone.snapshot}: {tombstone.sentence}; no verdict about it can be replayed"]
    return _check_rows(case, facts, path, progress), []


def _deletion(case: Case, facts: Mapping[str, Any], tombstone: "Tombstone", folder: Path) -> Iterator[Finding]:
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
        yield Finding(path=str(file), message=f"is still there, though its rows were deleted; {again}")


def _check_rows(case: Case, facts: Mapping[str, Any], path: Path, progress: Progress) -> Check:
    content = _read(path)
    if content is None:
        return checked("snapshot", "nothing", [Finding(path=str(path), message="is missing")])
    found = []
    if (digest := sha256_bytes(content)) != facts["manifest_sha256"]:
        message = f"has SHA-256 {digest}, recorded {facts['manifest_sha256']}"
        found.append(Finding(path=str(path), message=message))
    manifest = _parsed(content)
    if manifest is None:
        return checked("snapshot", "its manifest", [*found, Finding(path=str(path), message="is not a manifest")])
    recorded = {"id": facts["snapshot"], "model": case.model, **{name: facts[name] for name in _SHARED}}
    found += [
        Finding(path=f"{path}: {name}", message=f"says {manifest.get(name)!r}, recorded {value!r}")
        for name, value in recorded.items()
        if manifest.get(name) != value
    ]
    found += _other_takings(path, facts, manifest)
    files = {path.parents[1] / each["path"]: each["sha256"] for each in manifest["files"]}
    total = sum(file.stat().st_size for file in files if file.is_file())
    changed = _differing(files, total, progress)
    found += changed or _other_content(list(files), facts, progress)  # what is known to be changed is not parsed
    rows = f"{facts['rows']:,} rows in {counted(len(files), 'file')} ({total / 1e6:,.1f} MB)"
    return checked("snapshot", f"{rows}, the manifest and the content", found)


def _other_takings(path: Path, facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Finding]:
    """Whether the rows were taken as it is recorded: by the manifest, or when they were taken again."""
    from assay.data.takings import later_takings, taking_of
    from assay.data.tombstones import place_of

    place = place_of(facts["snapshot"], facts["manifest_sha256"])
    try:
        takings = [taking_of(manifest), *later_takings(path.parents[1], place)]
    except ValueError:
        return [Finding(path=str(path.parents[1] / "takings" / place), message="holds what is no taking")]
    wanted = facts.get("taking", {name: facts[name] for name in ("source", "source_sha256")})
    if any(all(each.get(name) == value for name, value in wanted.items()) for each in takings):
        return []
    told = f"from {wanted['source']} at {wanted.get('extracted_at', 'a time that is not recorded')}"
    return [Finding(path=f"{path}: taking", message=f"none of the snapshot's takings is the recorded one, {told}")]


def _differing(files: Mapping[Path, str], total: int, progress: Progress) -> list[Finding]:
    found, done = [], 0
    for file, expected in files.items():
        if not file.is_file():
            found.append(Finding(path=str(file), message="is missing"))
            continue
        digest = hashlib.sha256()
        try:
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    progress("bytes of the snapshot", done, total)
        except OSError as error:
            raise UnavailableError(f"{file}: cannot be read: {error.strerror}") from error
        if digest.hexdigest() != expected:
            message = f"has SHA-256 {digest.hexdigest()}, its manifest says {expected}"
            found.append(Finding(path=str(file), message=message))
    return found


def _other_content(files: list[Path], facts: Mapping[str, Any], progress: Progress) -> list[Finding]:
    """Whether the rows are those that were recorded, whatever files and manifest say."""
    import pyarrow as pa

    from assay.data.content import files_digest

    if not files:
        return [Finding(path=facts["snapshot"], message="has no files")]
    place = str(files[0].parent)
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


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"{path}: cannot be read: {error.strerror}") from error


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads(content)
        plain = all(isinstance(each["path"], str) and isinstance(each["sha256"], str) for each in manifest["files"])
    except (ValueError, KeyError, TypeError):
        return None
    return manifest if plain else None
