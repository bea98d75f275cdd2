"""The Delta table that keeps a model's snapshots: one version for each content."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import fault_point
from assay.data.content import files_digest

if TYPE_CHECKING:
    from deltalake.transaction import AddAction

_TAG = "assay.snapshot"

# A snapshot is evidence: Delta's housekeeping must never remove its log or its files.
_KEEP_ALL = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 5200 weeks",
    "delta.deletedFileRetentionDuration": "interval 5200 weeks",
}


def commit(location: Path, staged: Sequence[Path], snapshot_id: str, digest: str) -> tuple[int, list[Path]]:
    """Make staged files a version of the table, or find the one that an interrupted run has left.

    Returns
    -------
    version : int
    files : list of Path
        In the order of the rows.

    Raises
    ------
    OSError, DeltaError
        When the disk or the table do not allow it.
    """
    location.mkdir(parents=True, exist_ok=True)
    found = _committed(location, snapshot_id)
    if found is not None and _holds(found[1], digest):
        return found
    paths = [location / f"{snapshot_id}-{at:05}.parquet" for at in range(len(staged))]
    for source, target in zip(staged, paths, strict=True):
        source.replace(target)
    fault_point("snapshot.moved")
    if found is not None and found[1] == paths:  # they were damaged before they were registered, and are whole now
        return found
    _add_version(location, paths, snapshot_id)
    again = _committed(location, snapshot_id)
    if again is None or not _holds(again[1], digest):
        raise OSError("what was written is not what was read")
    return again


def _committed(location: Path, snapshot_id: str) -> tuple[int, list[Path]] | None:
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(location)):
        return None
    for entry in DeltaTable(location).history():  # the latest first
        if entry.get(_TAG) == snapshot_id:
            return int(entry["version"]), files_of(location, int(entry["version"]))
    return None


def files_of(location: Path, version: int) -> list[Path]:
    """The files of a version of the table, in the order of the rows.

    Raises
    ------
    DeltaError
        When there is no such version.
    """
    from deltalake import DeltaTable

    actions = DeltaTable(location, version=version).get_add_actions(flatten=True)
    # the parts of one version are numbered in their names, in the order of the rows
    return [location / name for name in sorted(actions.column("path").to_pylist())]


def _holds(paths: Sequence[Path], digest: str) -> bool:
    import pyarrow as pa

    try:
        return files_digest(paths) == digest
    except (OSError, pa.ArrowException):
        return False


def _add_version(location: Path, paths: Sequence[Path], snapshot_id: str) -> None:
    import pyarrow.parquet as pq
    from deltalake import CommitProperties, DeltaTable, Schema
    from deltalake.transaction import create_table_with_add_actions

    schema = Schema.from_arrow(pq.read_schema(paths[0]))
    actions: list[Any] = [_action(path) for path in paths]
    properties = CommitProperties(custom_metadata={_TAG: snapshot_id})
    if DeltaTable.is_deltatable(str(location)):
        DeltaTable(location).create_write_transaction(actions, "overwrite", schema, commit_properties=properties)
        return
    create_table_with_add_actions(
        str(location), schema, actions, mode="error", configuration=_KEEP_ALL, commit_properties=properties
    )


def _action(path: Path) -> "AddAction":
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    stat = path.stat()
    rows = pq.read_metadata(path).num_rows
    return AddAction(path.name, stat.st_size, {}, int(stat.st_mtime * 1000), True, json.dumps({"numRecords": rows}))
