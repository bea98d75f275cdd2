"""Requests per second of the gateway and of `mlflow models serve`, the same model behind both.

Both serve one gradient-boosting pipeline with text and number columns, one row a request, over kept-alive
connections. The gateway scores its ONNX export and logs each decision to disk before it answers;
MLflow's server scores the scikit-learn pipeline and logs nothing.

    python bench/gateway.py [--seconds 5] [--connections 8]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.serving.support import LIMITS, TOKEN, Stand, free_port, standing, wait_until  # the test bench's own gateway

NUMBERS, TEXTS = ["age", "hours", "gain"], ["sector", "education"]
TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def main() -> None:
    """Measure all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    pipeline = fitted()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "stand").mkdir()
        with standing(home / "stand") as stand:
            for name, shadow in (("assay gateway", False), ("assay gateway, canary in shadow", True)):
                prepare(stand, pipeline, shadow=shadow)
                rows.append((name, *load(f"{stand.client.base_url}/models/income/invocations", options)))
        with mlflow_server(pipeline, home) as url:
            rows.append(("mlflow models serve", *load(f"{url}/invocations", options)))
    print(f"{'':32} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name, rate, median, late in rows:
        print(f"{name:32} {rate:10.0f} {median:8.1f} {late:8.1f}")


def fitted() -> Pipeline:
    """A pipeline like those that teams write: ordinal codes and gradient boosting."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=5_000).astype("float32") for name in NUMBERS})
    for name in TEXTS:
        frame[name] = rng.choice(["a", "b", "c", "d"], 5_000)
    label = (frame["age"] + rng.normal(size=5_000) > 0).astype(int)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, TEXTS), ("passthrough", NUMBERS))
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=100)).fit(frame, label)


def exported(pipeline: Pipeline) -> bytes:
    """The pipeline as the ONNX file that the gateway serves."""
    from onnx import helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    types += [(name, StringTensorType([None, 1])) for name in TEXTS]
    model = to_onnx(pipeline, initial_types=types, options={id(pipeline): {"zipmap": False}}, target_opset=17)
    meta = {"model": "income", "positive": "1", "negative": "0", "threshold": "0.5"}
    helper.set_model_props(model, {f"assay.{name}": value for name, value in meta.items()})
    return model.SerializeToString()


def prepare(stand: Stand, pipeline: Pipeline, *, shadow: bool) -> None:
    """Let the gateway serve the pipeline, alone or beside a canary that scores every row too."""
    content = exported(pipeline)
    if not shadow:
        stand.crown(1, content)
        stand.serve()
        return
    stand.rollouts.begin(ref=stand.ref(2, content), run_key="run 2", policy=LIMITS)
    stand.wait_for_epoch()


@contextmanager
def mlflow_server(pipeline: Pipeline, home: Path) -> Iterator[str]:
    """Run MLflow's scoring server on the pipeline."""
    import mlflow

    mlflow.sklearn.save_model(pipeline, str(home / "model"), pip_requirements=[], skops_trusted_types=[TREES])
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(home / "model"), "--env-manager", "local"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (home / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], stdout=log, stderr=log, env=environment, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url) or server.poll() is not None, seconds=90)
        if server.poll() is not None:
            raise SystemExit((home / "mlflow.log").read_text())
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def answers(url: str) -> bool:
    """Whether MLflow's server is up."""
    import httpx

    try:
        return httpx.get(f"{url}/ping").status_code == 200
    except httpx.TransportError:
        return False


def load(url: str, options: argparse.Namespace) -> tuple[float, float, float]:
    """Requests per second, median and 99th percentile in milliseconds, after half a second to warm up."""
    asyncio.run(storm(url, options.connections, 0.5))
    times = asyncio.run(storm(url, options.connections, options.seconds))
    return len(times) / options.seconds, float(np.median(times)) * 1e3, float(np.quantile(times, 0.99)) * 1e3


async def storm(url: str, connections: int, seconds: float) -> list[float]:
    """Seconds that each request took."""
    parts = urlsplit(url)
    until = time.perf_counter() + seconds
    per_client = await asyncio.gather(
        *(client(parts.hostname, parts.port, parts.path, until, number) for number in range(connections))
    )
    return [each for times in per_client for each in times]


async def client(host: str, port: int, path: str, until: float, number: int) -> list[float]:
    """One connection that asks again as soon as it is answered."""
    reader, writer = await asyncio.open_connection(host, port)
    times: list[float] = []
    while (start := time.perf_counter()) < until:
        cells = [float(len(times) % 7), 1.0, 2.0, "a", "b"]
        body = {"dataframe_split": {"columns": [*NUMBERS, *TEXTS], "data": [cells]}}
        if path.startswith("/models/"):
            body["params"] = {"entities": [f"{number}-{len(times)}"]}
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
        said = await reader.readexactly(length)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise SystemExit(said.decode())
        times.append(time.perf_counter() - start)
    writer.close()
    return times


if __name__ == "__main__":
    main()
