"""`assay keys ...`: the keys that sign evidence, and whose signatures count."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

if TYPE_CHECKING:
    from assay.registry.keys import Keyring

app = typer.Typer(
    no_args_is_help=True,
    help="The keys that sign dossiers, waivers and model files, and whose signatures count.\n\n"
    "They lie in the folder ASSAY_KEYS (ASSAY_HOME/keys without it): `signing.pem` and `model.pem`, private and "
    "for their owner alone to read, and `trusted.json`, every public key that signatures are held against. "
    "The private keys may come from ASSAY_SIGNING_KEY and ASSAY_MODEL_SIGNING_KEY instead; none is ever shown.\n\n"
    "Keep a copy of `trusted.json` where whoever writes evidence cannot write: with it, anybody can check.",
)


@app.command()
@explained
def init() -> None:
    """Make the keys that are not there yet, and trust them. What exists stays as it is.

    Tasks and gateways never make keys: without them they stop, so that nothing goes unsigned.
    """
    from assay.registry.keys import create_keys

    _show(create_keys(Settings.from_environment().keys))


@app.command()
@explained
def show() -> None:
    """List the trusted public keys: which is whose, for what, and up to which anchor it counts."""
    from assay.registry.keys import Keyring

    _show(Keyring.open(Settings.from_environment().keys))


@app.command()
@explained
def rotate() -> None:
    """Replace both private keys, for instance because somebody left who could read them.

    What the old keys have signed stays valid; for a record written from now on the old one does not count.
    Copy the new `trusted.json` to wherever signatures are checked. A key that comes from the environment
    is replaced there first.
    """
    from assay.registry.keys import Keyring, rotate_keys
    from assay.rollout import create_tables, open_database
    from assay.rollout.anchors import AnchorTable

    settings = Settings.from_environment()
    Keyring.open(settings.keys)  # before anything is made
    engine = open_database(settings.operations_db)
    create_tables(engine)
    last = AnchorTable(engine).last()
    _show(rotate_keys(settings.keys, after=last.seq if last else 0))


@app.command()
@explained
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is: the user's name, as Airflow knows it.")],
    key: Annotated[Path, typer.Option(help="File to write the private key to. It must not exist yet.")],
) -> None:
    """Make a key for a person and trust it: the second signature under a waiver is made with it.

    The file is for its owner alone: hand it over, and keep no copy.

    Example: assay keys add officer --key officer.pem
    """
    from assay.registry.keys import Keyring, add_person

    folder = Settings.from_environment().keys
    made = add_person(folder, name.strip(), key)
    typer.echo(f"{key}: the private key {made.id} of {made.owner}. Hand the file over; nobody else may read it.")
    _show(Keyring.open(folder))


def _show(keyring: "Keyring") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"Trusted in {keyring.folder}", caption_justify="left")
    for heading in ("id", "signs", "owner", "until"):
        table.add_column(heading, overflow="fold")
    for key in keyring.trusted.values():
        until = "in use" if key.until is None else f"anchor {key.until}"
        table.add_row(key.id, key.use, key.owner, until)
    Console().print(table)
