"""Whether a snapshot is what was made, down to its rows."""

import pyarrow.parquet as pq
from pyarrow import ArrowException

from assay.core import Problem, UnavailableError, UserError
from assay.data.content import files_digest, schema_of
from assay.data.progress import Progress, counting, silent
from assay.data.quarantine import quarantined
from assay.data.snapshots import Snapshot, changed_files
from assay.data.store import said
from assay.data.table import files_of
from assay.data.tombstones import find as find_tombstone


def verify_snapshot(snapshot: Snapshot, progress: Progress = silent) -> list[Problem]:
    """Everything that is not as it was made: files, rows, the id, and what Delta's log says of them.

    The manifest is what all is held against; a dossier records its digest. Of a snapshot whose rows were deleted
    nothing must be left.

    Raises
    ------
    UnavailableError
        When a file cannot be read.
    """
    if (tombstone := snapshot.tombstone) is not None:
        message = "is still there, though its rows were deleted"
        mend = "assay snapshot expire --yes ends what was interrupted"
        there = (snapshot.folder.place(path) for path in tombstone.left(snapshot.folder))
        return [Problem(path=place, message=message, mend=mend) for place in there]
    if problems := changed_files(snapshot, fresh=True):
        return problems  # what is known to be changed is not parsed
    manifest, found = snapshot.manifest, []
    try:
        held = [pq.ParquetFile(path) for path in snapshot.files()]
        digest = files_digest(snapshot.files(), counting(progress, "hashing the rows", snapshot.rows))
    except (OSError, ArrowException, UserError) as error:
        return [Problem(path=snapshot.id, message=f"holds no table that can be read: {' '.join(str(error).split())}")]
    rows, schema = sum(file.metadata.num_rows for file in held), schema_of(held[0].schema_arrow)
    if rows != manifest["rows"]:
        found.append(f"holds {rows:,} rows, the manifest says {manifest['rows']:,}")
    if schema != manifest["schema"]:
        found.append("holds other columns than the manifest says")
    if digest != manifest["content_sha256"]:
        found.append(f"holds rows with the digest {digest}, the manifest says {manifest['content_sha256']}")
    if snapshot.id != f"{manifest['model']}-{manifest['content_sha256'][:16]}":
        found.append(f"is not the id of the content {manifest['content_sha256']}")
    if _logged(snapshot) != [file["path"] for file in manifest["files"]]:
        found.append(f"has other files in version {manifest['table_version']} of its Delta table than in the manifest")
    return [Problem(path=snapshot.id, message=message) for message in found]


def verify_quarantined(root: str, snapshot: Snapshot) -> list[Problem]:
    """Everything that is not as it was made of the rows that were set aside when a snapshot was taken.

    That rows were deleted because their time was over is as it should be.

    Raises
    ------
    UserError, UnavailableError
        When a manifest is none, or a file cannot be read.
    """
    kept = {each.id: each for each in quarantined(root, snapshot.folder.model, snapshot.id)}
    told = [taking["quarantine"]["entry"] for taking in snapshot.takings if "quarantine" in taking]
    problems = []
    for entry in {each["id"]: each for each in told if each}.values():
        found = kept.get(entry["id"])
        if found is None:
            problems.append(Problem(path=entry["id"], message="the rows set aside have no manifest any more"))
        elif found.manifest_sha256 != entry["manifest_sha256"]:
            deleted = find_tombstone(found.folder, found.id, entry["manifest_sha256"])
            problems += [] if deleted else [Problem(path=found.id, message="its manifest is not the one recorded")]
    return problems + [wrong for each in kept.values() for wrong in verify_snapshot(each)]


def _logged(snapshot: Snapshot) -> object:
    from deltalake.exceptions import DeltaError

    try:
        return files_of(snapshot.folder, snapshot.manifest["table_version"])
    except DeltaError:
        return None
    except OSError as error:
        raise UnavailableError(f"reading the log of {snapshot.id} failed: {said(error)}") from error
