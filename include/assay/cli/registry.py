"""`assay registry ...`: the accounts of MLflow's server."""

import os

import typer

from assay.cli.errors import explained
from assay.core import Problem, Settings, UserError

app = typer.Typer(no_args_is_help=True, help="The accounts with which tasks, gateway and pages log in to MLflow.")

_USERNAME, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


@app.callback()
def registry() -> None:
    """Keep `init` a command of its own."""


@app.command()
@explained
def init() -> None:
    """Make MLflow's accounts, and give each no more rights than it needs. Running it again changes nothing.

    pipeline writes experiments and models, and moves aliases; gateway and pages only read. Logs in to
    MLFLOW_TRACKING_URI as its administrator, with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    The accounts' passwords come from ASSAY_MLFLOW_PIPELINE_PASSWORD, ASSAY_MLFLOW_GATEWAY_PASSWORD and
    ASSAY_MLFLOW_PAGES_PASSWORD; one that was changed there is changed in MLflow.
    """
    from assay.registry.accounts import RIGHTS, ensure_accounts

    variables = {name: f"ASSAY_MLFLOW_{name.upper()}_PASSWORD" for name in RIGHTS}
    missing = [each for each in (_USERNAME, _PASSWORD, *variables.values()) if not os.environ.get(each)]
    if missing:
        raise UserError("MLflow's accounts", [Problem(path=each, message="is not set") for each in missing])
    changed = ensure_accounts(
        Settings.from_environment().tracking_uri,
        admin=(os.environ[_USERNAME], os.environ[_PASSWORD]),
        passwords={name: os.environ[variable] for name, variable in variables.items()},
    )
    for line in changed or ["every account has its password and its rights"]:
        typer.echo(line)
