"""One snapshot: what its manifest says, and its rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean, problem, sha256_bytes
from assay.data import tombstones
from assay.data.content import canonical_table
from assay.data.manifests import flaws_of
from assay.data.store import DamagedError, Store, reached
from assay.data.takings import kept_until, later_takings, taken_at, taking_of

if TYPE_CHECKING:
    import pyarrow as pa


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
    folder: Store
    manifest_sha256: str
    takings: Sequence[Mapping[str, Any]] = field(repr=False)
    tombstone: "tombstones.Tombstone | None" = None

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
        """Absolute paths, on this machine, of its Parquet files, in the order of the rows.

        Of an object store's files they are copies, fetched and checked when they are not here yet.
        """
        return [self.folder.at(file["path"], file["sha256"]) for file in self.manifest["files"]]

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
        with reached(f"reading {self.id}"):
            return _read_files(self.files(), list(columns or known))


def manifest_path(snapshot_id: str) -> str:
    """Where a snapshot's manifest is in the model's folder, or would be."""
    return f"manifests/{snapshot_id}.json"


def load(folder: Store, snapshot_id: str, content: bytes) -> Snapshot:
    """What a manifest, and what is kept beside it, say of a snapshot; its files are not looked at.

    Raises
    ------
    UserError
        When it is no manifest, with what is wrong in it, or what is kept beside it is not what it should be.
    """
    digest = sha256_bytes(content)
    try:
        manifest = json.loads(content)
        flaws = flaws_of(manifest, snapshot_id, folder.model)
    except (ValueError, AttributeError, RecursionError):  # no JSON, or no object
        manifest, flaws = {}, [""]
    if flaws:
        place = folder.place(manifest_path(snapshot_id))
        message = "is not a snapshot manifest" + (f": {', '.join(flaws)}" if all(flaws) else "")
        raise problem(place, message, "restore it, or delete it and take the snapshot again")
    return Snapshot(
        id=manifest["id"],
        rows=manifest["rows"],
        manifest=manifest,
        folder=folder,
        manifest_sha256=digest,
        takings=(taking_of(manifest), *later_takings(folder, tombstones.place_of(manifest["id"], digest))),
        tombstone=tombstones.find(folder, manifest["id"], digest),
    )


def changed_files(snapshot: Snapshot, *, fresh: bool = False) -> list[Problem]:
    """Every file of a snapshot that is missing, or is not what the manifest says.

    Parameters
    ----------
    fresh
        Look at what an object store has, and not at the copies that are here already.
    """
    problems: list[Problem] = []
    for file in snapshot.manifest["files"]:
        try:
            snapshot.folder.fetch(file["path"], file["sha256"], fresh=fresh)
        except DamagedError as error:
            problems.extend(error.problems)
    return problems


def _read_files(paths: Sequence[Path], columns: list[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [canonical_table(pq.ParquetFile(path).read(columns=columns), str(path)) for path in paths]
    return pa.concat_tables(part.select(columns) if columns else part for part in parts)
