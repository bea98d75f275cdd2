"""`assay history`: which version served what share of the traffic, when, and on whose word."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings, did_you_mean, problem

if TYPE_CHECKING:
    from assay.rollout.history import Served


@explained
def history(
    model: Annotated[str, typer.Argument(help="The model.")],
    at: Annotated[
        str | None,
        typer.Option(help="Only what served at this time: as 2026-03-03 14:00, UTC where no zone is given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """Say which version served what share of the traffic from when to when.

    Beside it stand the move that began it, the run that made the move, who approved the version and in
    which role, and the evidence that its rollout began on: the dossier, and the digest of its last record
    then. All of it comes from the operations database, whose moves nobody can change.

    Example: assay history income --at "2026-03-03 14:00"
    """
    from assay.evidence.opening import rollouts
    from assay.rollout.history import at as serving_at
    from assay.rollout.history import timeline

    moment = None if at is None else _moment(at)
    book = rollouts(Settings.from_environment())
    served = timeline(book.engine, model)
    if not served:
        known = [each.model for each in book.deployments()]
        raise problem(model, "no version of this model ever had a rollout", did_you_mean(model, known))
    shown = served if moment is None else serving_at(served, moment)
    if as_json:
        when = None if moment is None else moment.isoformat()
        found = {"model": model, "at": when, "served": [each.to_dict() for each in shown]}
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo("\n".join(_lines(model, served, shown, moment)))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise problem("--at", f"{text!r} is not a time", 'for example "2026-03-03 14:00"') from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > datetime.now(UTC):
        raise problem("--at", f"{_time(moment.isoformat())} is in the future", "ask for a time that has passed")
    return moment


def _lines(model: str, served: "list[Served]", shown: Iterable["Served"], moment: datetime | None) -> Iterator[str]:
    if moment is None:
        yield f"{model}: what served when, oldest first."
    else:
        yield f"{model} on {_time(moment.isoformat())}:"
    shown = list(shown)
    if not shown:
        yield f"  nothing served; its first rollout began on {_time(served[0].since)}"
    for each in shown:
        until = "now" if each.until is None else _time(each.until)
        yield f"  {_time(each.since)} to {until}: version {each.version}, {_share(each)}"
        yield f"    {each.action.replace('_', ' ')} of rollout {each.rollout_id}, by the run {each.run_key}"
        yield f"    approved by {_people(each)}"
        yield f"    on {_evidence(each)}"


def _share(served: "Served") -> str:
    if served.role == "canary" and served.share == 0:
        return "canary in shadow, no traffic"
    return f"{served.role} with {served.share} % of the traffic"


def _people(served: "Served") -> str:
    people = [f"{each['who']} ({str(each['role']).replace('_', ' ')})" for each in served.approved_by]
    return ", ".join(people) or "nobody on record"


def _evidence(served: "Served") -> str:
    if served.dossier is None:
        return "no evidence on record: the move is older than the dossiers' anchors"
    return f"dossier {served.dossier}, head {served.head}"


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
