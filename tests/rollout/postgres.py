"""A PostgreSQL server of our own, for as long as the tests need it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, on the PATH or where Debian keeps them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return kept[-1].parent if kept else None


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """Start a server that listens on a socket alone; give its URL; leave nothing in the end."""
    with tempfile.TemporaryDirectory(prefix="assay-postgres-") as folder:  # pytest's are closed to other users
        yield from _serve(programs, Path(folder))


@dataclass(frozen=True)
class Parted:
    """A database of its own, and the URL of each role: a superuser, the tables' owner, application and signer."""

    superuser: str
    owner: str
    application: str
    signer: str


@contextmanager
def parted_database(url: str) -> Iterator[Parted]:
    """A fresh database on a running server, with roles that are not its superuser."""
    name = f"parted_{uuid4().hex[:8]}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    roles = {role: f"{name}_{role}" for role in ("owner", "application", "signer")}
    with engine.connect() as connection:
        for role in roles.values():
            connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"CREATE DATABASE {name} OWNER {roles['owner']}"))
    try:
        own = make_url(url).set(database=name)
        urls = {role: str(own.set(username=user)) for role, user in roles.items()}
        yield Parted(superuser=str(own), **urls)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            for role in roles.values():
                connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()


def _serve(programs: Path, home: Path) -> Iterator[str]:
    prefix = _unprivileged(home)
    data = home / "data"

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(programs / program), *arguments]
        subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("initdb", "-D", str(data), "-U", "assay", "-A", "trust", "-N", "--locale=C", "--encoding=UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories='{home}' -c fsync=off"
    run("pg_ctl", "-D", str(data), "-l", str(home / "log"), "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg2://assay@/postgres?host={home}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def _unprivileged(home: Path) -> list[str]:
    """How to run PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return []
    shutil.chown(home, "nobody")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
