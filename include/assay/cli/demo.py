"""`assay demo`: the whole way on the example model, with live progress and a table at the end."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from assay.cli.errors import explained
from assay.cli.stack import progress_line, welcome
from assay.core import Check, Outcome, Settings, Verdict
from assay.governance import words
from assay.local import stack
from assay.local.airflow_api import TaskInstance
from assay.local.demo import Report, Scene, play

_COLOURS = {"success": "green", "failed": "red", "running": "cyan", "deferred": "magenta", "awaiting_input": "yellow"}
_OUTCOMES = {Outcome.PASS: "green", Outcome.INCONCLUSIVE: "yellow", Outcome.FAIL: "red", Outcome.ERROR: "red"}


@explained
def demo(
    home: Annotated[
        Path | None, typer.Option(help="Folder for all state. [default: ASSAY_HOME, or .assay]", show_default=False)
    ] = None,
) -> None:
    """Retrain the example model `income` from data to champion, on a stack started for it.

    Starts Airflow, MLflow and the gateway if they are not up, triggers `retrain_income` as the user
    engineer, answers its approval as the user reviewer, and replays held-out rows with their labels
    as traffic while the canary earns its share. Run it again and version 2 has to prove itself
    against version 1. The stack stays up for you to look at; `assay down` ends it.

    Exit code 0 only if the gateway ends up serving the version that this run made.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a log has no width of its own
    settings = Settings.from_environment()
    begun = time.monotonic()
    with progress_line(console) as progress:
        running = stack.up(home or settings.home, progress=progress)
    console.print(welcome(running, secret=not console.is_terminal))
    up = time.monotonic() - begun
    with Live(console=console, refresh_per_second=4) as live:
        report = play(
            running,
            "income",
            live=settings.models / "income" / "data" / "live.parquet",
            show=lambda scene: live.update(_scene(scene)),
        )
    console.print(_report(report))
    console.print(_times(report, up))
    console.print(_addresses(running, report))
    if not report.succeeded:
        console.print("[red]The gateway does not serve a version made by this run.[/red]")
    raise typer.Exit(0 if report.succeeded else 1)


def _scene(scene: Scene) -> RenderableType:
    table = Table(title=f"{scene.run.dag_id} · {scene.run.state}")
    for heading in ("task", "state", "seconds"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    for task in scene.tasks:
        table.add_row(task.task_id, _state(task), _seconds(task))
    lines: list[RenderableType] = [table, *(Text(note, style="dim") for note in scene.notes)]
    if scene.sent:
        served = ", ".join(f"{count:,} by {arm}" for arm, count in sorted(scene.arms.items()))
        stage, share = scene.deployment.get("stage"), scene.deployment.get("share")
        lines.append(Text(f"gateway: {stage}, canary share {share} % · {scene.sent:,} rows sent, served {served}"))
    return Group(*lines)


def _report(report: Report) -> Table:
    table = Table(title=f"{report.run.run_id}: {report.run.state}", show_lines=True)
    for heading in ("task", "state", "seconds", "verdict", "worst check"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left", overflow="fold")
    latest = {words.task(verdict, report.mitigated): verdict for verdict in report.verdicts}
    for task in report.tasks:
        verdict = latest.get(task.task_id)
        table.add_row(task.task_id, _state(task), _seconds(task), _outcome(verdict), _worst(verdict))
    return table


def _addresses(running: stack.Stack, report: Report) -> Table:
    table = Table(show_header=False)
    served = report.deployment.get("champion") or {}
    rows = {
        "snapshot": report.snapshot,
        "version": "none" if report.version is None else f"income version {report.version}",
        "isolation of training": report.isolation or "not recorded",
        "approval": report.approved_by,
        "the gateway serves": f"version {served['version']} ({served['digest'][:16]})" if served else "nothing",
        "Airflow": f"{running.url('airflow')}/dags/{report.run.dag_id}/runs/{report.run.run_id}",
        "MLflow": f"{running.url('mlflow')}/#/models/income",
        "gateway": f"{running.url('gateway')}/models/income",
    }
    for what, value in rows.items():
        table.add_row(what, Text(value, overflow="fold"))
    return table


def _times(report: Report, up: float) -> Table:
    """Where the time went: the stack, the tasks' own work, and what Airflow spent between them."""
    table = Table(title="Where the time went", show_header=False)
    waiting = ("approval", "canary_promotion")
    own = sum(task.seconds or 0.0 for task in report.tasks if task.task_id not in waiting)
    canary = sum(task.seconds or 0.0 for task in report.tasks if task.task_id == "canary_promotion")
    starts = [task.start for task in report.tasks if task.start]
    ends = [task.end for task in report.tasks if task.end]
    run = (max(ends) - min(starts)).total_seconds() if starts and ends else 0.0
    table.add_row("stack up", f"{up:.1f} s")
    table.add_row("tasks from snapshot to registration", f"{own:.1f} s")
    table.add_row("canary, from shadow to champion", f"{canary:.1f} s")
    table.add_row("approval, and scheduling between tasks", f"{max(0.0, run - own - canary):.1f} s")
    table.add_row("in all", f"{up + run:.1f} s")
    return table


def _state(task: TaskInstance) -> str:
    state = task.state or "waiting"
    return f"[{_COLOURS.get(state, 'dim')}]{state}[/]"


def _seconds(task: TaskInstance) -> str:
    return "" if task.seconds is None else f"{task.seconds:.1f}"


def _outcome(verdict: Verdict | None) -> str:
    return "" if verdict is None else f"[{_OUTCOMES[verdict.outcome]}]{verdict.outcome}[/]"


def _worst(verdict: Verdict | None) -> Text:
    check: Check | None = verdict.worst_check if verdict else None
    if verdict is None or check is None:
        return Text("")
    counts = f"{verdict.passed} of {len(verdict.checks)} checks pass"
    if check.outcome is Outcome.PASS and check.interval is None and len(verdict.checks) > 1:
        return Text(counts)
    about = f" by {check.attribute}" if check.attribute else ""
    said = check.reason.partition(":")[0] if check.interval else check.reason
    return Text(f"{counts}; worst: {check.name}{about}, {said}", overflow="fold")
