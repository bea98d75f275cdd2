"""`assay database ...`: the tables of the operations database, and who may do what with them."""

import os
from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

app = typer.Typer(no_args_is_help=True, help="The operations database: its tables, and who may do what with them.")

OWNER = "ASSAY_OPERATIONS_OWNER_DB"
"""Variable with the URL that the tables' owner connects with; no task, gateway or signer gets it."""


@app.callback()
def database() -> None:
    """Keep `init` a command of its own."""


@app.command()
@explained
def init(
    application: Annotated[
        str, typer.Option(help="Role that tasks, gateway and commands connect as (ASSAY_OPERATIONS_DB).")
    ] = "assay",
    reader: Annotated[
        list[str] | None, typer.Option(help="Role that reads the anchors only: the signer's. May be given again.")
    ] = None,
) -> None:
    """Make the tables as their owner, and give the application no more than it needs.

    The application may then add rows to append-only tables and do nothing else with them: it can neither
    disable a trigger nor change, drop or truncate a table. Run it before the first start and after each
    upgrade; what is there stays, and tables that the application owned become the owner's.

    Connects with ASSAY_OPERATIONS_OWNER_DB, a PostgreSQL URL. On SQLite there are no roles: the tables of
    ASSAY_OPERATIONS_DB are made, and that is all.

    Example: assay database init --application assay --reader assay_signer
    """
    from assay.core import problem
    from assay.rollout import create_tables, open_database
    from assay.rollout.roles import grant_tables

    url = os.environ.get(OWNER, "")
    own = Settings.from_environment().operations_db
    if not url and own.startswith("sqlite"):
        create_tables(open_database(own))
        typer.echo("SQLite: the tables are there. It has no roles: whoever may write the file may change everything")
        return
    if not url:
        raise problem(OWNER, "is not set", "give the URL with which the tables' owner connects")
    grant_tables(open_database(url), application=application, readers=reader or [])
    also = f"; {', '.join(reader)} may read the anchors" if reader else ""
    typer.echo(f"the tables are there; {application} may add to them, and change only what moves{also}")
