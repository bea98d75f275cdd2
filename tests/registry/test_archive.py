"""Dossiers are begun once and found again; whatever is none is said to be none."""

from dataclasses import replace

import pytest
from tests.registry.support import (
    candidate_of,
    event,
    fresh_dossier,
    fresh_name,
    made_version,
    requests_to_mlflow,
    verdict,
)

from assay.core import UnavailableError, UserError
from assay.evidence.opening import archive
from assay.registry.archive import Archive
from assay.registry.candidates import log_candidate
from assay.registry.dossier import EvidenceError
from assay.registry.keys import create_keys, rotate_keys
from assay.registry.summaries import list_dossiers
from assay.registry.versions import register

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),  # MLflow's own code
]
RUN_KEY = "retrain_toy/manual__2026-01-01T00:00:00+00:00 'quoted' \"twice\" `back` ü"


@pytest.fixture
def dossiers(mlflow_server):
    return archive(mlflow_server)


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server)


def test_opening_twice_gives_one_dossier(mlflow_server, dossiers):
    name = fresh_name()
    assert dossiers.begun(model=name, run_key=RUN_KEY) is None
    first = dossiers.open(model=name, run_key=RUN_KEY)
    for again in (
        dossiers.open(model=name, run_key=RUN_KEY),
        dossiers.begun(model=name, run_key=RUN_KEY),
        dossiers.find(model=name, run_key=RUN_KEY),
        dossiers.load(first.run_id),
    ):
        assert (again.run_id, again.model, again.location) == (first.run_id, name, first.location)
    other = dossiers.open(model=name, run_key=RUN_KEY + "2")
    assert other.run_id != first.run_id
    assert [each.run_key for each in list_dossiers(mlflow_server, model=name)] == [RUN_KEY + "2", RUN_KEY]


def test_a_lost_answer_to_any_request_of_opening_ends_in_one_dossier(dossiers):
    with requests_to_mlflow() as sent:
        dossiers.open(model=fresh_name(), run_key=RUN_KEY)
    assert len(sent.seen) > 2
    for lost in range(1, len(sent.seen) + 1):
        name = fresh_name()
        with requests_to_mlflow(lose=lost), pytest.raises(UnavailableError, match="was lost"):
            dossiers.open(model=name, run_key=RUN_KEY)
        kept = dossiers.open(model=name, run_key=RUN_KEY)
        assert dossiers.find(model=name, run_key=RUN_KEY).run_id == kept.run_id


def test_what_is_no_dossier_is_said_to_be_none(dossiers, dossier):
    for model in (dossier.model, fresh_name()):
        with pytest.raises(EvidenceError, match="a/b: has no dossier, the task snapshot has not run"):
            dossiers.find(model=model, run_key="a/b")
    with pytest.raises(EvidenceError, match="no such run"):
        dossiers.load("0" * 32)
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    stranger = dossier.client.create_run(experiment).info.run_id
    with pytest.raises(EvidenceError, match="is not a run of Assay"):
        dossiers.load(stranger)


def test_a_second_dossier_made_by_other_hands_is_found(dossiers, dossier):
    run = dossier.client.get_run(dossier.run_id)
    dossier.client.create_run(run.info.experiment_id, tags=dict(run.data.tags))
    key = run.data.tags["assay.run_key"]
    with pytest.raises(EvidenceError, match="has 2 dossiers, one was made by other hands"):
        dossiers.find(model=dossier.model, run_key=key)


def test_a_version_leads_to_its_dossier_and_a_wrong_one_to_those_there_are(mlflow_server, dossiers, dossier):
    dossier.append(verdict())
    version = register(mlflow_server, dossier, log_candidate(mlflow_server, dossier, **candidate_of(dossier)), {})
    assert dossiers.of_version(dossier.model, version).run_id == dossier.run_id
    assert dossiers.versions(dossier.model) == [version]
    assert dossier.model in dossiers.models()
    with pytest.raises(UserError, match=f"{dossier.model} 7: no such version .*known: 1"):
        dossiers.of_version(dossier.model, 7)
    near = dossier.model[:-1]
    with pytest.raises(
        UserError, match=f'{near}: no version of this model is registered .*did you mean "{dossier.model}"'
    ):
        dossiers.of_version(near, 1)


def test_a_version_that_others_registered_has_no_dossier(dossiers, dossier):
    version = made_version(dossier)
    with pytest.raises(EvidenceError, match="version 1: names no dossier; it was registered by other hands"):
        dossiers.of_version(dossier.model, version)


def test_keys_that_were_rotated_meanwhile_are_known(tmp_path, mlflow_server):
    own = replace(mlflow_server, keys=tmp_path / "keys")
    create_keys(own.keys)
    reader, writer = archive(own), Archive(own, archive(own).anchors)
    dossier = writer.open(model=fresh_name(), run_key=RUN_KEY)
    before = dossier.record(event())
    assert reader.load(dossier.run_id).records() == [before]
    rotate_keys(own.keys, after=dossier.anchors.last().seq)
    after = Archive(own, archive(own).anchors).load(dossier.run_id).record(event("training"))
    assert reader.load(dossier.run_id).records() == [before, after]


def test_evidence_never_goes_to_a_local_folder(mlflow_server, tmp_path):
    local = replace(mlflow_server, tracking_uri=str(tmp_path / "mlruns"))
    with pytest.raises(UnavailableError, match="not the address of an MLflow server"):
        Archive(local, archive(mlflow_server).anchors).open(model="toy", run_key="a/b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../../etc", "income' OR '1'='1", "Income", "a" * 64])
def test_what_is_no_model_s_name_is_an_unknown_model_and_no_query(dossiers, name):
    with pytest.raises(UserError, match="no version of this model is registered"):
        dossiers.of_version(name, 1)


def test_a_number_that_no_version_can_have_is_unknown(dossier, dossiers):
    made_version(dossier)
    for number in (0, 10**23):
        with pytest.raises(UserError, match=r"no such version \(known: 1\)"):
            dossiers.of_version(dossier.model, number)
