"""What a backup consists of: databases and folders, each copied and put back in its own way."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from assay.core import Settings, UnavailableError, problem

OWNER, MLFLOW, AIRFLOW = "ASSAY_OPERATIONS_OWNER_DB", "MLFLOW_BACKEND_STORE_URI", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
ARTIFACTS = "ASSAY_MLFLOW_ARTIFACTS"


@dataclass(frozen=True, slots=True)
class Database:
    """A database: its name in the backup, and where it is."""

    name: str
    url: URL

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for PostgreSQL."""
        return Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None

    @property
    def place(self) -> str:
        """What people are told: without the password."""
        return str(self.file) if self.file is not None else self.url.render_as_string(hide_password=True)

    @property
    def copy_name(self) -> str:
        """Path of its copy within a backup."""
        return f"databases/{self.name}.{'db' if self.file is not None else 'dump'}"

    def save(self, target: Path) -> None:
        """Copy one state of it, also while it is being written.

        Raises
        ------
        UnavailableError
            When it cannot be read.
        """
        if self.file is None:
            _run(["pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--file={target}"], self.url)
            return
        if not self.file.is_file():
            raise UnavailableError(f"{self.file}: there is no such database")
        try:
            with (
                closing(sqlite3.connect(f"{self.file.as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
                found = copy.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:
            raise UnavailableError(f"{self.file} cannot be copied: {error}") from error
        if found != "ok":
            raise UnavailableError(f"{self.file} is damaged: {found}")

    def is_empty(self) -> bool:
        """Whether nothing would be overwritten."""
        if self.file is not None:
            return not self.file.exists()
        try:
            engine = create_engine(self.url)
            try:
                return not inspect(engine).get_table_names()
            finally:
                engine.dispose()
        except SQLAlchemyError as error:
            raise UnavailableError(f"{self.place} does not answer: {str(error).splitlines()[0]}") from None

    def restore(self, source: Path) -> None:
        """Put a copy in place, whole or not at all."""
        if self.file is not None:
            put_file(source, self.file, mode=0o600)
            return
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-acl"]
        _run(["pg_restore", *options, f"--dbname={self.url.database}", str(source)], self.url)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that belongs to an installation.

    Attributes
    ----------
    databases
        Of Assay, MLflow and, where it is named, Airflow.
    files
        Path within the backup to the file on this machine.
    folders
        The same for folders.
    elsewhere
        Addresses of stores that a backup does not hold: they have means of their own.
    """

    databases: tuple[Database, ...]
    files: Mapping[str, Path]
    folders: Mapping[str, Path]
    elsewhere: tuple[str, ...]


def parts_of(settings: Settings, environment: Mapping[str, str] | None = None) -> Parts:
    """The parts of the installation that settings and environment name.

    What the environment leaves out is where `assay up` keeps it.
    """
    given = os.environ if environment is None else environment
    home = settings.home
    databases = [
        Database("operations", make_url(given.get(OWNER) or settings.operations_db)),
        Database("mlflow", make_url(given.get(MLFLOW) or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")),
    ]
    if given.get(AIRFLOW):
        databases.append(Database("airflow", make_url(given[AIRFLOW])))
    elif MLFLOW not in given:
        databases.append(Database("airflow", make_url(f"sqlite:///{home / 'airflow' / 'airflow.db'}")))
    stores = {"artifacts": given.get(ARTIFACTS) or str(home / "mlflow" / "artifacts"), "snapshots": settings.snapshots}
    anchors = settings.anchors_file or home / "anchors.jsonl"
    files = {"keys/trusted.json": settings.keys / "trusted.json", "anchors.jsonl": anchors}
    files["signatures.jsonl"] = (settings.signer_keys or home / "signer") / "signatures.jsonl"
    return Parts(
        databases=tuple(databases),
        files=files,
        folders={name: Path(place) for name, place in stores.items() if "://" not in place},
        elsewhere=tuple(place for place in stores.values() if "://" in place),
    )


def put_file(source: Path, target: Path, *, mode: int) -> None:
    """Copy a file so that `target` is whole or absent."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{target.name}.restoring")
    shutil.copyfile(source, draft)
    draft.chmod(mode)
    sync(draft)
    draft.replace(target)
    sync(target.parent)


def put_folder(source: Path, target: Path) -> None:
    """Copy a folder so that `target` is whole, or empty, or absent."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{target.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft)
    for path in draft.rglob("*"):
        sync(path)
    if target.is_dir():
        target.rmdir()
    draft.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Have the disk hold what was written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _run(command: list[str], url: URL) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment, where `ps` does not show it."""
    program = shutil.which(command[0])
    if program is None:
        raise problem(command[0], "is not installed", "install PostgreSQL's client programs, of the server's version")
    host = url.host or url.query.get("host")
    known = {
        "PGHOST": str(host) if host else None,
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": url.username,
        "PGPASSWORD": str(url.password) if url.password else None,
        "PGDATABASE": url.database,
    }
    environment = {**os.environ, **{name: value for name, value in known.items() if value}}
    done = subprocess.run([program, *command[1:]], env=environment, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"{command[0]} failed for {url.render_as_string(hide_password=True)}: {said[-1]}")
