"""A small model folder, a run of it, and a gateway that says what it is told to."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tests.serving.support import onnx_model

from assay.evidence.opening import archive, rollouts
from assay.evidence.training import Trained
from assay.evidence.waivers import propose
from assay.pipeline import approval, steps
from assay.pipeline import training as made_by
from assay.pipeline.run import Run
from assay.policy import load_folder
from assay.registry.candidates import log_candidate
from assay.rollout.waivers import Waivers

ROWS = 1500
CHAIN = (
    "snapshot",
    "data_validation",
    "training",
    "performance_gate",
    "fairness_gate",
    "robustness_gate",
    "registration",
)
TRAIN = """\
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(features, label, *, seed, parameters):
    columns = ColumnTransformer(
        [("word", OneHotEncoder(handle_unknown="ignore"), ["word"]), ("x", StandardScaler(), ["x"])]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(random_state=seed, **parameters))]).fit(
        features, label
    )
"""
SUITE = {
    "name": "toy",
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}, "severity": "critical"},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "y"}, "severity": "critical"},
    ],
}
# Limits that the data below meet with room to spare: what is tested is the chain.
POLICY = {
    "schema": 1,
    "owner": "team",
    "risk_tier": "low",
    "data": {
        "source": "data.parquet", "key": "id", "label": "y", "positive": "yes", "features": ["x", "word"],
        "sensitive": ["sex"],
    },
    "training": {"parameters": {"C": 1.0}},
    "gates": {
        "performance": {"draws": 100, "checks": [{"metric": "auc", "min": 0.6}]},
        "fairness": {"groups": ["sex"], "min_group_size": 20, "checks": [{"metric": "tpr", "max": 0.6}]},
        "robustness": {
            "draws": 100, "checks": [{"scenario": "unknown_category", "share": 0.1, "metric": "auc", "max_drop": 0.4}],
        },
    },
    "rollout": {"stages": [50, 100], "max_brier": 0.5, "min_labels": 40},
}  # fmt: skip
STRICT = {"performance": {"draws": 100, "checks": [{"metric": "auc", "min": 0.999}]}}  # and one that they do not meet


def data(seed=0):
    rng = np.random.default_rng(seed)
    x, word, sex = rng.normal(size=ROWS), rng.choice(["a", "b", "c"], ROWS), rng.choice(["f", "m"], ROWS)
    y = np.where(x + (word == "a") + 0.3 * rng.normal(size=ROWS) > 0.3, "yes", "no")
    return pa.table({"id": np.arange(ROWS), "x": x, "word": word, "sex": sex, "y": y})


def make_folder(root, **parts):
    """A model's folder under a name that no other test uses; `parts` replaces whole parts of the policy."""
    folder = root / f"toy_{uuid4().hex[:12]}"
    folder.mkdir(parents=True)
    pq.write_table(data(), folder / "data.parquet")
    (folder / "train.py").write_text(TRAIN)
    (folder / "contract.json").write_text(json.dumps(SUITE))
    (folder / "policy.yaml").write_text(yaml.safe_dump({**POLICY, "model": folder.name, **parts}))
    return folder


def make_run(settings, folder, **changes):
    """A run; with the same `run_key`, the same run as another task sees it."""
    given = {
        "settings": settings,
        "folder": load_folder(folder),
        "run_key": f"retrain_{folder.name}/manual__1",
        "snapshot": "latest",
        "seed": 1,
        "requester": "engineer",
        "reason": "new | data",
    }
    return Run(**{**given, **changes})


def walk(run, *names):
    """Run steps as Airflow does, each with a run of its own."""
    return {name: getattr(steps, name)(replace(run)) for name in names or CHAIN}


def answer(user="reviewer", chosen="Approve", reason="looks good"):
    """A person's answer as Airflow hands it on."""
    return {
        "chosen_options": [chosen], "params_input": {"reason": reason}, "responded_at": "2026-01-02T03:04:05Z",
        "responded_by_user": {"id": user, "name": user},
    }  # fmt: skip


def train_by_hand(run, *, bias):
    """Give a run a small candidate, as its training would."""
    onnx, inputs = onnx_model(model=run.folder.policy.model, bias=bias), {"age": "number", "sector": "text"}
    candidate = log_candidate(
        run.settings, replace(run).dossier, onnx=onnx, reference=b"", inputs=inputs, parameters={}, tags={}
    )
    trained = Trained(
        onnx=onnx,
        reference=b"",
        kinds=inputs,
        parity=0.0,
        training_rows=1,
        holdout_rows=1,
        threshold=0.5,
        isolation="namespaces",
    )
    made_by._record_training(replace(run), trained, candidate)


def approve(run, user="reviewer", role="model_owner"):
    """Ask a role and answer, as two tasks do."""
    approval.question(replace(run), role)
    return approval.take_answer(replace(run), role, answer(user))


def waive(run, check, *, reason="known", owner="reviewer"):
    """A waiver of a check for five days, signed by its owner and on the book."""
    policy, today = run.folder.policy, datetime.now(UTC).date()
    expires = (today + timedelta(days=5)).isoformat()
    made = propose(policy, check=check, reason=reason, owner=owner, today=today, expires=expires)
    made = made.signed(archive(run.settings).keyring, owner)
    book = Waivers(rollouts(run.settings).engine)
    book.add(made.id, policy.model, json.dumps(made.document()))
    for each in made.to_dict()["signatures"]:
        book.sign(made.id, json.dumps(each))
    return made


def gates_of(run):
    return [(each.gate, str(each.outcome)) for each in replace(run).dossier.verdicts()]


@contextmanager
def gateway(settings, model):
    """A stand-in for the gateway. Yields settings that lead to it, and what it says it serves."""
    says = {"champion": None}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = {"/healthz": {}, f"/models/{model}": says}.get(self.path)
            allowed = self.headers["Authorization"] == "Bearer t0ken"
            self.send_response(401 if not allowed else 404 if known is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(known).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield replace(settings, gateway_url=url, gateway_token="t0ken"), says
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
