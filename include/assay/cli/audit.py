"""`assay audit`: find what was changed behind the pipeline's back."""

import getpass
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Outcome, Settings, problem

if TYPE_CHECKING:
    from assay.evidence.audit import Audit
    from assay.registry.archive import Archive


@explained
def audit(
    model: Annotated[str | None, typer.Argument(help="One model. [default: all that Assay knows]")] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Set aliases and tags back, and record it.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Compare every version's files.")] = False,
    close: Annotated[int | None, typer.Option(help="Close this open incident instead of auditing.", min=1)] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is closed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """Compare aliases, versions, tags and files in MLflow with the dossiers and the rollouts, and look at snapshots.

    Every out-of-band change is told with when it was first seen and which way to mend it, kept as an
    incident, and marked on the version. An incident whose cause is gone is closed. The DAG `audit_registry`
    does the same every 15 minutes. Of snapshots it tells which lost their files, and whose time is over;
    `assay snapshot expire` deletes their rows. Where ASSAY_ANCHORS_FILE names a file, the anchors are shipped to it.

    Exit codes: 0 when nothing is out of order, or all was set back; 1 when something is; 2 for a model that
    there is not; 4 when a server is down.

    Example: assay audit income --restore
    """
    from assay.evidence.audit import audit as compare
    from assay.evidence.opening import archive

    opened = archive(Settings.from_environment())
    if close is not None or reason is not None:
        _close(opened, close, reason, as_json)
        return
    found = compare(opened, model, deep=deep, restore=getpass.getuser() if restore else None)
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else "\n".join(_lines(found)))
    raise typer.Exit(Outcome.PASS.exit_code if found.clean else Outcome.FAIL.exit_code)


def _close(archive: "Archive", incident: int | None, reason: str | None, as_json: bool) -> None:
    from assay.evidence.audit import close_incident

    if incident is None:
        raise problem("--reason", "closes no incident", "name one with --close ID")
    closed = close_incident(archive, incident, by=getpass.getuser(), reason=reason or "")
    typer.echo(
        json.dumps(closed.to_dict(), indent=2) if as_json else f"incident {closed.id} is closed: {closed.message}"
    )


def _lines(found: "Audit") -> Iterator[str]:
    versions = f"{found.versions} version{'' if found.versions == 1 else 's'}"
    yield f"{', '.join(found.models) or 'no model yet'}: {versions}, the files of {found.files_of} compared"
    if found.shipped is not None:
        yield f"{found.shipped} anchors shipped"
    for each in found.seen:
        incident = each.incident
        yield f"\n{'restored' if each.restored else 'WRONG'}  {incident.model}: {incident.message}"
        yield f"  incident {incident.id}, first seen {incident.first_seen}, {incident.sightings} times since"
        if not each.restored:
            yield f"  {incident.mend}"
    if found.seen:
        yield ""
    yield from (f"closed: incident {each.id}, {each.message}: {each.closed_because}" for each in found.closed)
    yield from (f"still open: incident {each.id} ({each.kind}), {each.message}: {each.mend}" for each in found.open)
    wrong = sum(not each.restored for each in found.seen)
    yield f"{wrong} out of order." if wrong else "Nothing is out of order."
