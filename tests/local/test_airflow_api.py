"""Airflow's REST API as its users see it; against the real server in `test_real_stack`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from assay.core import AssayError, UnavailableError, UserError
from assay.local import airflow_api
from assay.local.airflow_api import AirflowApi, Approval

Handler = Callable[[httpx.Request], httpx.Response]


def api(handler: Handler, *, password: str = "right") -> AirflowApi:
    """A client whose server knows the password `right` and gives everything else to `handler`."""

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            known = json.loads(request.content)["password"] == "right"
            return httpx.Response(201 if known else 401, json={"access_token": "token"} if known else {})
        return handler(request)

    return AirflowApi("http://a", username="engineer", password=password, transport=httpx.MockTransport(serve))


def approval(asked_at: datetime) -> Approval:
    return Approval(
        dag_id="d", run_id="r", task_id="t", map_index=-1, subject="", body="", options=("Approve",), asked_at=asked_at
    )


def test_it_logs_in_by_itself_and_again_when_its_token_has_expired() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        if len(seen) == 2:
            return httpx.Response(401)
        return httpx.Response(200, json={"dag_id": "d", "dag_run_id": "r", "state": "running"})

    with api(handler) as client:
        assert client.dag_run("d", "r").state == "running"
        assert not client.dag_run("d", "r").ended
    assert seen == ["Bearer token"] * 3


def test_a_wrong_password_is_told() -> None:
    with api(lambda _: httpx.Response(200), password="wrong") as client, pytest.raises(UserError, match='"engineer"'):
        client.login()


def test_triggering_sends_the_parameters() -> None:
    sent: dict[str, Any] = {}

    def handler(request: httpx.Request) -> httpx.Response:
        sent.update(json.loads(request.content), path=request.url.path)
        run = {"dag_id": "d", "dag_run_id": "r", "state": "queued", "triggering_user_name": "engineer"}
        return httpx.Response(200, json=run)

    with api(handler) as client:
        run = client.trigger("d", conf={"seed": 3})
    assert sent["path"] == "/api/v2/dags/d/dagRuns"
    assert sent["conf"] == {"seed": 3}
    assert sent["logical_date"] is None
    assert run.triggered_by == "engineer"


@pytest.mark.parametrize(
    ("status", "error"), [(403, UserError), (404, AssayError), (409, AssayError), (500, UnavailableError)]
)
def test_refusals_say_what_airflow_said(status: int, error: type[Exception]) -> None:
    refuse = api(lambda _: httpx.Response(status, json={"detail": "because"}))
    with refuse as client, pytest.raises(error, match=f"{status}.*because"):
        client.trigger("d")


def test_a_server_that_is_down_is_unavailable() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with api(handler) as client, pytest.raises(UnavailableError, match="http://a"):
        client.dag_run("d", "r")


def test_a_request_that_arrived_is_never_sent_twice() -> None:
    sent = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadTimeout("no answer")

    with api(handler) as client, pytest.raises(UnavailableError):
        client.trigger("d")
    assert len(sent) == 1


def test_a_fresh_question_is_not_answered_before_its_task_has_left_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(airflow_api.time, "sleep", slept.append)
    with api(lambda _: httpx.Response(200, json={})) as client:
        client.answer(approval(datetime.now(UTC)), options=["Approve"])
        client.answer(approval(datetime.now(UTC) - timedelta(minutes=1)), options=["Approve"])
    assert slept[0] == pytest.approx(2, abs=0.5)
    assert slept[1] == 0


def test_waiting_for_a_dag_ends_with_the_import_errors() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/importErrors"):
            return httpx.Response(200, json={"import_errors": [{"filename": "retrain.py", "stack_trace": "Boom"}]})
        return httpx.Response(404)

    with api(handler) as client, pytest.raises(AssayError, match=r"retrain\.py:\nBoom"):
        client.wait_until_parsed("d")


def test_waiting_for_a_dag_ends_when_it_is_there_or_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "_LOOK_EVERY", 0.01)
    answers = iter([404, 404, 200])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/importErrors"):
            return httpx.Response(200, json={"import_errors": []})
        return httpx.Response(next(answers, 404))

    with api(handler) as client:
        client.wait_until_parsed("d")
        with pytest.raises(AssayError, match='does not know the DAG "d"'):
            client.wait_until_parsed("d", timeout=0.05)
