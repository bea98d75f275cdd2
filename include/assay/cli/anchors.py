"""`assay anchors ...`: keep a copy of the anchors elsewhere, and hold the table to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

if TYPE_CHECKING:
    from assay.rollout import AnchorTable

app = typer.Typer(
    no_args_is_help=True,
    help="The digests of all dossiers' records, chained in the operations database.\n\n"
    "Whoever masters that database can rewrite it whole. A copy that is shipped to where they cannot write "
    "tells: ship often, say every few minutes, and keep the file on another machine or a write-once disk.",
)


@app.command()
@explained
def ship(
    file: Annotated[Path, typer.Argument(help="File to append to, one anchor a line; made where there is none.")],
) -> None:
    """Append to a file the anchors that it lacks. What is in it is compared first, and never changed.

    Exit codes: 0 when it is up to date, 2 when file and table disagree; then nothing is written.

    Example: assay anchors ship /mnt/write-once/anchors.jsonl
    """
    from assay.rollout.shipping import ship as append

    table = _table()
    added = append(table, file)
    last = table.last()
    up_to = "there is none yet" if last is None else f"the last is {last.seq}, chain {last.chain}"
    typer.echo(f"{file}: {added} anchor{'' if added == 1 else 's'} added; {up_to}")


@app.command()
@explained
def check(
    file: Annotated[
        Path | None, typer.Argument(help="A file that was shipped before. Without it the table is only held to itself.")
    ] = None,
) -> None:
    """Check that the anchors chain without a gap, and agree with a file that was shipped.

    Exit codes: 0 when they do, 1 when they do not.

    Example: assay anchors check /mnt/write-once/anchors.jsonl
    """
    from assay.rollout.shipping import disagreements

    table = _table()
    wrong = table.check() + ([] if file is None else [f"{file}, {each}" for each in disagreements(table, file)])
    if wrong:
        typer.echo("\n".join(wrong))
        raise typer.Exit(1)
    last = table.last()
    count = 0 if last is None else last.seq
    held = "themselves; a table that was rewritten whole shows only beside a shipped file" if file is None else file
    typer.echo(f"{count} anchors chain without a gap, and agree with {held}")


def _table() -> "AnchorTable":
    from assay.evidence.opening import rollouts
    from assay.rollout import AnchorTable

    return AnchorTable(rollouts(Settings.from_environment()).engine)
