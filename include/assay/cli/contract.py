"""`assay contract ...`: data contracts before there is a gate to hold data to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, help="Draft data contracts.")


@app.callback()
def _group() -> None:
    """Keep `suggest` a command of its own although it is the only one."""


@app.command()
@explained
def suggest(
    data: Annotated[Path, typer.Option(help="CSV or Parquet file to draft a contract from.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File for the suite, in JSON.", show_default=False)],
    key: Annotated[str | None, typer.Option(help="Column that names a row.", show_default=False)] = None,
) -> None:
    """Draft a data contract from a file: a Great Expectations suite that the file meets.

    Each expectation's notes say what in the data led to it. It is a draft: keep what must hold for all
    data to come, and drop what only happens to hold today.

    Example: assay contract suggest --data adult.parquet --key person_id --out contract.json
    """
    from assay.cli.output import check_target, write_file
    from assay.cli.progress import reporting
    from assay.data.draft.contract import text_of

    check_target(str(out), data, option="--out")
    with reporting() as report:
        drafted, dropped = _drafted(data, out.stem, key, report)
    write_file(out, text_of(drafted).encode())
    typer.echo(f"Wrote {out}: {len(drafted['expectations'])} expectations, all of which {data} meets.")
    for each in dropped:
        typer.echo(f"Left out, since {data} does not meet it: {each}")
    typer.echo(f"Next: assay gate contract --data {data} --suite {out} --json -")


def _drafted(
    data: Path, name: str, key: str | None, report: "Callable[[str], None] | None"
) -> tuple[dict[str, Any], list[str]]:
    """A suite, and what was drafted but does not hold when the gate itself measures it."""
    from assay.core import Outcome
    from assay.data.draft.contract import suggest
    from assay.gates import contract as gate

    def told(doing: str, done: int, total: int | None) -> None:
        if report is not None:
            report(f"{doing}: {done} of {total}" if total else doing)

    with _opened(data) as rows:
        suite = suggest(rows, name=name, key=key, progress=told)
    judgement = gate.judge(gate.measure(files=[data], suite=suite, key=key, report=report))
    held = [check.outcome is Outcome.PASS for check in judgement.checks]
    dropped = [
        f"{check.name} {check.attribute or ''}: {check.reason}"
        for check, holds in zip(judgement.checks, held, strict=True)
        if not holds
    ]
    kept = [each for each, holds in zip(suite["expectations"], held, strict=True) if holds]
    return {**suite, "expectations": kept}, dropped


def _opened(data: Path) -> Any:
    """The rows of a file: of Parquet where they are, of CSV as they are read."""
    from assay.data.engine import open_rows, open_table
    from assay.data.sources import column_names, read_table

    column_names(data)  # says what is wrong with the file
    return open_rows([data]) if data.suffix.lower() == ".parquet" else open_table(read_table(data))
