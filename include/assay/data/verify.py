"""Whether a snapshot is what was made, down to its rows."""

from pyarrow import ArrowException

from assay.core import Problem, UnavailableError, UserError
from assay.data.content import files_digest
from assay.data.progress import Progress, counting, silent
from assay.data.snapshots import Snapshot, changed_files
from assay.data.store import said
from assay.data.table import files_of


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
        digest = files_digest(snapshot.files(), counting(progress, "hashing the rows", snapshot.rows))
    except (OSError, ArrowException, UserError) as error:
        return [Problem(path=snapshot.id, message=f"holds no table that can be read: {' '.join(str(error).split())}")]
    if digest != manifest["content_sha256"]:
        found.append(f"holds rows with the digest {digest}, the manifest says {manifest['content_sha256']}")
    if snapshot.id != f"{manifest['model']}-{manifest['content_sha256'][:16]}":
        found.append(f"is not the id of the content {manifest['content_sha256']}")
    if _logged(snapshot) != [file["path"] for file in manifest["files"]]:
        found.append(f"has other files in version {manifest['table_version']} of its Delta table than in the manifest")
    return [Problem(path=snapshot.id, message=message) for message in found]


def _logged(snapshot: Snapshot) -> object:
    from deltalake.exceptions import DeltaError

    try:
        return files_of(snapshot.folder, snapshot.manifest["table_version"])
    except DeltaError:
        return None
    except OSError as error:
        raise UnavailableError(f"reading the log of {snapshot.id} failed: {said(error)}") from error
