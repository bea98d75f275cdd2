"""`assay card`: the model card and datasheet of a version."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.errors import explained


@explained
def card(
    model: Annotated[str, typer.Argument(help="The registered model.")],
    version: Annotated[int, typer.Argument(help="One of its versions.", min=1)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write all files of the card into; without it one is printed.", show_default=False),
    ] = None,
    html: Annotated[bool, typer.Option("--html/--md", help="What is printed: the page, or Markdown.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make it anew from the dossier as it is now; the registry stays as it is.")
    ] = False,
) -> None:
    """Print a version's model card as its dossier keeps it, or write it with its datasheet and page.

    A version whose dossier keeps no card yet gets a fresh one.

    Example: assay card income 3 --out card/
    """
    from assay.cli.output import write_file
    from assay.core import Settings, problem
    from assay.evidence.card.store import MODEL_CARD, PAGE, fresh_card, kept_card
    from assay.evidence.opening import archive
    from assay.evidence.stored import Stored

    if out is not None and out.exists() and not out.is_dir():
        raise problem("--out", f"{out} is not a folder")
    stored = Stored.of_version(archive(Settings.from_environment()), model, version)
    files = None if fresh else kept_card(stored)
    if files is None:
        files = fresh_card(stored)
    if out is None:
        typer.echo(files[PAGE if html else MODEL_CARD], nl=False)
        return
    for name, content in files.items():
        write_file(out / name, content)
        typer.echo(str(out / name))
