"""Rows on their way into a snapshot: Parquet files that nobody sees until they are complete."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError
from assay.data.content import stored_schema
from assay.data.csv_text import common_type
from assay.data.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS_OF_A_GROUP = 1 << 24
_ROWS_OF_A_GROUP = 1 << 17
_ROWS_OF_A_PART = 1 << 22
_PREFIX = ".staging-"


@contextmanager
def staging(store: Store) -> Iterator[Path]:
    """A folder for rows that are not yet a snapshot of a model; one process on this machine at a time.

    It is beside the model's table where that is on this machine.

    It is removed in the end, and so is what a killed process has left. Folders that were made for it
    and hold nothing else go too.

    Raises
    ------
    OSError
        When disk or permissions do not allow it.
    """
    folder = store.workspace()
    new = [each for each in (folder, folder.parent) if not each.exists()]
    with _locked(folder):
        for left in folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(left)
        made = folder / f"{_PREFIX}{os.getpid()}"
        made.mkdir()
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
            for empty in new:
                with suppress(OSError):  # something is in it
                    empty.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_same(folder, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_same(folder: Path, descriptor: int) -> bool:
    """Whether the folder is still the one that was locked: another process may have removed an empty one."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


class Parts:
    """Writes batches as Parquet files of one schema, in the types that a snapshot keeps.

    A column's type may become clear, or wider, after rows were written: a database does not say
    that a column is of fractions before the first fraction. Then the files before are written again.
    """

    def __init__(self, folder: Path, subject: str) -> None:
        self._folder, self._subject = folder, subject
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows_waiting = self._rows_in_part = 0
        self._written: list[tuple[Path, pa.Schema]] = []
        self._writer: Any = None
        self.rows = 0

    def write(self, batch: "pa.RecordBatch") -> None:
        """Add rows.

        Raises
        ------
        UserError
            Listing every column whose type has no place in a snapshot, or is not what it was before.
        OSError
            When they cannot be written.
        """
        self._widen(stored_schema(batch.schema))
        assert self._schema is not None
        self._waiting.append(_cast(batch, self._schema, self._subject))
        self._rows_waiting += batch.num_rows
        self.rows += batch.num_rows
        if self._rows_waiting >= self._group:
            self._flush()

    def close(self) -> list[Path]:
        """Write what is left, and give the files in the order of the rows, all on disk."""
        import pyarrow as pa

        self._end_part()
        if self._schema is None:
            return []
        final = pa.schema([f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in self._schema])
        for path, schema in self._written:
            if schema != final:
                self._rewrite(path, final)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return [path for path, _ in self._written]

    @property
    def _group(self) -> int:
        columns = len(self._schema or ())
        return max(1, min(_ROWS_OF_A_GROUP, _CELLS_OF_A_GROUP // max(1, columns)))

    def _widen(self, schema: "pa.Schema") -> None:
        import pyarrow as pa

        if self._schema is None:
            self._schema = _holdable(schema, self._subject)
            return
        if schema == self._schema:
            return
        problems, fields = [], []
        for known, new in zip(self._schema, schema, strict=True):
            type_ = common_type(known.type, new.type)
            if type_ is None:
                message = f"has type {known.type} in some rows and {new.type} in others"
                problems.append(Problem(path=known.name, message=message, mend="make it one type in the source"))
            fields.append(known.with_type(type_ or known.type))
        if problems:
            raise UserError(self._subject, problems)
        if (wider := pa.schema(fields)) != self._schema:
            self._end_part()
            self._schema = wider

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._rows_waiting:
            return
        if self._writer is None:
            path = self._folder / f"part-{len(self._written):05}.parquet"
            self._writer = pq.ParquetWriter(path, self._schema)
            self._written.append((path, self._schema))
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(table, row_group_size=self._group)
        self._rows_in_part += self._rows_waiting
        self._waiting, self._rows_waiting = [], 0
        if self._rows_in_part >= _ROWS_OF_A_PART:
            self._end_part()

    def _end_part(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._rows_in_part = None, 0

    def _rewrite(self, path: Path, schema: "pa.Schema") -> None:
        import pyarrow.parquet as pq

        draft = path.with_suffix(".draft")
        file = pq.ParquetFile(path, pre_buffer=False)
        with file, pq.ParquetWriter(draft, schema) as writer:
            for group in range(file.num_row_groups):
                for batch in file.read_row_group(group).to_batches():
                    writer.write_batch(_cast(batch, schema, self._subject))
        draft.replace(path)


def _holdable(schema: "pa.Schema", subject: str) -> "pa.Schema":
    from assay.data.content import canonical_table

    alike: dict[str, list[str]] = {}
    for name in schema.names:
        alike.setdefault(name.lower(), []).append(name)
    if problems := [
        Problem(path=names[0], message=f"differs from {', '.join(names[1:])} in case alone", mend="rename or drop one")
        for names in alike.values()
        if len(names) > 1
    ]:  # Delta Lake and DuckDB take them for one
        raise UserError(subject, problems)
    canonical_table(schema.empty_table(), subject)
    return schema


def _cast(batch: "pa.RecordBatch", schema: "pa.Schema", subject: str) -> "pa.RecordBatch":
    """The batch in other types; what does not fit is named."""
    import pyarrow as pa

    columns, problems = [], []
    for field, column in zip(schema, batch.columns, strict=True):
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowInvalid as error:
            problems.append(Problem(path=field.name, message=f"does not fit {field.type}: {error}"))
    if problems:
        raise UserError(subject, problems)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
