"""Candidates and versions on a real server: one of each, whatever breaks on the way."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from tests.registry.support import (
    FailingClient,
    artifacts_of,
    candidate_of,
    failing,
    fresh_dossier,
    models_of,
    verdict,
    versions_of,
)
from tests.serving.support import onnx_model

from assay.core import UnavailableError, sha256_bytes
from assay.registry.artifacts import TamperedError, fetch_artifact
from assay.registry.candidates import find_candidate, log_candidate
from assay.registry.dossier import CANDIDATE, CANDIDATE_SHA256, EvidenceError
from assay.registry.lineage import close_run, log_training
from assay.registry.versions import delete_alias, register, set_alias, tag_version
from assay.training.onnx_model import OnnxModel

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),  # MLflow's own code
]
KILLED = Path(__file__).with_name("killed.py")


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server)


@pytest.fixture
def candidate(mlflow_server, dossier):
    return log_candidate(mlflow_server, dossier, **candidate_of(dossier))


def assert_one_candidate(settings, dossier):
    (model,) = models_of(dossier)
    found = find_candidate(dossier)
    content = onnx_model(model=dossier.model)
    assert str(model.status) == "READY"
    assert (model.model_id, sha256_bytes(content)) == (found.model_id, found.digest)
    assert fetch_artifact(settings.tracking_uri, found.path, found.digest) == content
    outputs = dossier.client.get_run(dossier.run_id).outputs.model_outputs
    assert [each.model_id for each in outputs] == [found.model_id]


def assert_one_version(dossier):
    (version,) = versions_of(dossier)
    chain = dossier.verdicts()
    tags = dossier.client.get_model_version(dossier.model, version.version).tags
    assert tags[CANDIDATE_SHA256] == find_candidate(dossier).digest
    assert {f"assay.verdict.{each.gate}": f"{each.outcome} {each.digest}" for each in chain}.items() <= tags.items()


def test_the_bytes_on_the_server_are_those_that_were_gated(mlflow_server, dossier, candidate):
    content = onnx_model(model=dossier.model)
    assert candidate.digest == sha256_bytes(content)
    (stored,) = (mlflow_server.home / "artifacts").rglob(f"{candidate.model_id}/artifacts/model.onnx")
    assert stored.read_bytes() == content
    assert OnnxModel(content).name == dossier.model
    assert fetch_artifact(mlflow_server.tracking_uri + "/", candidate.path, candidate.digest) == content
    assert_one_candidate(mlflow_server, dossier)


def test_what_mlflow_s_pages_show(mlflow_server, dossier, candidate):
    for rows in (100, 120):  # a repeated run may have met other data
        log_training(
            dossier, parameters={"seed": 7}, metrics={"rows": rows}, snapshot="toy-0123456789abcdef",
            source="/snapshots", rows=rows,
        )  # fmt: skip
    tag_version(dossier, register(dossier, candidate, [], {}), {"assay.rollout": "champion"})
    model = dossier.client.get_logged_model(candidate.model_id)
    assert model.params == {"seed": "7", "max_iter": "100"}
    assert model.tags["assay.snapshot"] == "toy-0123456789abcdef"
    assert model.source_run_id == dossier.run_id
    run = dossier.client.get_run(dossier.run_id)
    assert run.data.params == {"seed": "7"}
    assert run.data.metrics == {"rows": 120}
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("toy-0123456789abcdef", "0123456789abcdef")
    assert json.loads(used.dataset.source) == {"path": "/snapshots"}
    version = versions_of(dossier)[0]
    assert version.tags["assay.rollout"] == "champion"
    assert (version.source, version.run_id) == (f"models:/{candidate.model_id}", dossier.run_id)
    close_run(dossier, succeeded=True)
    assert dossier.client.get_run(dossier.run_id).info.status == "FINISHED"


def test_mlflow_itself_can_score_with_the_model(mlflow_server, candidate):
    mlflow.set_tracking_uri(mlflow_server.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{candidate.model_id}")
    age, sector = np.array([[30], [60]], dtype=np.float32), ["private", "other"]
    expected = 1 / (1 + np.exp(-np.array([0.5, 1.0])))
    for given in (
        {"age": age, "sector": np.array(sector).reshape(-1, 1)},
        pd.DataFrame({"age": age[:, 0], "sector": sector}),
    ):
        assert loaded.predict(given)["probabilities"][:, 1] == pytest.approx(expected, abs=1e-6)


def test_another_training_of_the_same_run_is_another_candidate(mlflow_server, dossier, candidate):
    again = log_candidate(mlflow_server, dossier, **candidate_of(dossier))
    assert again == candidate
    other = log_candidate(
        mlflow_server, dossier, **candidate_of(dossier, onnx=onnx_model(model=dossier.model, bias=-1.0))
    )
    assert other.model_id != candidate.model_id
    assert find_candidate(dossier) == other
    assert dossier.tags()[CANDIDATE] == other.model_id


def test_without_training_there_is_no_candidate(dossier):
    with pytest.raises(EvidenceError, match="training: has made no candidate"):
        find_candidate(dossier)


def test_changed_or_missing_bytes_are_refused(mlflow_server, dossier, candidate):
    (stored,) = (mlflow_server.home / "artifacts").rglob(f"{candidate.model_id}/artifacts/model.onnx")
    uri = mlflow_server.tracking_uri
    stored.write_bytes(onnx_model(model=dossier.model, bias=9.0))
    with pytest.raises(TamperedError, match=f"{candidate.path}: has SHA-256 .*, not {candidate.digest} as recorded"):
        fetch_artifact(uri, candidate.path, candidate.digest)
    with pytest.raises(TamperedError):
        log_candidate(mlflow_server, dossier, **candidate_of(dossier))
    stored.unlink()
    with pytest.raises(UnavailableError, match=f"answers 4.. for {candidate.path}"):
        fetch_artifact(uri, candidate.path, candidate.digest)
    with pytest.raises(UnavailableError, match=r"MLflow at http://127\.0\.0\.1:9 does not answer: .*refused"):
        fetch_artifact("http://127.0.0.1:9", candidate.path, candidate.digest)


def test_a_path_with_odd_characters_is_asked_for_as_it_is(mlflow_server):
    path = "0/models/m ü/model.onnx"
    kept = httpx.put(
        mlflow_server.tracking_uri + "/api/2.0/mlflow-artifacts/artifacts/0/models/m%20%C3%BC/model.onnx",
        content=b"bytes",
    )
    assert kept.status_code == 200
    assert fetch_artifact(mlflow_server.tracking_uri, path, sha256_bytes(b"bytes")) == b"bytes"


def test_a_fault_at_any_call_of_logging_ends_in_one_ready_candidate(mlflow_server, dossier):
    counting = replace(dossier, client=FailingClient(dossier.client))
    log_candidate(mlflow_server, counting, **candidate_of(dossier))
    assert counting.client.calls > 5
    for call in range(1, counting.client.calls + 1):
        faulty = fresh_dossier(mlflow_server)
        with pytest.raises(UnavailableError, match="the answer to"):
            log_candidate(mlflow_server, failing(faulty, call), **candidate_of(faulty))
        log_candidate(mlflow_server, faulty, **candidate_of(faulty))
        assert_one_candidate(mlflow_server, faulty)


def registered(dossier, candidate):
    return register(dossier, candidate, dossier.verdicts(), {"assay.snapshot": "toy-0123456789abcdef"})


def test_registering_again_gives_the_same_version(dossier, candidate):
    for gate in ("contract", "performance"):
        dossier.append(verdict(gate))
    assert [registered(dossier, candidate) for _ in range(2)] == [1, 1]
    assert_one_version(dossier)
    dossier.append(verdict("performance"))  # judged again after the task was cleared
    assert registered(dossier, candidate) == 1
    (version,) = versions_of(dossier)
    assert version.tags["assay.verdict.performance"] == f"PASS {dossier.verdicts()[-1].digest}"


def test_another_candidate_is_another_version(mlflow_server, dossier, candidate):
    other = candidate_of(dossier, onnx=onnx_model(model=dossier.model, bias=-1.0))
    assert registered(dossier, candidate) == 1
    assert registered(dossier, log_candidate(mlflow_server, dossier, **other)) == 2
    assert registered(dossier, candidate) == 1


def test_a_fault_at_any_call_of_registering_ends_in_one_version(mlflow_server, dossier, candidate):
    counting = replace(dossier, client=FailingClient(dossier.client))
    register(counting, candidate, [], {})
    assert counting.client.calls > 3
    for call in range(1, counting.client.calls + 1):
        faulty = fresh_dossier(mlflow_server)
        made = log_candidate(mlflow_server, faulty, **candidate_of(faulty))
        faulty.append(verdict())
        with pytest.raises(UnavailableError, match="the answer to"):
            register(failing(faulty, call), made, faulty.verdicts(), {})
        assert registered(faulty, made) == 1
        assert_one_version(faulty)


def test_aliases_may_be_set_and_removed_again(dossier, candidate):
    version = registered(dossier, candidate)
    for act in (delete_alias, set_alias):
        for _ in range(2):
            act(dossier, "canary", version)
    delete_alias(dossier, "canary", version + 1)  # which it does not name
    assert dossier.client.get_model_version_by_alias(dossier.model, "canary").version == str(version)
    delete_alias(dossier, "canary", version)
    assert dossier.client.get_registered_model(dossier.model).aliases == {}


def test_a_process_killed_at_any_request_leaves_nothing_half_done(mlflow_server):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(KILLED), mlflow_server.tracking_uri, str(mlflow_server.home)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    ended = json.loads(done.stdout.splitlines()[-1])
    assert {each["killed"] for each in ended} == {True}
    assert len(ended) > 4
    for each in ended:
        assert each["rerun"] == 0, each
        dossier = fresh_dossier(mlflow_server)
        dossier = replace(dossier, run_id=each["run_id"], model=each["model"])
        assert_one_candidate(mlflow_server, dossier)
        assert_one_version(dossier)
        assert artifacts_of(mlflow_server, dossier).is_dir()
