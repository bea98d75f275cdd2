"""Candidates and versions on a real server: one of each, whatever breaks on the way."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
from tests.registry.children import program
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

from assay.core import UnavailableError, UserError, sha256_bytes
from assay.evidence.opening import archive
from assay.registry.artifacts import TamperedError, fetch_artifact, fetch_folder, fetch_model
from assay.registry.candidates import log_candidate, read_candidate
from assay.registry.images import CANDIDATE, CANDIDATE_SHA256, DOSSIER
from assay.registry.keys import Keyring, create_keys, rotate_keys
from assay.registry.lineage import close_run, log_training
from assay.registry.signing import SIGNATURE, SignatureError
from assay.registry.versions import delete_alias, register, set_alias, tag_version
from assay.training.onnx_model import OnnxModel

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),  # MLflow's own code
]
META = "registered_model_meta"  # MLflow's client adds it to what it downloads by a model's name
KILLED = Path(__file__).with_name("killed.py")


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server)


@pytest.fixture
def candidate(mlflow_server, dossier):
    return log_candidate(mlflow_server, dossier, **candidate_of(dossier))


def assert_one_candidate(settings, dossier):
    found = log_candidate(settings, dossier, **candidate_of(dossier))  # which finds what there is
    (model,) = models_of(dossier)
    content = onnx_model(model=dossier.model)
    assert str(model.status) == "READY"
    assert (model.model_id, sha256_bytes(content)) == (found.model_id, found.digest)
    assert fetch_model(settings, found.path, found.digest) == content
    assert found.files == {name: sha256_bytes(each) for name, each in fetch_folder(settings, found.folder).items()}
    assert {"model.onnx", "MLmodel", "reference/model.skops", SIGNATURE} <= found.files.keys()
    outputs = dossier.client.get_run(dossier.run_id).outputs.model_outputs
    assert [each.model_id for each in outputs] == [found.model_id]


def assert_one_version(dossier):
    (version,) = versions_of(dossier)
    (model,) = models_of(dossier)
    tags = dossier.client.get_model_version(dossier.model, version.version).tags
    identity = {DOSSIER: dossier.run_id, CANDIDATE: model.model_id, CANDIDATE_SHA256: model.tags[CANDIDATE_SHA256]}
    verdicts = {f"assay.verdict.{each.gate}": f"{each.outcome} {each.digest}" for each in dossier.verdicts()}
    assert (identity | verdicts).items() <= tags.items()


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
    tag_version(dossier, register(mlflow_server, dossier, candidate, {}), {"assay.rollout": "champion"})
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


@pytest.mark.parametrize(("uri", "added"), [("mlflow-artifacts:/{folder}", []), ("models:/{model_id}", [META])])
def test_openssf_s_own_tool_verifies_what_mlflow_hands_out(mlflow_server, candidate, tmp_path, uri, added):
    mlflow.set_tracking_uri(mlflow_server.tracking_uri)
    place = uri.format(folder=candidate.folder, model_id=candidate.model_id)
    folder = Path(mlflow.artifacts.download_artifacts(place, dst_path=str(tmp_path / "downloaded")))
    public = tmp_path / "key.pub"
    public.write_text(Keyring.open(mlflow_server.keys).model_public_keys[candidate.key])
    verify = [sys.executable, "-m", "model_signing", "verify", "key", "--public_key", public]
    ignored = [part for name in added for part in ("--ignore-paths", folder / name)]
    command = [*verify, "--signature", folder / SIGNATURE, *ignored, folder]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout.strip()) == (0, "Verification succeeded"), verified.stderr


def test_another_training_of_the_same_run_is_another_candidate(mlflow_server, dossier, candidate):
    again = log_candidate(mlflow_server, dossier, **candidate_of(dossier))
    assert again == candidate
    other = log_candidate(
        mlflow_server, dossier, **candidate_of(dossier, onnx=onnx_model(model=dossier.model, bias=-1.0))
    )
    assert other.model_id != candidate.model_id
    assert log_candidate(mlflow_server, dossier, **candidate_of(dossier)) == candidate
    assert CANDIDATE not in dossier.tags()  # tags are images of the chain, where no training stands yet


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


def stored_files(settings, candidate):
    """The candidate's folder on the server's disk."""
    return settings.home / "artifacts" / candidate.folder


def test_every_file_of_a_candidate_is_vouched_for(mlflow_server, candidate):
    folder = stored_files(mlflow_server, candidate)
    assert candidate.files.keys() == {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
    for name in sorted(candidate.files.keys() - {SIGNATURE, "model.onnx"}):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b"\n")
        with pytest.raises(SignatureError, match=f"{candidate.folder}: {name} has SHA-256 .* as signed"):
            read_candidate(mlflow_server, candidate)
        (folder / name).write_bytes(content)
    (folder / "reference" / "more.py").write_bytes(b"")
    with pytest.raises(SignatureError, match=r"reference/more\.py was added after signing"):
        read_candidate(mlflow_server, candidate)
    (folder / "reference" / "more.py").unlink()
    assert read_candidate(mlflow_server, candidate) == candidate


def test_a_model_without_a_good_signature_is_not_handed_out(mlflow_server, dossier, candidate):
    signature = stored_files(mlflow_server, candidate) / SIGNATURE
    content = signature.read_bytes()
    strangers = replace(mlflow_server, keys=mlflow_server.home / "strangers")
    create_keys(strangers.keys)
    other = log_candidate(strangers, fresh_dossier(mlflow_server), **candidate_of(dossier))
    signature.write_bytes((stored_files(mlflow_server, other) / SIGNATURE).read_bytes())
    with pytest.raises(SignatureError, match=r"model\.onnx: model\.sig was made by an unknown key"):
        fetch_model(mlflow_server, candidate.path, candidate.digest)
    assert fetch_model(strangers, candidate.path, candidate.digest)  # the same bytes, and keys that trust them
    signature.unlink()
    for act in (fetch_model, lambda *_: read_candidate(mlflow_server, candidate)):
        with pytest.raises(SignatureError, match="the model is not signed"):
            act(mlflow_server, candidate.path, candidate.digest)
    signature.write_bytes(content)
    assert fetch_model(mlflow_server, candidate.path, candidate.digest)


def test_without_keys_nothing_is_stored_and_nothing_is_handed_out(mlflow_server, dossier, candidate):
    keyless = replace(mlflow_server, keys=mlflow_server.home / "nowhere")
    other = fresh_dossier(mlflow_server)
    with pytest.raises(UserError, match=r"trusted\.json: no such file.*assay keys init"):
        log_candidate(keyless, other, **candidate_of(other))
    assert models_of(other) == []
    with pytest.raises(UserError, match="no such file"):
        fetch_model(keyless, candidate.path, candidate.digest)
    assert not keyless.keys.exists()


def test_a_candidate_outlives_the_key_that_signed_it(mlflow_server):
    own = replace(mlflow_server, keys=mlflow_server.home / "rotated")
    first = create_keys(own.keys)
    dossier = fresh_dossier(own)
    before = log_candidate(own, dossier, **candidate_of(dossier))
    rotate_keys(own.keys, after=0)
    assert log_candidate(own, dossier, **candidate_of(dossier)) == before  # what is stored is not signed anew
    after = log_candidate(own, dossier, **candidate_of(dossier, reference=b"other", onnx=onnx_model(bias=1.0)))
    assert before.key in first.model_public_keys
    assert after.key not in first.model_public_keys
    assert after.key in Keyring.open(own.keys).model_public_keys


def test_a_folder_that_is_not_there_is_empty_and_a_server_that_is_not_there_is_an_error(mlflow_server):
    assert fetch_folder(mlflow_server, "no/such folder") == {}
    with pytest.raises(UnavailableError, match="does not answer"):
        fetch_folder(replace(mlflow_server, tracking_uri="http://127.0.0.1:9"), "0")


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


def registered(settings, dossier, candidate):
    tags = {f"assay.verdict.{each.gate}": f"{each.outcome} {each.digest}" for each in dossier.verdicts()}
    return register(settings, dossier, candidate, {"assay.snapshot": "toy-0123456789abcdef", **tags})


def test_registering_again_gives_the_same_version(mlflow_server, dossier, candidate):
    for gate in ("contract", "performance"):
        dossier.append(verdict(gate))
    assert [registered(mlflow_server, dossier, candidate) for _ in range(2)] == [1, 1]
    assert_one_version(dossier)
    dossier.append(verdict("performance"))  # judged again after the task was cleared
    assert registered(mlflow_server, dossier, candidate) == 1
    assert_one_version(dossier)


def test_another_candidate_is_another_version(mlflow_server, dossier, candidate):
    other = candidate_of(dossier, onnx=onnx_model(model=dossier.model, bias=-1.0))
    assert registered(mlflow_server, dossier, candidate) == 1
    assert registered(mlflow_server, dossier, log_candidate(mlflow_server, dossier, **other)) == 2
    assert registered(mlflow_server, dossier, candidate) == 1


def test_a_model_whose_bytes_were_changed_is_not_registered_as_complete(mlflow_server, dossier, candidate):
    (stored_files(mlflow_server, candidate) / "model.onnx").write_bytes(b"truncat")
    with pytest.raises(TamperedError, match="as recorded"):
        registered(mlflow_server, dossier, candidate)
    (version,) = versions_of(dossier)
    assert "assay.snapshot" not in version.tags  # it never got to show what it stands on


def test_a_fault_at_any_call_of_registering_ends_in_one_version(mlflow_server, dossier, candidate):
    counting = replace(dossier, client=FailingClient(dossier.client))
    register(mlflow_server, counting, candidate, {})
    assert counting.client.calls > 3
    for call in range(1, counting.client.calls + 1):
        faulty = fresh_dossier(mlflow_server)
        made = log_candidate(mlflow_server, faulty, **candidate_of(faulty))
        faulty.append(verdict())
        with pytest.raises(UnavailableError, match="the answer to"):
            registered(mlflow_server, failing(faulty, call), made)
        assert registered(mlflow_server, faulty, made) == 1
        assert_one_version(faulty)


def test_aliases_may_be_set_and_removed_again(mlflow_server, dossier, candidate):
    version = registered(mlflow_server, dossier, candidate)
    for act in (delete_alias, set_alias):
        for _ in range(2):
            act(dossier, "canary", version)
    delete_alias(dossier, "canary", version + 1)  # which it does not name
    assert dossier.client.get_model_version_by_alias(dossier.model, "canary").version == str(version)
    delete_alias(dossier, "canary", version)
    assert dossier.client.get_registered_model(dossier.model).aliases == {}


def test_a_process_killed_at_any_request_leaves_nothing_half_done(mlflow_server):
    ended = json.loads(program(KILLED, mlflow_server).splitlines()[-1])
    assert {each["killed"] for each in ended} == {True}
    assert len(ended) > 4
    for each in ended:
        assert each["rerun"] == 0, each
        dossier = archive(mlflow_server).find(model=each["model"], run_key=each["run_key"])
        assert_one_candidate(mlflow_server, dossier)
        assert_one_version(dossier)
        assert artifacts_of(mlflow_server, dossier).is_dir()
