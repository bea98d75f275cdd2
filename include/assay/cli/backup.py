"""`assay backup ...`: copy everything that evidence rests on, and put it back."""

import os
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings, problem

app = typer.Typer(
    no_args_is_help=True,
    help="Copy everything that evidence rests on into one folder, and put it back where nothing is yet.\n\n"
    "A backup holds the databases of Assay, MLflow and Airflow, MLflow's artifacts, snapshots, anchors and the "
    "trusted public keys, with the SHA-256 of each file. ASSAY_OPERATIONS_DB (or ASSAY_OPERATIONS_OWNER_DB), "
    "MLFLOW_BACKEND_STORE_URI, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, ASSAY_MLFLOW_ARTIFACTS and ASSAY_SNAPSHOTS say "
    "where they are; without them those of `assay up` are meant. What lies in an object store is not copied.",
)
Private = Annotated[
    bool,
    typer.Option("--private", help="Private keys and passwords too, encrypted with ASSAY_BACKUP_PASSPHRASE."),
]


@app.command()
@explained
def create(target: Annotated[Path, typer.Argument(help="The folder to make.")], private: Private = False) -> None:
    """Back up, also while everything runs. A kill leaves nothing that could be taken for a backup.

    Example: assay backup create /mnt/backups/2027-01-31
    """
    from assay.local import backup
    from assay.local.backup_parts import parts_of

    settings = Settings.from_environment()
    secrets = _private(settings) if private else None
    made = backup.create(parts_of(settings), target.absolute(), private=secrets, passphrase=_passphrase(private))
    typer.echo(f"{target}: {made.files} files, each with its SHA-256")
    _tell(made.elsewhere, made.private)


@app.command()
@explained
def verify(source: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Hold every file of a backup against its SHA-256."""
    from assay.local import backup

    found = backup.check(source.absolute())
    typer.echo(f"{source}: {found.files} files, all as they were when the backup was made")


@app.command()
@explained
def restore(source: Annotated[Path, typer.Argument(help="A backup.")], private: Private = False) -> None:
    """Put a backup back. Nothing is written unless every digest holds and nothing would be overwritten.

    Afterwards `assay audit` and `assay dossier verify` must find nothing out of order. On PostgreSQL run
    `assay database init` then: roles and their rights are not part of a backup.

    Example: ASSAY_HOME=/srv/assay assay backup restore /mnt/backups/2027-01-31
    """
    from assay.local import backup
    from assay.local.backup_parts import parts_of

    settings = Settings.from_environment()
    secrets = _private(settings) if private else None
    done = backup.restore(parts_of(settings), source.absolute(), private=secrets, passphrase=_passphrase(private))
    typer.echo(f"restored {done.files} files; now run: assay audit --deep")
    _tell(done.elsewhere, done.private)


def _private(settings: Settings) -> dict[str, Path]:
    """Private keys and the stack's passwords, wherever this installation keeps them."""
    folder = Path(os.environ.get("ASSAY_SIGNER_KEYS") or settings.keys)
    keys = {f"keys/{name}.pem": folder / f"{name}.pem" for name in ("signing", "model")}
    return {**keys, "secrets.json": settings.home / "secrets.json"}


def _passphrase(private: bool) -> str:
    from assay.local.backup_private import PASSPHRASE

    passphrase = os.environ.get(PASSPHRASE, "")
    if private and not passphrase:
        raise problem(PASSPHRASE, "is not set", "give the passphrase that encrypts private keys and passwords")
    return passphrase


def _tell(elsewhere: tuple[str, ...], private: bool) -> None:
    for place in elsewhere:
        typer.echo(f"not in it: {place}; keep it by the object store's own versioning or replication")
    if not private:
        typer.echo("not in it: private keys and passwords (--private)")
