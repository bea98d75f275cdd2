"""The gateway against a real MLflow server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.serving.support import LIMITS, Stand, free_port, onnx_model, person, wait_until

USER, PASSWORD = "admin", "a long enough password"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that asks for a password."""
    home = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    store = f"sqlite:///{home / 'mlflow.db'}"
    environment = {
        **os.environ,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    run = [sys.executable, "-m", "mlflow"]
    subprocess.run([*run, "db", "upgrade", store], env=environment, cwd=home, check=True, capture_output=True)
    command = [*run, "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(home / "artifacts")]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: server.poll() is None and answers(url), seconds=90)
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.stack
def test_it_serves_what_mlflow_keeps_and_needs_the_password_for_it(stand: Stand, mlflow: str) -> None:
    ref = stand.ref(1, onnx_model())
    row = stand.rollouts.begin(ref=ref, run_key="run 1", policy=LIMITS)
    for _ in LIMITS.stages:
        row = stand.rollouts.advance(row.id, row.epoch)
    for path, file in stand.artifacts.files.items():
        url = f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/{path}"
        kept = httpx.put(url, content=file, auth=(USER, PASSWORD), timeout=60)
        assert kept.status_code == 200, kept.text
    stand.serve(tracking_uri=mlflow, MLFLOW_TRACKING_USERNAME=USER, MLFLOW_TRACKING_PASSWORD="wrong")
    assert "answers 401" in stand.client.get("/models/income").json()["problem"]
    stand.kill()
    stand.serve(tracking_uri=mlflow, MLFLOW_TRACKING_USERNAME=USER, MLFLOW_TRACKING_PASSWORD=PASSWORD)
    assert stand.score(person(1)).json()["assay"]["rows"] == [{"version": 1, "arm": "canary"}]
