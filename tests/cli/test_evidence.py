"""`assay dossier verify`, `assay dossier show` and `assay audit` against a real MLflow server."""

import getpass
import json
from dataclasses import replace

import pytest
from tests.evidence.whole import changed, flipped, make_whole
from tests.pipeline.conftest import NOISE
from typer.testing import CliRunner

from assay.cli import app
from assay.evidence.opening import rollouts
from assay.rollout.incidents import Incidents

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


@pytest.fixture(scope="module")
def run(mlflow_server, tmp_path_factory):
    """A version with every kind of record; each test leaves it as it was."""
    home = tmp_path_factory.mktemp("told")
    settings = replace(
        mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}", snapshots=str(home / "snapshots")
    )
    return make_whole(settings, home)


@pytest.fixture
def model(run, monkeypatch, tmp_path):
    for name in ("home", "models", "keys", "snapshots", "operations_db"):
        monkeypatch.setenv(f"ASSAY_{name.upper()}", str(getattr(run.settings, name)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", run.settings.tracking_uri)
    monkeypatch.setenv("ASSAY_ANCHORS_FILE", str(tmp_path / "anchors.jsonl"))
    monkeypatch.setattr("assay.evidence.verify.whole._PAUSE", 0)
    return run.folder.policy.model


def assay(*arguments):
    """Exit code, standard output, standard error."""
    ran = CliRunner().invoke(app, list(map(str, arguments)))
    return ran.exit_code, ran.stdout, ran.stderr


def test_an_untouched_version_verifies(model, tmp_path):
    assert assay("audit", model)[0] == 0  # which ships the anchors
    code, said, _ = assay("dossier", "verify", model, 1, "--anchors", tmp_path / "anchors.jsonl")
    assert code == 0
    assert said.startswith(f"{model} version 1, dossier ")
    assert said.endswith("Verified.\n")
    assert " ok     snapshot         1,500 rows in 1 file" in said
    assert "WRONG" not in said


def test_what_is_wrong_is_named_with_what_it_means(run, model):
    policy = run.settings.home / "artifacts" / run.dossier.location / "inputs" / "policy.yaml"
    with changed(policy, lambda content: flipped(content, 3)):
        code, said, _ = assay("dossier", "verify", model, 1)
        assert code == 1
        assert " WRONG  inputs " in said
        assert "inputs: The copies that the run started from are no longer those." in said
        assert "  inputs/policy.yaml: has SHA-256 " in said
        assert said.endswith("NOT VERIFIED: 1 wrong.\n")
        code, said, _ = assay("dossier", "verify", model, 1, "--json")
    report = json.loads(said)
    assert (code, report["sound"]) == (1, False)
    (wrong,) = [check for check in report["checks"] if check["findings"]]
    assert (wrong["name"], wrong["findings"][0]["path"]) == ("inputs", "inputs/policy.yaml")


def test_the_dossier_is_listed_with_its_waivers_and_doubts(run, model):
    code, said, _ = assay("dossier", "show", model, 1)
    assert code == 0
    assert "WAIVED by" in said
    assert "Registered as version 1." in said
    assert "Every record is what was anchored and signed." in said
    folder = run.settings.home / "artifacts" / run.dossier.location / "dossier"
    (record,) = folder.glob("*-fairness-*.json")
    with changed(record, lambda content: content.replace(b'"outcome":"PASS"', b'"outcome":"FAIL"', 1)):
        code, said, _ = assay("dossier", "show", model, 1)
        assert code == 1
        assert "DOUBTFUL: was changed" in said
        code, said, _ = assay("dossier", "show", model, 1, "--json")
    listed = json.loads(said)
    assert (code, listed["whole"]) == (1, False)
    assert [each["kind"] for each in listed["records"] if each["doubt"]] == ["fairness"]
    assert [each["kind"] for each in listed["records"] if each["waived"]] == ["performance"]
    assert {each["key"] for each in listed["records"] if each["record"]} == {listed["records"][0]["key"]}


@pytest.mark.parametrize("command", [("dossier", "verify"), ("dossier", "show")])
def test_what_there_is_not_is_told(model, command):
    code, _, said = assay(*command, model, 99)
    assert (code, f"{model} 99: no such version" in said) == (2, True)
    assert assay(*command, "no_such_model", 1)[0] == 2


@pytest.mark.parametrize("command", [("dossier", "verify"), ("dossier", "show"), ("audit",)])
def test_a_server_that_is_down_verifies_nothing(model, command, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    code, said, why = assay(*command, model, *([1] if "dossier" in command else []))
    assert (code, said) == (4, "")
    assert why.startswith("unavailable: ")


def test_a_shipped_file_that_there_is_not_is_told(model, tmp_path):
    code, _, said = assay("dossier", "verify", model, 1, "--anchors", tmp_path / "nowhere.jsonl")
    assert code == 2
    assert "there is no such file" in said


def test_an_audit_tells_restores_and_closes(run, model):
    client = run.dossier.client
    last = run.dossier.anchors.last().seq
    told = f"{model}: 1 version, the files of 1 compared\n{last} anchors shipped\nNothing is out of order.\n"
    assert assay("audit")[:2] == (0, told)
    client.set_registered_model_alias(model, "best", "1")
    code, said, _ = assay("audit", model)
    assert code == 1
    assert f"WRONG  {model}: @best names version 1; by the rollouts it names nothing" in said
    assert "first seen 2" in said
    assert said.endswith("1 out of order.\n")
    (incident,) = Incidents(_engine(run)).open(model)
    _, listed, _ = assay("dossier", "show", model, 1)
    assert f"incident {incident.id} (alias, first seen" in listed
    code, said, _ = assay("audit", model, "--restore")
    assert (code, "restored  " in said) == (0, True)
    assert client.get_registered_model(model).aliases == {"canary": "1"}
    assert replace(run).dossier.events("restoration")[-1].by == getpass.getuser()
    assert json.loads(assay("audit", model, "--deep", "--json")[1])["clean"] is True


def _engine(run):
    return rollouts(run.settings).engine


def test_an_incident_is_closed_with_a_reason(run, model):
    incidents = Incidents(_engine(run))
    made = incidents.raise_(key="gateway", model=model, version=1, kind="refused", message="was refused", mend="look")
    code, _, said = assay("audit", "--close", made.id)
    assert (code, "--reason: is empty" in said) == (2, True)
    code, said, _ = assay("audit", "--close", made.id, "--reason", "a full disk")
    assert (code, said) == (0, f"incident {made.id} is closed: was refused\n")
    assert incidents.open(model) == []
    assert assay("audit", "--reason", "none")[0] == 2
    assert assay("audit", f"{model}x")[0] == 2


def test_what_other_hands_registered_is_not_verified(run, model):
    client, of = run.dossier.client, run.candidate.model_id
    made = client.create_model_version(model, f"models:/{of}", model_id=of)
    try:
        code, _, said = assay("dossier", "verify", model, made.version)
        assert (code, "it was made by other hands" in said) == (1, True)
    finally:
        client.delete_model_version(model, made.version)
