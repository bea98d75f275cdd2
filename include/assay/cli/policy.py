"""`assay policy ...`: try a policy before it governs anything."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assay.cli.errors import explained
from assay.core import Settings, problem

if TYPE_CHECKING:
    from assay.evidence.backtested import Backtest, GateBacktest, RunBacktest

app = typer.Typer(no_args_is_help=True, help="Try a policy before it governs anything.")

_WAYS = {True: "let through", False: "stopped", None: "UNKNOWN"}
_COLOURS = {"PASS": "green", "INCONCLUSIVE": "yellow", "UNKNOWN": "yellow", "FAIL": "red", "ERROR": "magenta"}


@app.command()
@explained
def backtest(
    policy: Annotated[Path, typer.Argument(help="The new policy file.")],
    model: Annotated[str, typer.Option(help="The model whose past it is tried on.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of a table.")] = False,
) -> None:
    """Say which past runs of a model, registered or stopped, a new policy would have stopped or let through.

    Where the stored verdicts hold what the policy asks for, their numbers are held against its limits;
    where they do not, as for another metric or confidence, the gate measures again on the run's own data
    and model. What neither can tell is UNKNOWN with its reason, and never counts as a pass. A data
    contract is no part of a policy, so its verdicts stay. Nothing is written.

    Example: assay policy backtest stricter.yaml --model income
    """
    from assay.evidence.backtest import backtest as judge_past

    if not policy.is_file():
        raise problem(str(policy), "no such file")
    with Console(stderr=True).status("Starting") as line:
        found = judge_past(
            Settings.from_environment(),
            model,
            policy.read_bytes(),
            subject=str(policy),
            progress=lambda doing: line.update(doing.capitalize()),
        )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a log has no width of its own
    console.print(_table(found))
    for note in found.notes:
        console.print(Text(f"Note: {note}."))
    console.print(Text(_summary(found)))


def _table(found: "Backtest") -> Table:
    table = Table("run", "gate", "was", "would be", "from", "what decides", title=f"{found.model} under the new policy")
    for run in found.runs:
        name = f"run {run.run_key.rpartition('/')[2]}" if run.version is None else f"version {run.version}"
        was, would = run.was_let_through, run.would_be_let_through
        table.add_row(name, "", Text(_WAYS[was]), Text(_WAYS[would], style="bold" if was != would else ""), "", "")
        for gate in run.gates:
            table.add_row(
                "",
                gate.gate,
                Text("-") if gate.was is None else _outcome(gate.was),
                _outcome(gate.would),
                "" if gate.source == "unknown" else gate.source,
                Text(_decides(gate)),
            )
        table.add_section()
    return table


def _decides(gate: "GateBacktest") -> str:
    return gate.reason or "\n".join(line.removeprefix(f"{gate.gate}/") for line in gate.deciding)


def _outcome(outcome: str) -> Text:
    return Text(str(outcome), style=_COLOURS[str(outcome)])


def _summary(found: "Backtest") -> str:
    """How many runs end otherwise, in one sentence."""
    counts = Counter(_change(run) for run in found.runs)
    parts = [f"{counts[each]} {each}" for each in ("newly stopped", "newly let through", "unknown", "as before")]
    return f"{len(found.runs)} run{'' if len(found.runs) == 1 else 's'}: {', '.join(parts)}."


def _change(run: "RunBacktest") -> str:
    was, would = run.was_let_through, run.would_be_let_through
    if was is None or would is None:
        return "unknown"
    return "as before" if was == would else "newly let through" if would else "newly stopped"
