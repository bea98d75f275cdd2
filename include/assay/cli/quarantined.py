"""`assay snapshot quarantined`: the rows that were set aside, and why."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.errors import explained
from assay.core import Settings, UnavailableError, did_you_mean, problem

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from assay.data.snapshots import Snapshot

_FORMS = (".parquet", ".csv")
_ID = re.compile(r"(.+)-[0-9a-f]{16}")


@explained
def quarantined(
    name: Annotated[str, typer.Argument(help="A model, or a snapshot's id: MODEL-0123456789abcdef.", metavar="NAME")],
    out: Annotated[
        Path | None, typer.Option(help="Write all rows to this file, .parquet or .csv.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(help="How many rows to show; JSON and --out have them all.", min=0)] = 20,
    root: Annotated[
        str | None, typer.Option(help="Folder or URL of the snapshots; ASSAY_SNAPSHOTS without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """List the rows that were set aside when a model's snapshots, or one of them, were taken, and why.

    A policy with `on_bad_rows: quarantine` sets aside the rows that its contract objects to. They have gone
    through the same `drop`, `pseudonymize` and `consent` as all others. Files are checked before they are read.

    Example: assay snapshot quarantined income --out bad.csv
    """
    from assay.cli.output import check_target
    from assay.data.quarantine import open_entry

    where = Settings.from_environment().snapshots if root is None else root
    if out is not None:
        check_target(str(out), option="--out")
        if out.suffix.lower() not in _FORMS:
            raise problem("--out", f"{out} is neither .parquet nor .csv")
    model, found = _entries(where, name)
    opened = [open_entry(root=where, model=model, entry_id=each.id) for each in found]
    if out is not None:
        _export(opened, out)
    if as_json:
        told = [{**each.manifest, "rows": [_plain(row) for row in _rows(each)]} for each in opened]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False, default=str))
        return
    for each in opened:
        typer.echo("\n".join(_counts(each)))
        if top:
            _show(_table(each, top))
    if not opened:
        typer.echo(f"no row of {name} was set aside")
    if out is not None:
        typer.echo(f"wrote {sum(each.rows for each in opened):,} rows to {out}")


def _entries(root: str, name: str) -> "tuple[str, list[Snapshot]]":
    """The model that is meant, and what was set aside from it, or from the one snapshot of it that is named."""
    from assay.data.quarantine import quarantined as entries_of
    from assay.data.snapshots import find_snapshot, models_with_snapshots

    models = models_with_snapshots(root)
    if name in models:
        return name, _kept(entries_of(root, name))
    named = _ID.fullmatch(name)
    if named is None:
        raise problem(name, "is neither a model that has snapshots nor a snapshot's id", did_you_mean(name, models))
    snapshot = find_snapshot(root=root, model=named[1], snapshot_id=name)
    return named[1], _kept(entries_of(root, named[1], snapshot.id))


def _kept(entries: "Sequence[Snapshot]") -> "list[Snapshot]":
    """Those whose rows are still there; of the others it is said that they are not."""
    for each in entries:
        if each.tombstone is not None:
            typer.echo(
                f"{each.manifest['snapshot']}: {each.rows:,} rows were set aside; {each.tombstone.sentence}", err=True
            )
    return [each for each in entries if each.tombstone is None]


def _counts(entry: "Snapshot") -> Iterator[str]:
    told = entry.manifest
    share = f"{entry.rows:,} of {told['rows_read']:,} rows ({entry.rows / told['rows_read']:.3g} of all)"
    yield f"{told['snapshot']}: {share} set aside on {told['extracted_at'][:10]}"
    width = max(len(f"{count:,}") for count in told["reasons"].values())
    yield from (f"  {count:{width},}  {reason}" for reason, count in told["reasons"].items())


def _table(entry: "Snapshot", top: int) -> "Table":
    """The first rows: their key, the columns that reasons are about, and the reasons."""
    from rich.table import Table

    from assay.data.sifting import REASONS

    known = [field["name"] for field in entry.manifest["schema"]]
    about = [column for reason in entry.manifest["reasons"] for column in reason.partition(" ")[2].split("*")]
    shown = [entry.manifest["key"], *(column for column in about if column in known)]
    columns = list(dict.fromkeys(shown))
    more = f"; {entry.rows - top:,} more with --top" if entry.rows > top else ""
    table = Table(*columns, "reasons", title=f"the rows set aside{more}", pad_edge=False)
    for row in islice(_rows(entry), top):
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns), ", ".join(row[REASONS]))
    return table


def _rows(entry: "Snapshot") -> Iterator[dict[str, Any]]:
    from assay.data.sifting import REASONS, batches

    for batch in batches(entry.files()):
        for row in batch.to_pylist():
            yield {**row, REASONS: json.loads(row[REASONS])}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose numbers are all of JSON, which knows neither NaN nor the infinite: these become texts."""
    odd = (name for name, cell in row.items() if isinstance(cell, float) and not math.isfinite(cell))
    return {**row, **{name: str(row[name]) for name in odd}}


def _show(table: "Table") -> None:
    import sys

    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(table, markup=False)


def _export(entries: "Sequence[Snapshot]", out: Path) -> None:
    """Write all rows to one file, whole or not at all."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    from assay.data.sifting import batches

    if not entries:
        raise problem("--out", "there is no row to write", "see `assay snapshot list`")
    schema = _common(entries)
    writer = pq.ParquetWriter if out.suffix.lower() == ".parquet" else pyarrow.csv.CSVWriter
    draft = out.with_name(f".{out.name}.draft")
    try:
        with writer(draft, schema) as file:
            for batch in (batch for each in entries for batch in batches(each.files())):
                file.write_table(_filled(pa.Table.from_batches([batch]), schema))
        draft.replace(out)
    except OSError as error:
        raise UnavailableError(f"cannot write {out}: {error}") from None
    except pa.ArrowInvalid as error:  # bytes that are no text
        raise problem("--out", f"{out} cannot be written: {error}", "name a .parquet file") from None
    finally:
        draft.unlink(missing_ok=True)


def _common(entries: "Sequence[Snapshot]") -> "pa.Schema":
    """The columns of all entries; a type that is wide enough for each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(file) for each in entries for file in each.files()]
    try:
        return pa.unify_schemas([each.remove_metadata() for each in schemas], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        message = f"the model's columns have changed their types in between: {' '.join(str(error).split())}"
        raise problem("--out", message, "name one snapshot") from None


def _filled(table: "pa.Table", schema: "pa.Schema") -> "pa.Table":
    """The table with all columns of a schema, empty where it has none of its own."""
    import pyarrow as pa

    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
