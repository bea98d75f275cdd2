"""What an error in a task means to Airflow, and what MLflow shows of it."""

import logging
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from tests.pipeline.support import make_folder, make_run, walk

from assay.core import UnavailableError, problem
from assay.pipeline.operators import told
from assay.pipeline.run import GateErrored
from assay.registry import lineage
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack


@pytest.fixture
def begun(settings, tmp_path, monkeypatch):
    """A run that has its snapshot, and the context in which Airflow would call its next task."""
    run = make_run(settings, make_folder(tmp_path))
    walk(run, "snapshot")
    monkeypatch.setenv("ASSAY_HOME", str(settings.home))
    monkeypatch.setenv("ASSAY_MODELS", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.tracking_uri)
    dag_id, _, run_id = run.run_key.partition("/")
    dag_run = SimpleNamespace(dag_id=dag_id, run_id=run_id, triggering_user_name="engineer")
    return run, {"params": {"snapshot": "latest", "seed": None, "reason": None}, "dag_run": dag_run}


def raised_by(begun, error):
    """What Airflow is told when a task raises `error`, and the operator that raised it."""
    run, context = begun
    operator = SimpleNamespace(model=run.folder.policy.model, pinned=True, log=logging.getLogger("task"))

    def task():
        with told(operator, context) as its:
            _ = its.dossier
            raise error

    with pytest.raises(AirflowException) as raised:
        task()
    assert str(raised.value) == str(error)
    return raised.value, operator


def status(run):
    return run.dossier.client.get_run(run.dossier.run_id).info.status


@pytest.mark.parametrize("error", [UnavailableError("the disk is gone"), GateErrored("contract gate: ERROR")])
def test_what_broke_is_retried_and_the_run_goes_on(begun, error):
    told_as, operator = raised_by(begun, error)
    assert not isinstance(told_as, AirflowFailException)
    assert operator.dossier_id == begun[0].dossier.run_id
    assert status(begun[0]) == "RUNNING"


@pytest.mark.parametrize("error", [problem("train.py", "returned None"), EvidenceError(["contract: no verdict"])])
def test_what_is_refused_is_not_retried_and_looks_refused_in_mlflow(begun, error):
    told_as, operator = raised_by(begun, error)
    assert isinstance(told_as, AirflowFailException)
    assert operator.dossier_id == begun[0].dossier.run_id
    assert status(begun[0]) == "FAILED"


def test_a_server_that_is_away_does_not_hide_why_a_run_was_refused(begun, monkeypatch):
    def away(*_, **__):
        raise UnavailableError("MLflow failed while ending the run")

    monkeypatch.setattr(lineage, "close_run", away)
    told_as, _ = raised_by(begun, problem("train.py", "returned None"))
    assert isinstance(told_as, AirflowFailException)
