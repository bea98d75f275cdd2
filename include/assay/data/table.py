"""The Delta table that keeps a model's snapshots: one version for each content."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import UnavailableError, fault_point, sha256_file
from assay.data.content import files_digest
from assay.data.store import DamagedError, Store

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

TABLE = "table"
"""Where it is below the model's folder."""

_TAG = "assay.snapshot"
_ATTEMPTS = 8  # as many writers of other contents may come first
_LOOK_BACK = (
    100  # versions: each is a file to read, and an older one that an interrupted run has left may be left there
)

# A snapshot is evidence: Delta's housekeeping must never remove its log or its files.
_KEEP_ALL = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 5200 weeks",
    "delta.deletedFileRetentionDuration": "interval 5200 weeks",
}


def commit(store: Store, staged: Sequence[Path], name: str, digest: str) -> tuple[int, list[dict[str, Any]]]:
    """Make staged files a version of the table, or find the one that an interrupted run, or another machine, has left.

    What is in the store in the end is read back and compared with what was staged.

    Parameters
    ----------
    name
        What the version and its files are called.
    digest
        Of the rows, as `files_digest` says.

    Returns
    -------
    version : int
    files : list of dict
        ``path``, ``sha256`` and ``bytes`` of each, in the order of the rows.

    Raises
    ------
    UserError, UnavailableError, OSError, DeltaError
        When disk, store or table do not allow it.
    """
    found = _committed(store, name)
    if found is not None and (files := _holding(store, found[1], digest)):
        return found[0], files
    schema, actions, paths = _parquet_schema(staged), [], []
    for at, file in enumerate(staged):
        paths.append(f"{TABLE}/{name}-{at:05}{_mark(sha256_file(file)) if store.shared else ''}.parquet")
        actions.append(_action(file, paths[-1].partition("/")[2]))
        store.bring(file, paths[-1])
    fault_point("snapshot.moved")
    if found is None or found[1] != paths:  # else they were damaged before they were registered, and are whole now
        found = _add_version(store, schema, actions, name, later_than=-1 if found is None else found[0])
    files = _holding(store, found[1], digest)
    if not files:
        raise UnavailableError(f"writing {store.place(TABLE)} failed: what was written is not what was read")
    return found[0], files


def files_of(store: Store, version: int) -> list[str]:
    """The files of a version of the table, in the order of the rows, as paths in the model's folder.

    Raises
    ------
    DeltaError
        When there is no such version.
    """
    from deltalake import DeltaTable

    address, options = store.delta(TABLE)
    actions = DeltaTable(address, version=version, storage_options=options).get_add_actions(flatten=True)
    # the parts of one version are numbered in their names, in the order of the rows
    return [f"{TABLE}/{name}" for name in sorted(actions.column("path").to_pylist())]


def _open(store: Store) -> "DeltaTable | None":
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    address, options = store.delta(TABLE)
    try:
        return DeltaTable(address, storage_options=options)
    except TableNotFoundError:
        return None


def _committed(store: Store, name: str) -> tuple[int, list[str]] | None:
    table = _open(store)
    version = None if table is None else _version_of(table, name)
    return None if version is None else (version, files_of(store, version))


def _version_of(table: "DeltaTable", name: str) -> int | None:
    """The latest version of that name, among the last ones."""
    while True:
        read, log = table.version(), table.history(_LOOK_BACK)
        # delta-rs counts back from the version that was read, also where the log has another by now
        table.update_incremental()
        if table.version() == read:
            return next((int(entry["version"]) for entry in log if entry.get(_TAG) == name), None)


def _holding(store: Store, paths: Sequence[str], digest: str) -> list[dict[str, Any]]:
    """What to record of files when they hold the rows of a digest; nothing when they do not."""
    import pyarrow as pa

    try:
        now = [store.now(path) for path in paths]
        if store.shared and not all(_mark(sha256) in path for path, (_, sha256) in zip(paths, now, strict=True)):
            return []
        if files_digest([copy for copy, _ in now]) != digest:
            return []
    except (OSError, pa.ArrowException, DamagedError):
        return []
    return [
        {"path": path, "sha256": sha256, "bytes": copy.stat().st_size}
        for path, (copy, sha256) in zip(paths, now, strict=True)
    ]


def _mark(sha256: str) -> str:
    """What a name says of the bytes: where others may write at the same time, nobody writes over theirs."""
    return f"-{sha256[:16]}"


def _add_version(
    store: Store, schema: "pa.Schema", actions: "list[AddAction]", name: str, *, later_than: int
) -> tuple[int, list[str]]:
    """Write to Delta's log, unless another machine writes the same first; what else it writes is no hindrance."""
    from deltalake.exceptions import DeltaError

    for left in reversed(range(_ATTEMPTS)):
        table = _open(store)
        version = None if table is None else _version_of(table, name)
        if version is not None and version > later_than:
            return version, files_of(store, version)
        try:
            _write(store, table, schema, actions, name)
        except DeltaError:  # one that another was faster, most likely; delta-rs has several for that
            if not left:
                raise
    raise UnavailableError(f"writing {store.place(TABLE)} failed: its log does not show what was written")


def _write(
    store: Store, table: "DeltaTable | None", schema: "pa.Schema", actions: "list[AddAction]", name: str
) -> None:
    """Write the version that follows on what was read of the table, or none."""
    from deltalake import CommitProperties, Schema
    from deltalake.transaction import create_table_with_add_actions

    properties = CommitProperties(custom_metadata={_TAG: name}, max_commit_retries=0)
    given = Schema.from_arrow(schema)
    if table is not None:
        table.create_write_transaction(list(actions), "overwrite", given, commit_properties=properties)
        return
    address, options = store.delta(TABLE)
    create_table_with_add_actions(
        address,
        given,
        list(actions),
        mode="error",
        configuration=_KEEP_ALL,
        commit_properties=properties,
        storage_options=options,
    )


def _parquet_schema(staged: Sequence[Path]) -> "pa.Schema":
    import pyarrow.parquet as pq

    return pq.read_schema(staged[0])


def _action(file: Path, name: str) -> "AddAction":
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    stat = file.stat()
    rows = pq.read_metadata(file).num_rows
    return AddAction(name, stat.st_size, {}, int(stat.st_mtime * 1000), True, json.dumps({"numRecords": rows}))
