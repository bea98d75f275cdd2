"""`assay dossier verify` and `assay dossier show`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Outcome, Settings, Verdict

if TYPE_CHECKING:
    from assay.evidence.listing import Line, Listing
    from assay.evidence.verify import Report
    from assay.evidence.verify.snapshot import Progress

_SHOWN = 100  # findings of one check on a terminal; JSON has them all

Model = Annotated[str, typer.Argument(help="The registered model.")]
Version = Annotated[int, typer.Argument(help="One of its versions.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")]


@explained
def verify(
    model: Model,
    version: Version,
    anchors: Annotated[
        Path | None, typer.Option(help="A copy of the anchors that was kept elsewhere, as `assay audit` ships it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every digest and signature of a version, down to the rows of its data.

    Anchors, records, tags, moves, the model's files, the copies of policy, contract and code, the
    snapshot and the card: whatever is not as it was recorded is named. Whoever holds the signing key and
    both databases can rewrite all of it together; only --anchors finds that.

    Exit codes: 0 when all is as recorded, 1 when anything is not, 2 for a version that there is not, 4 when
    a server is down: then nothing is verified.

    Example: assay dossier verify income 3 --anchors /mnt/elsewhere/anchors.jsonl
    """
    from assay.evidence.opening import archive
    from assay.evidence.verify import verify as hold
    from assay.registry.dossier import EvidenceError

    try:
        with _progress() as progress:
            report = hold(archive(Settings.from_environment()), model, version, shipped=anchors, progress=progress)
    except EvidenceError as error:
        print("\n".join(("not verified:", *error.reasons)), file=sys.stderr)  # noqa: T201
        raise typer.Exit(Outcome.FAIL.exit_code) from None
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(_report(report)))
    raise typer.Exit(Outcome.PASS.exit_code if report.sound else Outcome.FAIL.exit_code)


@explained
def show(model: Model, version: Version, as_json: AsJson = False) -> None:
    """List a version's dossier: every record, who made it, its digest, the key that signed it.

    Waivers are marked at the verdicts that they let go on; incidents stand below.

    Exit codes: 0, or 1 when a record is not what was anchored and signed.

    Example: assay dossier show income 3
    """
    from assay.evidence.listing import listing
    from assay.evidence.opening import archive
    from assay.registry.dossier import EvidenceError

    try:
        found = listing(archive(Settings.from_environment()), model, version)
    except EvidenceError as error:
        print("\n".join(error.reasons), file=sys.stderr)  # noqa: T201
        raise typer.Exit(Outcome.FAIL.exit_code) from None
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(found)
    raise typer.Exit(Outcome.PASS.exit_code if found.whole else Outcome.FAIL.exit_code)


def _report(report: "Report") -> Iterator[str]:
    yield f"{report.model} version {report.version}, dossier {report.dossier}"
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        yield f"  {'WRONG' if check.findings else 'ok':5}  {check.name:{width}}  {check.about}"
    for check in report.checks:
        if check.findings:
            yield f"\n{check.name}: {check.meaning}"
            yield from (f"  {finding}" for finding in check.findings[:_SHOWN])
            if len(check.findings) > _SHOWN:
                yield f"  ... and {len(check.findings) - _SHOWN} more; --json lists them all"
    yield ""
    yield from (f"note: {note}" for note in report.notes)
    yield "Verified." if report.sound else f"NOT VERIFIED: {len(report.findings)} wrong."


def _show(found: "Listing") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    title = f"{found.model} version {found.version}, dossier {found.dossier}"
    table = Table(title=title, title_justify="left", pad_edge=False)
    for heading in ("#", "record", "what", "by", "at", "digest", "key"):
        table.add_column(heading, overflow="fold")
    for line in found.lines:
        table.add_row(*map(escape, _cells(line, told_apart=len(found.models) > 1)))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for each in found.incidents:
        state = f"closed {each.closed_at} by {each.closed_by}: {each.closed_because}" if each.closed_at else "OPEN"
        console.print(
            escape(f"incident {each.id} ({each.kind}, first seen {each.first_seen}): {each.message}; {state}")
        )
    console.print("Every record is what was anchored and signed." if found.whole else "NOT WHOLE: see the lines above.")


def _cells(line: "Line", *, told_apart: bool) -> tuple[str, ...]:
    from assay.evidence.listing import by

    what, who = ("", "") if line.record is None else (_what(line, told_apart=told_apart), by(line.record))
    if line.doubt:
        what = f"DOUBTFUL: {line.doubt}"
    return str(line.number), line.kind, what, who, line.at, line.digest[:12], line.key or ""


def _what(line: "Line", *, told_apart: bool) -> str:
    """A record in a sentence; a verdict names its model where the dossier has several."""
    from assay.governance.told import told

    record = line.record
    if not isinstance(record, Verdict):
        return "" if record is None else told(record)
    check = record.worst_check
    about = "" if check is None else f": {check.name}{f' {check.attribute}' if check.attribute else ''} {check.reason}"
    waived = f" [WAIVED by {', '.join(line.waived)}]" if line.waived else ""
    model = f" (model {record.model[:12]}, attempt {record.attempt})" if told_apart and record.model else ""
    return f"{record.outcome}{model}, {record.passed} of {len(record.checks)} checks pass{waived}{about}"


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Show on standard error how far long hashing has come, where a person is looking."""
    from rich.console import Console

    with Console(stderr=True).status("Reading the dossier") as line:

        def told(what: str, done: int, total: int) -> None:
            line.update(f"Reading {what}: {done:,} of {total:,}")

        yield told
