"""What one needs of Airflow's REST API to drive and watch a run, as one of its users."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from assay.core import AssayError, UnavailableError, problem

_CONNECT_RETRIES = 5
_LOOK_EVERY = 0.3
_PARKED_AFTER = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DagRun:
    """A run: `state` is `queued`, `running`, `success` or `failed`."""

    dag_id: str
    run_id: str
    state: str
    triggered_by: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("success", "failed")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskInstance:
    """One task of a run; `state` is None until it is scheduled, `seconds` None until it ended."""

    task_id: str
    map_index: int
    state: str | None
    start: datetime | None
    end: datetime | None
    seconds: float | None
    try_number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """A question that waits for a person."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    subject: str
    body: str
    options: tuple[str, ...]
    asked_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DagImportError:
    """A DAG file that Airflow could not import, with the trace it kept."""

    file: str
    trace: str


class AirflowApi:
    """Airflow as one user sees it.

    Retries only where no connection came about: whatever reached Airflow may have had its effect.

    Parameters
    ----------
    address
        Where the API server is, for example ``http://127.0.0.1:8080``.
    username, password
        Who is speaking.
    transport
        For tests: what carries the requests.
    """

    def __init__(
        self, address: str, *, username: str, password: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.username = username
        self._password = password
        self._http = httpx.Client(
            base_url=address,
            timeout=30.0,
            trust_env=False,
            transport=transport or httpx.HTTPTransport(retries=_CONNECT_RETRIES),
        )

    def __enter__(self) -> "AirflowApi":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def login(self) -> str:
        """Fetch a token; every other call does so by itself when it has none or its own has expired.

        Raises
        ------
        UserError
            When Airflow does not know the user or the password.
        """
        credentials = {"username": self.username, "password": self._password}
        answer = self._send("POST", "/auth/token", json=credentials)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise problem("airflow", f'does not accept the password of user "{self.username}"')
        token = str(_json(answer)["access_token"])
        self._http.headers["Authorization"] = f"Bearer {token}"
        return token

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, note: str | None = None) -> DagRun:
        """Start a run now."""
        body = {"logical_date": None, "conf": dict(conf or {}), "note": note}
        return _dag_run(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """How a run stands."""
        return _dag_run(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def active_run(self, dag_id: str) -> DagRun | None:
        """The run of a DAG that is under way or queued; None when there is none."""
        params = {"state": ["running", "queued"], "limit": 1}
        raw = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params)["dag_runs"]
        return _dag_run(raw[0]) if raw else None

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Every task of a run, in the order in which they started; the others last."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        raw = self._call("GET", path, params={"limit": 100})["task_instances"]
        found = [_task_instance(item) for item in raw]
        return sorted(found, key=lambda task: (task.start is None, task.start and task.start.timestamp()))

    def pending_approvals(self, dag_id: str = "~", run_id: str = "~") -> list[Approval]:
        """Questions that nobody has answered; ``~`` stands for every DAG or run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/hitlDetails"
        raw = self._call("GET", path, params={"response_received": False, "limit": 100})["hitl_details"]
        return [_approval(item) for item in raw]

    def answer(self, approval: Approval, *, options: Sequence[str], params: Mapping[str, Any] | None = None) -> None:
        """Answer a question with the chosen options and the form's values, as this user.

        Waits until the question is two seconds old. The task asks first and leaves its worker slot
        after that; an answer in between brings it back into the queue before the executor has
        reported its leaving, and the scheduler then takes that report for a crash.
        """
        age = (datetime.now(UTC) - approval.asked_at).total_seconds()
        time.sleep(min(_PARKED_AFTER, max(0.0, _PARKED_AFTER - age)))
        path = (
            f"/api/v2/dags/{approval.dag_id}/dagRuns/{approval.run_id}"
            f"/taskInstances/{approval.task_id}/{approval.map_index}/hitlDetails"
        )
        self._call("PATCH", path, json={"chosen_options": list(options), "params_input": dict(params or {})})

    def import_errors(self) -> list[DagImportError]:
        """DAG files that could not be imported."""
        raw = self._call("GET", "/api/v2/importErrors", params={"limit": 100})["import_errors"]
        return [DagImportError(file=item["filename"], trace=item["stack_trace"]) for item in raw]

    def wait_until_parsed(self, dag_id: str, *, timeout: float = 60) -> None:
        """Wait until Airflow knows a DAG.

        Raises
        ------
        AssayError
            With the import errors when there are any, or when the time is up.
        """
        deadline = time.monotonic() + timeout
        while self._request("GET", f"/api/v2/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
            if errors := self.import_errors():
                traces = "\n".join(f"{error.file}:\n{error.trace}" for error in errors)
                raise AssayError(f"Airflow cannot import its DAG files.\n{traces}")
            if time.monotonic() > deadline:
                raise AssayError(f'Airflow does not know the DAG "{dag_id}" after {timeout:.0f} s')
            time.sleep(_LOOK_EVERY)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return _json(self._request(method, path, **request))

    def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        if "Authorization" not in self._http.headers:
            self.login()
        answer = self._send(method, path, **request)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self.login()
            answer = self._send(method, path, **request)
        return answer

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx.TransportError as error:
            address = self._http.base_url
            raise UnavailableError(
                f"Airflow at {address} does not answer: {str(error) or type(error).__name__}"
            ) from error


def _json(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    request = answer.request
    message = f"Airflow answers {answer.status_code} to {request.method} {request.url.path}: {_detail(answer)}"
    if answer.status_code == httpx.codes.FORBIDDEN:
        raise problem("airflow", message, "this needs a user with a higher role")
    raise UnavailableError(message) if answer.is_server_error else AssayError(message)


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _dag_run(raw: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=raw["dag_id"],
        run_id=raw["dag_run_id"],
        state=raw["state"],
        triggered_by=raw.get("triggering_user_name"),
    )


def _task_instance(raw: Mapping[str, Any]) -> TaskInstance:
    return TaskInstance(
        task_id=raw["task_id"],
        map_index=raw["map_index"],
        state=raw["state"],
        start=_time(raw["start_date"]),
        end=_time(raw["end_date"]),
        seconds=raw["duration"],
        try_number=raw["try_number"],
    )


def _approval(raw: Mapping[str, Any]) -> Approval:
    task = raw["task_instance"]
    return Approval(
        dag_id=task["dag_id"],
        run_id=task["dag_run_id"],
        task_id=task["task_id"],
        map_index=task["map_index"],
        subject=raw["subject"],
        body=raw.get("body") or "",
        options=tuple(raw["options"]),
        asked_at=datetime.fromisoformat(raw["created_at"]),
    )


def _time(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)
