"""`assay keys ...`: the keys that sign evidence, and whose signatures count."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

if TYPE_CHECKING:
    from assay.registry.keys import Keyring

app = typer.Typer(
    no_args_is_help=True,
    help="The keys that sign dossiers and model files, those of people, and whose signatures count.\n\n"
    "`trusted.json` in the folder ASSAY_KEYS (ASSAY_HOME/keys without it) is every public key that signatures are "
    "held against. The private keys `signing.pem` and `model.pem`, for their owner alone to read, belong in the "
    "signer's folder ASSAY_SIGNER_KEYS; without one they lie beside `trusted.json`. They may come from "
    "ASSAY_SIGNING_KEY and ASSAY_MODEL_SIGNING_KEY instead, or stay in a PKCS#11 token; none is ever shown.\n\n"
    "Keep a copy of `trusted.json` where whoever writes evidence cannot write: with it, anybody can check.",
)


@app.command()
@explained
def init(
    pkcs11: Annotated[
        bool, typer.Option("--pkcs11", help="Insist on the token that ASSAY_PKCS11_MODULE and its like name.")
    ] = False,
) -> None:
    """Make the keys that are not there yet, and trust them. What exists stays as it is.

    Tasks and gateways never make keys: without them they stop, so that nothing goes unsigned.

    With ASSAY_PKCS11_MODULE, ASSAY_PKCS11_TOKEN and ASSAY_PKCS11_PIN_FILE set the token makes them, and they
    never leave it.
    """
    from assay.core import problem
    from assay.registry.keys import create_keys
    from assay.registry.private_keys import private_keys
    from assay.registry.token_keys import MODULE

    settings = Settings.from_environment()
    if pkcs11 and not os.environ.get(MODULE):
        raise problem(MODULE, "is not set", "give the path of the token's PKCS#11 library")
    _show(create_keys(settings.keys, private_keys(settings)))


@app.command()
@explained
def show() -> None:
    """List the trusted public keys: which is whose, for what, and up to which anchor it counts."""
    from assay.registry.keys import Keyring

    settings = Settings.from_environment()
    _show(Keyring.open(settings.keys))


@app.command()
@explained
def rotate() -> None:
    """Replace both private keys, for instance because somebody left who could read them.

    What the old keys have signed stays valid; for a record written from now on the old one does not count.
    Copy the new `trusted.json` to wherever signatures are checked. A key that comes from the environment
    is replaced there first. A signer that runs sees the new keys at once.
    """
    from assay.registry.keys import Keyring, rotate_keys
    from assay.registry.private_keys import private_keys
    from assay.rollout import create_tables, open_database
    from assay.rollout.anchors import AnchorTable

    settings = Settings.from_environment()
    Keyring.open(settings.keys)  # before anything is made
    engine = open_database(settings.operations_db)
    create_tables(engine)
    last = AnchorTable(engine).last()
    _show(rotate_keys(settings.keys, after=last.seq if last else 0, private=private_keys(settings)))


@app.command()
@explained
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is: the user's name, as Airflow knows it.")],
    key: Annotated[Path, typer.Option(help="File to write the private key to. It must not exist yet.")],
) -> None:
    """Make a key for a person and trust it: waivers are signed with it.

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
