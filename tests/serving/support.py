"""A small signed ONNX model, a stand-in for MLflow's artifact endpoint, and a gateway on a free port."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from assay.core import Settings, sha256_bytes
from assay.policy import Rollout as Limits
from assay.registry.keys import create_keys
from assay.registry.signing import SIGNATURE, folder_digests
from assay.rollout import ModelRef, Rollouts, create_tables, open_database
from assay.rollout.incidents import Incidents

TOKEN = "t0ken"
SERVE = [sys.executable, "-m", "assay", "serve"]
HASTY = """
import functools, assay.cli.serve, assay.serving.connections as connections
seconds = dict.fromkeys(("header_seconds", "body_seconds", "idle_seconds", "answer_seconds"), 1.0)
connections.Limits = functools.partial(connections.Limits, **seconds)
from assay.__main__ import main
main()
"""
LIMITS = Limits(max_brier=0.2, min_labels=20)


def onnx_model(
    *, weight: float = 0.05, bias: float = -2.0, model: str = "income", feature: str = "age", **meta: str
) -> bytes:
    """P(positive) = sigmoid(weight * age + bias + 1 for sector "private")."""
    text = helper.make_node(
        "LabelEncoder", ["sector"], ["known"], domain="ai.onnx.ml",
        keys_strings=["private"], values_floats=[1.0], default_float=0.0,
    )  # fmt: skip
    constants = {"w": [weight], "b": [bias], "one": [1.0], "half": [0.5]}
    nodes = [
        text,
        helper.make_node("Mul", [feature, "w"], ["scaled"]),
        helper.make_node("Add", ["scaled", "b"], ["shifted"]),
        helper.make_node("Add", ["shifted", "known"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
        helper.make_node("Greater", ["p", "half"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info(feature, TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info("sector", TensorProto.STRING, [None, 1]),
        ],
        [
            helper.make_tensor_value_info("label", TensorProto.BOOL, [None, 1]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [numpy_helper.from_array(np.array(value, dtype=np.float32), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    meta = {"model": model, "positive": ">50K", "negative": "<=50K", "threshold": "0.5", **meta}
    helper.set_model_props(made, {f"assay.{name}": value for name, value in meta.items()})
    return made.SerializeToString()


@cache
def signature(keys: Path, content: bytes) -> bytes:
    """The signature over a folder that holds a model and one more file, by the key of a folder."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        (folder / "MLmodel").write_bytes(b"flavors: {}")
        (folder / "model.onnx").write_bytes(content)
        bundle = create_keys(keys).sign_model("a run", folder_digests(folder))
        (folder / SIGNATURE).write_bytes(bundle)
        return (folder / SIGNATURE).read_bytes()


class ArtifactServer:
    """Answers as MLflow's artifact endpoint does, and can be taken down."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def start(self) -> None:
        files, asked = self.files, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                content = files.get(self.path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/"))
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"


@dataclass
class Stand:
    """A home folder with its operations database, an artifact server, and a gateway process."""

    home: Path
    artifacts: ArtifactServer = field(default_factory=ArtifactServer)
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(default_factory=httpx.Client)
    database: str = ""

    def __post_init__(self) -> None:
        self.database = self.database or f"sqlite:///{self.home / 'operations.db'}"
        self.engine = open_database(self.database)
        create_tables(self.engine)
        self.rollouts = Rollouts(self.engine)
        self.incidents = Incidents(self.engine)
        self.artifacts.start()
        self.private = self.home / "private"
        create_keys(self.private)
        self.keys = self.home / "keys"  # the gateway's: it has public keys and no other
        self.keys.mkdir()
        (self.keys / "trusted.json").write_bytes((self.private / "trusted.json").read_bytes())

    @property
    def settings(self) -> Settings:
        return Settings(
            home=self.home,
            models=self.home,
            keys=self.keys,
            snapshots="",
            operations_db=self.database,
            tracking_uri=self.artifacts.url,
            gateway_url="",
            gateway_token=TOKEN,
        )

    def ref(self, version: int, content: bytes, *, model: str = "income", digest: str | None = None) -> ModelRef:
        folder = f"0/models/m-{model}{version}/artifacts"
        path = f"{folder}/model.onnx"
        self.artifacts.files[path] = content
        self.artifacts.files[f"{folder}/{SIGNATURE}"] = signature(self.private, content)
        digest = digest or sha256_bytes(content)
        return ModelRef(model=model, version=version, digest=digest, path=path, entity_column="id")

    def crown(self, version: int, content: bytes) -> None:
        """Make a version the champion, as if its rollout had gone well."""
        row = self.rollouts.begin(ref=self.ref(version, content), run_key=f"crown {version}", policy=LIMITS)
        while not row.last_stage:
            row = self.rollouts.advance(row.id, row.epoch)
        self.rollouts.promote(row.id, row.epoch)

    def serve(
        self,
        *,
        tracking_uri: str | None = None,
        files: int = 0,
        file_blocks: int = 0,
        hasty: bool = False,
        **extra: str,
    ) -> None:
        environment = {
            **os.environ,
            "ASSAY_HOME": str(self.home),
            "ASSAY_KEYS": str(self.keys),
            "ASSAY_OPERATIONS_DB": self.database,
            "MLFLOW_TRACKING_URI": tracking_uri or self.artifacts.url,
            "ASSAY_GATEWAY_TOKEN": TOKEN,
            **extra,
        }
        port = free_port()
        command = [sys.executable, "-c", HASTY, "serve"] if hasty else SERVE
        limits = {"-n": files, "-f": file_blocks}  # open files; size of a file in blocks of 1,024 bytes
        for option, limit in limits.items():
            if limit:
                command = ["bash", "-c", f'ulimit {option} {limit} && exec "$0" "$@"', *command]
        log = (self.home / "gateway.log").open("ab")
        self.process = subprocess.Popen([*command, "--port", str(port)], env=environment, stderr=log)
        log.close()
        self.client.close()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        self.client = self.fresh_client()
        wait_until(self._answers)

    def fresh_client(self) -> httpx.Client:
        """A client with a connection of its own."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.client.base_url, headers=headers, timeout=30)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return (self.home / "gateway.log").read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def wait_for_epoch(self, model: str = "income") -> None:
        """Until the gateway has taken over the newest deployment."""
        deployment = self.rollouts.current(model)
        assert deployment is not None
        wait_until(lambda: self.client.get(f"/models/{model}").json().get("epoch") == deployment.epoch)

    def score(self, *rows: dict[str, object], **params: object) -> httpx.Response:
        body = {"dataframe_records": list(rows), "params": params}
        return self.client.post("/models/income/invocations", json=body)

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
        self.client.close()
        self.artifacts.stop()
        self.engine.dispose()


@contextmanager
def standing(home: Path) -> Iterator[Stand]:
    stand = Stand(home)
    try:
        yield stand
    finally:
        stand.close()


def person(entity: object, **cells: object) -> dict[str, object]:
    return {"id": entity, "age": 40, "sector": "private", **cells}


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: object, *, seconds: float = 20) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
