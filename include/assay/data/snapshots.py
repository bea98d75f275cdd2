"""Immutable versions of a model's data: a Delta Lake table version and a manifest that pins its files.

Below the root each model has a folder with `table/` (one Delta table, one version for each new
content) and `manifests/` (one JSON file for each snapshot). A snapshot exists when its manifest
does: the manifest is written last and in one move, so whatever breaks before it registers nothing.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assay.core import (
    Problem,
    UnavailableError,
    UserError,
    code_version,
    did_you_mean,
    fault_point,
    problem,
    replace_file,
    sha256_bytes,
    sha256_file,
    utc_now,
)
from assay.data import tombstones
from assay.data.content import canonical_table, files_digest
from assay.data.describe import describe
from assay.data.origins.opening import open_origin
from assay.data.origins.origin import Origin, files_sha256
from assay.data.progress import Progress, counting, silent
from assay.data.sieve import Sieve
from assay.data.staging import Parts, staging
from assay.data.table import commit
from assay.data.takings import add_taking, kept_until, later_takings, taken_at, taking_of
from assay.data.terms import Terms, kept_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data, Source

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """One version of a model's data, with every column of its source.

    Attributes
    ----------
    id
        ``<model>-`` and the first 16 hexadecimal digits of the content digest.
    rows
        Number of rows.
    manifest
        What pins it: table version, files with their SHA-256, schema, source, time, content digest.
    folder
        The model's folder below the root; the manifest's file paths are relative to it.
    manifest_sha256
        Of the manifest's file: what a dossier pins.
    takings
        Whence, when and for what its rows were read, each time that they were: the first as the manifest has it. In a
        snapshot that was just created the last one is its own.
    tombstone
        What is left, where its rows were deleted.
    """

    id: str
    rows: int
    manifest: Mapping[str, Any]
    folder: Path
    manifest_sha256: str
    takings: Sequence[Mapping[str, Any]] = field(repr=False)
    tombstone: "tombstones.Tombstone | None" = None

    @property
    def manifest_file(self) -> Path:
        """Where the manifest is kept."""
        return _manifest_path(self.folder, self.id)

    @property
    def place(self) -> str:
        """What names it and its manifest; see `tombstones.place_of`."""
        return tombstones.place_of(self.id, self.manifest_sha256)

    @property
    def taken_at(self) -> datetime:
        """When its rows were last read from the source, in UTC."""
        return taken_at(self.takings[-1])

    @property
    def keep_until(self) -> str | None:
        """The last day on which any purpose keeps its rows; None without a limit."""
        return kept_until(self.takings)

    def files(self) -> list[Path]:
        """Absolute paths of its Parquet files, in the order of the rows."""
        return [self.folder / file["path"] for file in self.manifest["files"]]

    def table(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """Read all or some columns; rows come in the order of the source.

        Raises
        ------
        UserError
            Listing every column that the snapshot does not have.
        """
        known = [field["name"] for field in self.manifest["schema"]]
        absent = [name for name in columns or () if name not in known]
        if absent:
            raise UserError(
                self.id, [Problem(path=n, message="no such column", mend=did_you_mean(n, known)) for n in absent]
            )
        return _reaching(f"reading {self.id}", lambda: _read_files(self.files(), list(columns or known)))


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
        Whose snapshot it is, and the folder that all snapshots are kept in.
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
    folder = _folder(root, model)
    terms, sieve, began = Terms.of(data), sieve or Sieve(), utc_now()
    named = str(source) if isinstance(source, Path) else source
    origin = open_origin(named, base=base, roots=sources, progress=progress)
    with _reached(f"writing a snapshot of {model}"), staging(folder) as place:
        staged = sieve.sift(_stage(origin, terms, place, progress), place)
        files = origin.files()
        described = describe(staged, data, origin.name, progress)
        digest = files_digest(staged, counting(progress, "hashing the rows", described["rows"]))
        snapshot_id = f"{model}-{digest[:16]}"
        set_aside = sieve.settle(folder, snapshot_id)
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
            "keep_until": _keep_until(began, data.keep_days),
            "code_version": code_version(),
            "created_at": utc_now(),
        }
        if (path := _manifest_path(folder, snapshot_id)).is_file() and not _load(folder, path).tombstone:
            found = open_snapshot(root=root, model=model, snapshot_id=snapshot_id)
            add_taking(folder, found.place, taking_of(taking))
            return replace(found, takings=(*found.takings, taking_of(taking)))
        fault_point("snapshot.staged")
        version, paths = commit(folder / "table", staged, tombstones.generation(folder, snapshot_id), digest)
        fault_point("snapshot.committed")
        manifest = {
            "id": snapshot_id,
            "model": model,
            "table_version": version,
            "files": [_record(path, folder) for path in paths],
            **taking,
            "content_sha256": digest,
        }
        replace_file(path, json.dumps(manifest, indent=2).encode())
    return _load(folder, path)


def find_snapshot(*, root: str, model: str, snapshot_id: str) -> Snapshot:
    """Read a snapshot's manifest, also where its rows were deleted; its files are not looked at.

    Raises
    ------
    UserError
        When there is no such snapshot, naming the nearest, or its manifest is none.
    """
    folder = _folder(root, model)
    path = _manifest_path(folder, snapshot_id)
    if not re.fullmatch(re.escape(model) + "-[0-9a-f]{16}", snapshot_id) or not path.is_file():
        known = [each.id for each in list_snapshots(root, model)]
        raise UserError(
            snapshot_id, [Problem(path=root, message="no such snapshot", mend=did_you_mean(snapshot_id, known))]
        )
    return _load(folder, path)


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


def changed_files(snapshot: Snapshot) -> list[Problem]:
    """Every file of a snapshot that is missing, or is not what the manifest says."""
    problems = []
    for file, expected in zip(snapshot.files(), snapshot.manifest["files"], strict=True):
        if not file.is_file():
            problems.append(Problem(path=str(file), message="is missing"))
        elif _reaching(f"reading {file}", partial(sha256_file, file)) != expected["sha256"]:
            problems.append(Problem(path=str(file), message="was changed since the snapshot was made"))
    return problems


def list_snapshots(root: str, model: str) -> list[Snapshot]:
    """A model's snapshots, oldest first; their files are not checked."""
    folder = _folder(root, model)
    found = [_load(folder, path) for path in (folder / "manifests").glob("*.json")]
    return sorted(found, key=lambda snapshot: snapshot.manifest["table_version"])


