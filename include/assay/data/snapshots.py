"""Immutable versions of a model's data: a Delta Lake table version and a manifest that pins its files.

Below the root each model has a folder with `table/` (one Delta table, one version for each new
content) and `manifests/` (one JSON file for each snapshot). A snapshot exists when its manifest
does: the manifest is written last and in one move, so whatever breaks before it registers nothing.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assay.core import Problem, UnavailableError, UserError, did_you_mean, problem, replace_file, sha256_file, utc_now
from assay.data.content import canonical_table, content_digest, schema_of
from assay.data.sources import check_against, read_table

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data

T = TypeVar("T")

_TAG = "assay.snapshot"

# A snapshot is evidence: Delta's housekeeping must never remove its log or its files.
_KEEP_ALL = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 5200 weeks",
    "delta.deletedFileRetentionDuration": "interval 5200 weeks",
}


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
    """

    id: str
    rows: int
    manifest: Mapping[str, Any]
    folder: Path

    @property
    def manifest_file(self) -> Path:
        """Where the manifest is kept."""
        return _manifest_path(self.folder, self.id)

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


def create_snapshot(*, source: Path, data: "Data", model: str, root: str) -> Snapshot:
    """Register the content of `source`; the same content always gives the same snapshot.

    Raises
    ------
    UserError
        When the source cannot be read or is not what the policy's `data` says: everything at once.
    UnavailableError
        When disk or permissions fail. Nothing is registered then, and running again repairs it.
    """
    folder = _folder(root, model)
    raw = read_table(source)
    check_against(raw, data, str(source))
    table = canonical_table(raw, str(source))
    digest = content_digest(table)
    snapshot_id = f"{model}-{digest[:16]}"
    if _manifest_path(folder, snapshot_id).is_file():
        return open_snapshot(root=root, model=model, snapshot_id=snapshot_id)

    version = _reaching(f"writing {snapshot_id}", lambda: _commit(folder / "table", table, snapshot_id))
    files = _reaching(f"reading {snapshot_id} back", lambda: _files_of(folder, version, digest))
    manifest = {
        "id": snapshot_id,
        "model": model,
        "table_version": version,
        "files": files,
        "schema": schema_of(table),
        "rows": table.num_rows,
        "source": source.name,
        "source_sha256": sha256_file(source),
        "created_at": utc_now(),
        "content_sha256": digest,
    }
    content = json.dumps(manifest, indent=2).encode()
    _reaching(f"registering {snapshot_id}", lambda: replace_file(_manifest_path(folder, snapshot_id), content))
    return _snapshot(folder, manifest)


def open_snapshot(*, root: str, model: str, snapshot_id: str) -> Snapshot:
    """Open a snapshot after checking every one of its files against the manifest.

    Raises
    ------
    UserError
        When there is no such snapshot, or listing every file that is missing or was changed.
    """
    folder = _folder(root, model)
    path = _manifest_path(folder, snapshot_id)
    if not re.fullmatch(re.escape(model) + "-[0-9a-f]{16}", snapshot_id) or not path.is_file():
        known = [each.id for each in list_snapshots(root, model)]
        raise UserError(
            snapshot_id, [Problem(path=root, message="no such snapshot", mend=did_you_mean(snapshot_id, known))]
        )
    snapshot = _load(folder, path)
    problems = []
    for file, expected in zip(snapshot.files(), snapshot.manifest["files"], strict=True):
        if not file.is_file():
            problems.append(Problem(path=str(file), message="is missing"))
        elif _reaching(f"reading {file}", partial(sha256_file, file)) != expected["sha256"]:
            problems.append(Problem(path=str(file), message="was changed since the snapshot was made"))
    if problems:
        raise UserError(snapshot_id, problems)
    return snapshot


def list_snapshots(root: str, model: str) -> list[Snapshot]:
    """A model's snapshots, oldest first; their files are not checked."""
    folder = _folder(root, model)
    found = [_load(folder, path) for path in (folder / "manifests").glob("*.json")]
    return sorted(found, key=lambda snapshot: snapshot.manifest["table_version"])


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
        return _snapshot(folder, json.loads(path.read_bytes()))
    except (ValueError, KeyError):
        raise problem(
            str(path), "is not a snapshot manifest", "restore it, or delete it and take the snapshot again"
        ) from None


def _snapshot(folder: Path, manifest: Mapping[str, Any]) -> Snapshot:
    return Snapshot(id=manifest["id"], rows=manifest["rows"], manifest=manifest, folder=folder)


def _commit(location: Path, table: "pa.Table", snapshot_id: str) -> int:
    """Write a table version, or find the one that an interrupted run has left; return its number."""
    from deltalake import CommitProperties, DeltaTable, write_deltalake

    location.mkdir(parents=True, exist_ok=True)
    if DeltaTable.is_deltatable(str(location)):
        for commit in DeltaTable(location).history():
            if commit.get(_TAG) == snapshot_id:
                return int(commit["version"])
    write_deltalake(
        location,
        table,
        mode="overwrite",
        schema_mode="overwrite",
        configuration=_KEEP_ALL,
        commit_properties=CommitProperties(custom_metadata={_TAG: snapshot_id}),
    )
    return next(int(c["version"]) for c in DeltaTable(location).history() if c.get(_TAG) == snapshot_id)


def _files_of(folder: Path, version: int, digest: str) -> list[dict[str, Any]]:
    """The version's files in the order of the rows, proven by reading the content back."""
    from deltalake import DeltaTable

    location = folder / "table"
    actions = DeltaTable(location, version=version).get_add_actions(flatten=True)
    # delta-rs numbers the parts of one write in their names, in the order of the rows
    names = sorted(actions.column("path").to_pylist())
    paths = [location / name for name in names]
    if content_digest(_read_files(paths, None)) != digest:
        raise OSError("what was written is not what was read")
    return [
        {"path": path.relative_to(folder).as_posix(), "sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in paths
    ]


def _read_files(paths: Sequence[Path], columns: list[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [canonical_table(pq.ParquetFile(path).read(columns=columns), str(path)) for path in paths]
    return pa.concat_tables(part.select(columns) if columns else part for part in parts)


def _reaching(doing: str, act: Callable[[], T]) -> T:
    """Run what may meet a full disk or a lack of rights, and say so as infrastructure."""
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        return act()
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise UnavailableError(f"{doing} failed: {' '.join(str(error).split())}") from error
