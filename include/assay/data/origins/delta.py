"""A version of a Delta table as a source."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from assay.core import UnavailableError, problem
from assay.data.origins.origin import Origin, batch_rows, readable
from assay.data.origins.places import check_inside
from assay.data.store import said
from assay.policy import DeltaSource, masked

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_CHUNK = 1 << 20
_NOT_READ = re.compile(r"Unsupported|Schema error|Json error")  # a feature, or a log, that no second try will read


def open_delta(source: DeltaSource, base: Path, roots: Sequence[str]) -> Origin:
    """Open one version of a Delta table; the manifest says which, also where the policy leaves it open.

    Rows come file by file in order of the files' names. Credentials of an object store come from the
    environment, as delta-rs reads them.

    Raises
    ------
    UserError
        When there is no such table or version, or it needs a reader that delta-rs is not.
    UnavailableError
        When the store cannot be reached.
    """
    from deltalake import DeltaTable

    check_inside(source.delta, base, roots)
    address = source.delta if "://" in source.delta else str((base / source.delta).absolute())
    name = masked(source.delta)
    table = _told(name, lambda: DeltaTable(address))
    if source.version is not None and source.version != table.version():
        if source.version > table.version():
            raise problem(name, f"has no version {source.version}; the latest is {table.version()}")
        _told(f"{name}@{source.version}", lambda: table.load_as_version(cast(int, source.version)))
    dataset = _told(name, table.to_pyarrow_dataset)
    fragments = sorted(dataset.get_fragments(), key=lambda fragment: str(fragment.path))
    version = table.version()
    with readable(name, "a Delta table"):
        rows = sum(fragment.count_rows() for fragment in fragments)

    def batches() -> "Iterator[pa.RecordBatch]":
        size = batch_rows(len(dataset.schema))
        for fragment in fragments:
            with readable(name, "a Delta table"):
                yield from fragment.to_batches(
                    schema=dataset.schema, batch_size=size, batch_readahead=2, fragment_readahead=1
                )

    def files() -> list[dict[str, Any]]:
        return [_record(fragment) for fragment in fragments]

    return Origin(
        name=f"{name}@{version}",
        batches=batches,
        rows=rows,
        facts={"delta_version": version},
        files=files,
    )


def _record(fragment: Any) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with fragment.filesystem.open_input_stream(fragment.path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"path": str(fragment.path), "sha256": digest.hexdigest(), "bytes": size}


def _told(name: str, act: Callable[[], T]) -> T:
    from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

    try:
        return act()
    except TableNotFoundError:
        raise problem(name, "there is no Delta table") from None
    except DeltaProtocolError as error:
        raise problem(name, f"cannot be read by delta-rs: {said(error)}") from None
    except (DeltaError, OSError) as error:
        if _NOT_READ.search(str(error)):
            raise problem(name, f"cannot be read by delta-rs: {said(error)}") from None
        raise UnavailableError(f"{name} cannot be opened: {said(error)}") from None