def models_with_snapshots(root: str) -> list[str]:
    """The models that have a snapshot, by name."""
    return sorted({path.parents[1].name for path in _folder(root, "").glob("*/manifests/*.json")})


def manifest_file(root: str, model: str, snapshot_id: str) -> Path:
    """Where a snapshot's manifest is, or would be; its folder's parent is what the paths in it are relative to."""
    return _manifest_path(_folder(root, model), snapshot_id)


def _folder(root: str, model: str) -> Path:
    if "://" in root:
        raise problem("ASSAY_SNAPSHOTS", f"{root} is a URL; snapshots are kept in a folder", "give a local path")
    return Path(root).absolute() / model


def _manifest_path(folder: Path, snapshot_id: str) -> Path:
    return folder / "manifests" / f"{snapshot_id}.json"


def _load(folder: Path, path: Path) -> Snapshot:
    try:
        return _snapshot(folder, path.read_bytes())
    except (ValueError, KeyError, TypeError):
        raise problem(
            str(path), "is not a snapshot manifest", "restore it, or delete it and take the snapshot again"
        ) from None


def _snapshot(folder: Path, content: bytes) -> Snapshot:
    manifest, digest = json.loads(content), sha256_bytes(content)
    return Snapshot(
        id=manifest["id"],
        rows=manifest["rows"],
        manifest=manifest,
        folder=folder,
        manifest_sha256=digest,
        takings=(taking_of(manifest), *later_takings(folder, tombstones.place_of(manifest["id"], digest))),
        tombstone=tombstones.find(folder, manifest["id"], digest),
    )


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


def _record(path: Path, folder: Path) -> dict[str, Any]:
    return {"path": path.relative_to(folder).as_posix(), "sha256": sha256_file(path), "bytes": path.stat().st_size}


def _keep_until(began: str, days: int | None) -> str | None:
    if days is None:
        return None
    return (datetime.fromisoformat(began).date() + timedelta(days=days)).isoformat()


def _read_files(paths: Sequence[Path], columns: list[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [canonical_table(pq.ParquetFile(path).read(columns=columns), str(path)) for path in paths]
    return pa.concat_tables(part.select(columns) if columns else part for part in parts)


def _reaching(doing: str, act: Callable[[], T]) -> T:
    with _reached(doing):
        return act()


@contextmanager
def _reached(doing: str) -> Iterator[None]:
    """Run what may meet a full disk or a lack of rights, and say so as infrastructure."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise UnavailableError(f"{doing} failed: {' '.join(str(error).split())}") from error
