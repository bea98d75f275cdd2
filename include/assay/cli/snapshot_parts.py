"""What the commands of `assay snapshot` share."""

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from assay.core import Settings, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from assay.data.progress import Progress
    from assay.data.snapshots import Snapshot


def found(snapshot_id: str, root: str | None) -> "Snapshot":
    """A snapshot by its id alone; its files are not looked at.

    Raises
    ------
    UserError
        When there is none, or this is no id.
    """
    from assay.data.snapshots import find_snapshot

    model, dash, _ = snapshot_id.rpartition("-")
    if not dash:
        raise problem(
            snapshot_id, "is no snapshot's id", "an id is MODEL-0123456789abcdef; `assay snapshot list` has all"
        )
    where = Settings.from_environment().snapshots if root is None else root
    return find_snapshot(root=where, model=model, snapshot_id=snapshot_id)


def opened(snapshot_id: str, root: str | None) -> "Snapshot":
    """The same, every file checked."""
    from assay.data.snapshots import open_snapshot

    there = found(snapshot_id, root)
    return open_snapshot(root=there.folder.root, model=there.folder.model, snapshot_id=there.id)


def show_table(table: "Table") -> None:
    """Print a table, as wide as the terminal; a file gets a fixed width."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(table, markup=False)


def print_json(content: Any) -> None:
    """Print plain values."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


@contextmanager
def progress() -> "Iterator[Progress]":
    """On a terminal a line that changes; in a log one line for each stage."""
    from rich.console import Console

    console, stages = Console(stderr=True), set[str]()
    with console.status("Starting") as line:

        def told(doing: str, done: int, total: int | None) -> None:
            if console.is_terminal:
                far = f": {done:,} of {total:,}" if total else f": {done:,}" if done else ""
                line.update(f"{doing[:1].upper()}{doing[1:]}{far}")
            elif doing not in stages:
                stages.add(doing)
                typer.echo(doing, err=True)

        yield told
