"""`assay snapshot expire`: delete rows whose time is over."""

import getpass
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.errors import explained
from assay.core import Outcome, Settings

if TYPE_CHECKING:
    from assay.data.tombstones import Tombstone
    from assay.evidence.expiry import Due, Expired, Plan


@explained
def expire(
    model: Annotated[str | None, typer.Option(help="One model. [default: all that have snapshots]")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete, instead of saying what would be deleted.")] = False,
    also_serving: Annotated[
        bool,
        typer.Option("--also-serving", help="Delete what the champion or the canary was made from, too."),
    ] = False,
    root: Annotated[
        str | None, typer.Option(help="Folder or URL of the snapshots; ASSAY_SNAPSHOTS without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """Delete the rows of snapshots whose time is over, as data.keep_days of the policy says.

    Without --yes it only tells what is due. Rows that were set aside when a snapshot was taken go with it. What
    the rows were stays: the manifest, who deleted them and when, and a signed record in every dossier that was
    made from them, so that whoever verifies one can tell this from a loss. Nothing brings the rows back.

    Rows that something needs stay, and are named with the reason. A run that is at work is left in peace. What
    the champion or the canary was made from goes with --also-serving: from then on nothing tells how far new data
    have moved from it, and the contract gate's verdicts say so.

    Files that a killed taking has left go too. Interrupted, it is ended by running it again. Run it every night:
    15 2 * * *  assay snapshot expire --yes

    Exit codes: 0; 1 when rows stay although their time is over; 2 for a model without snapshots; 4 when a store
    or a server is down.

    Example: assay snapshot expire --model income
    """
    from assay.evidence import expiry

    settings, today = Settings.from_environment(), datetime.now(UTC).date()
    settings = replace(settings, snapshots=root) if root is not None else settings
    if not yes:
        plan = expiry.plan(settings, model, today=today)
        told = _planned(plan, today, also_serving=also_serving)
        stay = False
    else:
        done = expiry.expire(settings, model, today=today, by=_user(), also_serving=also_serving)
        told, stay = _done(done, today), bool(done.kept)
    typer.echo(json.dumps(told, indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(told)))
    raise typer.Exit(Outcome.FAIL.exit_code if stay else Outcome.PASS.exit_code)


def _planned(plan: "Plan", today: date, *, also_serving: bool) -> dict[str, Any]:
    return {
        "dry_run": True,
        "delete": [each.to_dict(today) for each in plan.due if not each.kept(also_serving=also_serving)],
        "keep": _kept([each for each in plan.due if each.kept(also_serving=also_serving)], today),
        "end": [_told(each.tombstone) for each in plan.begun],
        "strays": list(plan.strays),
    }


def _done(done: "Expired", today: date) -> dict[str, Any]:
    return {
        "dry_run": False,
        "deleted": [_told(each) for each in done.deleted],
        "keep": _kept(done.kept, today),
        "strays": list(done.strays),
    }


def _kept(due: "list[Due] | tuple[Due, ...]", today: date) -> list[dict[str, Any]]:
    return [each.to_dict(today) for each in due]


def _told(tombstone: "Tombstone") -> dict[str, Any]:
    facts = tombstone.facts()
    return {name: facts[name] for name in ("snapshot", "rows", "bytes", "keep_until", "at", "by")}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    dry = told["dry_run"]
    for each in told.get("end", ()):
        yield f"would end    {each['snapshot']}: its deletion of {each['at'][:10]} was interrupted"
    for each in told["delete" if dry else "deleted"]:
        yield f"{'would delete' if dry else 'deleted     '} {_about(each)}"
    for each in told["strays"]:
        yield f"{'would delete' if dry else 'deleted     '} {each}: left by a taking that was killed"
    for each in told["keep"]:
        yield f"{'would keep  ' if dry else 'KEPT        '} {_about(each)}"
        yield from (f"             {reason}" for reason in each["needed_by"])
    if not any(told.get(name) for name in ("end", "delete", "deleted", "keep", "strays")):
        yield "nothing is due"
    elif dry:
        yield "Nothing was deleted; --yes does it."


def _about(each: dict[str, Any]) -> str:
    until = "" if each["keep_until"] is None else f", to be kept until {each['keep_until']}"
    over = f" ({each['days_over']} days over)" if each.get("days_over") else ""
    return f"{each['snapshot']}: {each['rows']:,} rows, {each['bytes'] / 1e6:,.1f} MB{until}{over}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"
