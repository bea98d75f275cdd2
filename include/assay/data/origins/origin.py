"""An opened source of rows, whatever kind it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core import UserError, problem, sha256_json
from assay.data.store import said

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A source of rows that was found and can be read, batch by batch, once.

    Attributes
    ----------
    name
        What the manifest and every message call it; it holds no credentials.
    batches
        Reads the rows in their order.
    rows
        How many there are, where that is known beforehand.
    facts
        What else the manifest says of it: the query, the version of a Delta table.
    files
        Name, SHA-256 and size of every file that was read, asked for when all were; empty for a database.

        It raises a `UserError` when a file is no longer what was read.
    """

    name: str
    batches: "Callable[[], Iterator[pa.RecordBatch]]"
    rows: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Callable[[], list[dict[str, Any]]] = list


def files_sha256(files: Sequence[Mapping[str, Any]]) -> str | None:
    """One digest for all files of a source: a single file's own, else that of the list; None where there is none."""
    if len(files) == 1:
        return str(files[0]["sha256"])
    return sha256_json([[file["path"], file["sha256"]] for file in files]) if files else None


def batch_rows(columns: int) -> int:
    """How many rows of so many columns are read at a time, so that a batch takes tens of megabytes at most.

    Examples
    --------
    >>> batch_rows(16), batch_rows(10_000)
    (65536, 419)
    """
    return max(1, min(1 << 16, _CELLS // max(1, columns)))


@contextmanager
def readable(name: str, what: str) -> Iterator[None]:
    """Say in one line, as the user's to mend, that a source is not what it is read as."""
    import pyarrow as pa

    try:
        yield
    except UserError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a corrupt Parquet file is an OSError to pyarrow
        raise problem(name, f"cannot be read as {what}: {said(error)}") from None
