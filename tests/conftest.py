"""Servers that several rooms' tests talk to."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.boxes import OpenBox
from tests.objects import BUCKET, object_store

from assay.core import Settings
from assay.registry.keys import create_keys

_PATIENCE = 90.0  # seconds for a loaded machine; a free one needs six


@pytest.fixture(autouse=True)
def open_box(request, monkeypatch):
    """Train in this process, unless a test is marked `boxed`: see `tests.boxes`."""
    if request.node.get_closest_marker("boxed") is None:
        monkeypatch.setattr("assay.training.relay.Box", OpenBox)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """Settings of an installation whose MLflow server runs; each test process has its own."""
    with running_mlflow(tmp_path_factory.mktemp("installation")) as settings:
        yield settings


@contextlib.contextmanager
def running_mlflow(home: Path, *, port: int = 0, store: str = "", admin_password: str = ""):
    """Start an MLflow server, and give the settings of an installation with keys that has it.

    Parameters
    ----------
    port
        A free one by default; that of a server that has ended starts the same server again.
    store
        SQLAlchemy URL of its database; a SQLite file in `home` by default.
    admin_password
        Password of the user ``admin``; without it the server asks nobody who they are.
    """
    port = port or _free_port()
    settings = Settings(
        home=home,
        models=home / "models",
        keys=home / "keys",
        snapshots=str(home / "snapshots"),
        operations_db=f"sqlite:///{home / 'operations.db'}",
        tracking_uri=f"http://127.0.0.1:{port}",
        gateway_url="http://127.0.0.1:9",
        gateway_token="",
    )
    create_keys(settings.keys)
    with (home / "mlflow.log").open("ab") as log:
        server = _start_mlflow(home, port, store or f"sqlite:///{home / 'mlflow.db'}", log, admin_password)
        try:
            _await(server, f"{settings.tracking_uri}/health", home / "mlflow.log")
            yield settings
        finally:
            _end(server)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _start_mlflow(home: Path, port: int, store: str, log, admin_password: str = ""):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_"))}
    environment = {
        **inherited,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    if admin_password:
        environment |= _basic_auth(home, admin_password)
    mlflow = [sys.executable, "-m", "mlflow"]
    # Two workers that both create the tables of a new store would race.
    subprocess.run([*mlflow, "db", "upgrade", store], env=environment, stdout=log, stderr=log, check=True)
    return subprocess.Popen(
        [
            *(*mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", store, "--artifacts-destination", str(home / "artifacts")),
            *(("--app-name", "basic-auth") if admin_password else ()),
        ],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _basic_auth(home: Path, admin_password: str) -> dict[str, str]:
    config = home / "basic_auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\nauth_cache_ttl_seconds = 60\n"
        f"database_uri = sqlite:///{home / 'auth.db'}\n"
    )
    secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": admin_password, "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of the tests"}
    return {"MLFLOW_AUTH_CONFIG_PATH": str(config), **secrets}


def _await(server, url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"MLflow did not start:\n{log.read_text()[-2000:]}")


def _end(server) -> None:
    """End the server with all that it started: its worker would live on."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(10)


@pytest.fixture(scope="session")
def s3_server():
    """The environment that leads to an S3 server; each test process has its own."""
    with object_store() as environment:
        yield environment


@pytest.fixture
def remote_root(s3_server, tmp_path, monkeypatch):
    """A root of snapshots in an object store that nobody else uses, and a machine that has seen nothing of it."""
    for name, value in {**s3_server, "ASSAY_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"
