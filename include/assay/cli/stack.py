"""`assay up`, `assay down`, `assay status`: the embedded stack."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from assay.cli.errors import explained
from assay.core import Settings
from assay.local import stack
from assay.local.secrets import AIRFLOW_ROLES, airflow_password, secrets_file
from assay.local.stack import ServiceStatus, Stack

app = typer.Typer()

Home = Annotated[
    Path | None, typer.Option(help="Folder for all state. [default: ASSAY_HOME, or .assay]", show_default=False)
]
Port = Annotated[int | None, typer.Option(help="Port to listen on; without it a free one is chosen and kept.")]


@app.command()
@explained
def up(home: Home = None, airflow_port: Port = None, mlflow_port: Port = None, gateway_port: Port = None) -> None:
    """Start Airflow, MLflow, the gateway and the signer on this machine, and wait until they serve.

    Starts only what is not running. Everything the stack writes stays in one folder (`.assay`);
    the log of each process is in its `logs`. End it with `assay down`.
    """
    console = Console()
    ports = {"airflow": airflow_port, "mlflow": mlflow_port, "gateway": gateway_port}
    requested = {name: port for name, port in ports.items() if port is not None}
    with progress_line(console) as progress:
        running = stack.up(_home(home), requested=requested, progress=progress)
    console.print(welcome(running, secret=not console.is_terminal))


@app.command()
@explained
def down(home: Home = None) -> None:
    """End the stack and every process that it started. Its state stays."""
    console = Console()
    ended = stack.down(_home(home))
    console.print(f"Ended: {', '.join(ended)}." if ended else "Nothing was running.")


@app.command()
@explained
def status(home: Home = None) -> None:
    """Show how each process is. Exit code 0 when all serve, else 1."""
    folder = _home(home)
    found = stack.status(folder)
    Console().print(_table(found, logs=folder / "logs"))
    raise typer.Exit(0 if all(service.healthy for service in found) else 1)


def welcome(running: Stack, *, secret: bool) -> Table:
    """The addresses of a running stack and who may log in, as a table; `secret` keeps passwords out of logs."""
    table = Table(title="The stack is up" if running.started else "The stack was up already")
    for heading in ("what", "where", "user", "password"):
        table.add_column(heading, overflow="fold")
    kept = f"in {secrets_file(running.home)}"
    for user in AIRFLOW_ROLES:
        password = kept if secret else airflow_password(dict(running.secrets), user)
        table.add_row("Airflow", running.url("airflow"), user, password)
    table.add_row(
        "MLflow", running.url("mlflow"), "admin", kept if secret else running.secrets["mlflow_admin_password"]
    )
    table.add_row("gateway", running.url("gateway"), "", f"gateway_token {kept}")
    return table


@contextmanager
def progress_line(console: Console) -> Iterator[stack.Progress]:
    """Keep one line that says what is being waited for, above it what has been reached."""
    doing: dict[str, str] = {}
    with console.status("Looking at what is running") as line:

        def show(name: str, state: str) -> None:
            if state in ("healthy", "prepared"):
                doing.pop(name, None)
                console.print(f"[green]✓[/green] {name} {state}")
            else:
                doing[name] = state
            line.update(_sentence(doing))

        yield show


def _sentence(doing: Mapping[str, str]) -> str:
    by_state: dict[str, list[str]] = {}
    for name, state in doing.items():
        by_state.setdefault(state, []).append(name)
    return "; ".join(f"{state} {', '.join(names)}" for state, names in by_state.items()) or "done"


def _table(found: list[ServiceStatus], *, logs: Path) -> Table:
    shown = logs.relative_to(Path.cwd()) if logs.is_relative_to(Path.cwd()) else logs
    table = Table(caption=f"The log of each: {shown}/NAME.log", caption_justify="left")
    for heading in ("name", "pid", "port", "url", "health"):
        table.add_column(heading, overflow="fold")
    for service in found:
        colour = "green" if service.healthy else "red"
        pid, port = (str(number) if number is not None else "" for number in (service.pid, service.port))
        table.add_row(service.name, pid, port, service.url or "", f"[{colour}]{service.health}[/{colour}]")
    return table


def _home(home: Path | None) -> Path:
    return home if home is not None else Settings.from_environment().home
