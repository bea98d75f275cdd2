"""What an audit means to Airflow: red for what other hands changed, a retry for a server that is down."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from assay.core import UnavailableError, problem
from assay.evidence import audit as room
from assay.evidence import opening
from assay.pipeline.audit import AuditOperator, audit_dag


@pytest.fixture
def execute(monkeypatch):
    """Execute the task where the audit gives, or raises, what is asked for."""

    def run(outcome):
        def audited(_):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(opening, "archive", lambda settings: settings)
        monkeypatch.setattr(room, "audit", audited)
        return AuditOperator(task_id="audit").execute({})

    return run


def found(*messages, restored=False):
    seen = [
        SimpleNamespace(
            incident=SimpleNamespace(id=1, model="income", message=each, mend="look", first_seen="then"),
            restored=restored,
        )
        for each in messages
    ]
    closed = [SimpleNamespace(id=2, message="was wrong", closed_because="its cause is gone")]
    return SimpleNamespace(
        seen=seen, closed=closed, clean=restored or not seen, models=("income",), versions=3, shipped=7
    )


def test_a_clean_registry_hands_on_counts(execute):
    assert execute(found()) == {"models": ["income"], "versions": 3, "shipped": 7}


def test_what_other_hands_changed_fails_the_task_and_is_not_retried(execute):
    with pytest.raises(AirflowFailException, match="2 out of order: @champion names version 7"):
        execute(found("@champion names version 7", "a tag"))


def test_what_is_refused_is_not_retried(execute):
    with pytest.raises(AirflowFailException, match="no such file"):
        execute(problem("trusted.json", "no such file"))


def test_a_server_that_is_down_is_asked_again(execute):
    with pytest.raises(AirflowException) as raised:
        execute(UnavailableError("MLflow does not answer"))
    assert not isinstance(raised.value, AirflowFailException)


def test_the_dag_runs_one_at_a_time_and_never_catches_up():
    dag = audit_dag()
    assert (dag.dag_id, dag.catchup, dag.max_active_runs) == ("audit_registry", False, 1)
