"""A PostgreSQL server of our own, for as long as the tests need it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
