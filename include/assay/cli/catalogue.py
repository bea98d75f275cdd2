"""`assay catalogue`, `assay retire`, `assay delete`: every version, what became of it, and how long it is kept."""

import getpass
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings, problem

if TYPE_CHECKING:
    from assay.evidence.catalogue import Entry

Model = Annotated[str, typer.Argument(help="The registered model.")]
Version = Annotated[int, typer.Argument(help="One of its versions.", min=1)]


@explained
def catalogue(
    model: Annotated[str | None, typer.Argument(help="The model; without it all of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """List every registered version: what it is now, since when and why, and until when its evidence is kept.

    A version is champion, canary, previous, superseded, rolled back, refused, never rolled out, or retired;
    it is unknown when no dossier accounts for it.

    Example: assay catalogue income
    """
    from assay.evidence.catalogue import catalogue as list_versions
    from assay.evidence.opening import archive

    settings = Settings.from_environment()
    models = archive(settings).models() if model is None else [model]
    found = [entry for name in models for entry in list_versions(settings, name)]
    if as_json:
        typer.echo(json.dumps([entry.to_dict() for entry in found], indent=2))
    else:
        typer.echo("\n".join(_lines(found)) or "no version is registered")


@explained
def retire(
    model: Model,
    version: Version,
    reason: Annotated[str, typer.Option(help="Why. Kept in the version's dossier.")],
) -> None:
    """Record that a version is not to be used again. It stays, with all its evidence.

    A version that serves, is a canary, or is what the model falls back to cannot be retired.

    Example: assay retire income 2 --reason "trained on the rows of a withdrawn source"
    """
    from assay.evidence.retirement import retire as record

    event = record(Settings.from_environment(), model, version, reason=reason, by=_user())
    typer.echo(f"{model} version {version}: retired by {event.by} at {event.at}: {event.facts['reason']}")


@explained
def delete(
    model: Model,
    version: Version,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a version from MLflow with its model, its run and its dossier, once none of it must be kept.

    While the evidence is under retention this refuses and names the day. The anchors stay: they go on
    proving that there was a dossier. MLflow marks what is deleted; `mlflow gc` frees the disk.

    Example: assay delete income 2 --dry-run
    """
    from assay.evidence.retirement import delete as remove
    from assay.evidence.retirement import plan_deletion

    settings, today = Settings.from_environment(), datetime.now(UTC).date()
    plan = plan_deletion(settings, model, version, today=today)
    run = f"the run {plan.entry.dossier} with its dossier" if plan.with_run else "not its run: another version needs it"
    what = f"{model} version {version}, the model {plan.candidate}, {run}"
    if dry_run:
        typer.echo(f"would delete {what}; {plan.anchors} anchors stay")
        return
    if not yes and not sys.stdin.isatty():
        raise problem("--yes", "is needed where nobody can be asked")
    if not yes:
        typer.confirm(f"Delete {what}?", abort=True)
    remove(settings, model, version, today=today)
    typer.echo(f"deleted {what}; {plan.anchors} anchors stay")


def _lines(entries: "list[Entry]") -> Iterator[str]:
    model = None
    for entry in entries:
        if entry.model != model:
            model = entry.model
            yield model
        since = "" if entry.since is None else f" since {entry.since[:16].replace('T', ' ')} UTC"
        yield f"  version {entry.version}: {entry.state}{since}" + (f": {entry.reason}" if entry.reason else "")
        kept = "for as long as is not known until when" if entry.kept_until is None else f"until {entry.kept_until}"
        yield f"    evidence is kept {kept}; " + (f"dossier {entry.dossier}" if entry.dossier else "no dossier")
        if entry.doubt and entry.doubt != entry.reason:
            yield f"    doubt: {entry.doubt}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"
