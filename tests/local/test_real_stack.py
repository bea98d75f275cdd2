"""The real programs: one stack, a question asked by one user and answered by another, nothing left behind."""

import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from assay.core import UserError
from assay.local import environment, ports, processes, stack, state
from assay.local.airflow_api import AirflowApi
from assay.local.stack import Stack

pytestmark = pytest.mark.stack

DAG = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag

@dag(schedule=None)
def ask():
    ApprovalOperator(task_id="approval", subject="May it go on?", body="It would like to.")

ask()
"""

ENDINGS = """
from airflow.sdk import DAG, BaseOperator
from assay.core import UnavailableError
from assay.pipeline.ending import ended
from assay.pipeline.operators import RefusedOperator


class Unavailable(BaseOperator):
    def execute(self, context):
        raise ended(UnavailableError("MLflow failed while reading the run"))


class Surprised(BaseOperator):
    def execute(self, context):
        raise ZeroDivisionError("a mistake of our own")


with DAG("endings", schedule=None):
    RefusedOperator(task_id="refused", reason="policy.yaml: owner: is missing", retries=3)
    Unavailable(task_id="unavailable")
    Surprised(task_id="surprised")
"""


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("dags", "plugins"):
        (root / folder).mkdir()
    (root / "dags" / "ask.py").write_text(DAG)
    (root / "dags" / "endings.py").write_text(ENDINGS)
    (root / "include").symlink_to(environment.ROOT / "include")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "ROOT", root)
        patch.setattr(ports, "PREFERRED", {"airflow": free(), "mlflow": free(), "gateway": free()})
        try:
            yield stack.up(root / ".assay")
        finally:
            stack.down(root / ".assay")


def user(running: Stack, name: str) -> AirflowApi:
    return AirflowApi(running.url("airflow"), username=name, password=running.secrets[f"airflow_{name}_password"])


def test_the_accounts_of_tasks_and_gateway_can_log_in_to_mlflow_and_are_no_administrators(running: Stack) -> None:
    for name in ("pipeline", "gateway"):
        login = (name, running.secrets[f"mlflow_{name}_password"])
        answer = httpx.get(f"{running.url('mlflow')}/api/2.0/mlflow/users/current", auth=login, trust_env=False)
        assert (answer.json()["user"]["username"], answer.json()["user"]["is_admin"]) == (name, False)


def test_every_service_is_healthy(running: Stack) -> None:
    assert {found.name: found.health for found in stack.status(running.home)} == dict.fromkeys(
        running.started, "healthy"
    )


def test_the_engineer_triggers_and_the_reviewer_answers(running: Stack) -> None:
    with user(running, "engineer") as engineer, user(running, "reviewer") as reviewer:
        engineer.wait_until_parsed("ask")
        assert engineer.import_errors() == []
        run = engineer.trigger("ask", note="because")
        assert run.triggered_by == "engineer"
        deadline = time.monotonic() + 60
        while not (asked := reviewer.pending_approvals("ask", run.run_id)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (asked[0].subject, asked[0].body) == ("May it go on?", "It would like to.")
        reviewer.answer(asked[0], options=["Approve"])
        while not (run := engineer.dag_run("ask", run.run_id)).ended:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert run.state == "success"
        tasks = engineer.task_instances("ask", run.run_id)
        assert [(task.task_id, task.state) for task in tasks] == [("approval", "success")]


def test_a_log_ends_with_what_to_do_and_not_with_a_stack_trace(running: Stack) -> None:
    with user(running, "engineer") as engineer:
        engineer.wait_until_parsed("endings")
        run = engineer.trigger("endings")
        deadline = time.monotonic() + 180
        while not engineer.dag_run("endings", run.run_id).ended:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        tries = {task.task_id: (task.state, task.try_number) for task in engineer.task_instances("endings", run.run_id)}
    assert tries == dict.fromkeys(("refused", "unavailable", "surprised"), ("failed", 1))  # what is refused is final
    said = {name: last_error(running, run.run_id, name) for name in tries}
    assert said["refused"]["event"].startswith("policy.yaml: owner: is missing\nWhat to do: fix what is listed above")
    assert said["unavailable"]["event"].startswith("MLflow failed while reading the run\nAirflow tries this task again")
    assert "error_detail" not in said["refused"].keys() | said["unavailable"].keys()
    assert "ZeroDivisionError" in str(said["surprised"]["error_detail"])  # what nobody foresaw keeps its trace


def last_error(running: Stack, run_id: str, task: str) -> dict:
    log = (
        running.home / "logs" / "airflow" / "dag_id=endings" / f"run_id={run_id}" / f"task_id={task}" / "attempt=1.log"
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    places = [place for place, line in enumerate(lines) if line["level"] == "error"]
    assert all(line["event"].startswith("::") for line in lines[places[-1] + 1 :])  # only marks of groups follow
    return lines[places[-1]]


def test_nobody_but_the_owner_can_read_anything_of_it(running: Stack) -> None:
    entries = [running.home, *running.home.rglob("*")]
    kept = {entry.name for entry in entries}
    assert kept >= {"airflow.db", "mlflow.db", "auth.db", "operations.db", "secrets.json", "attempt=1.log", "artifacts"}
    assert [f"{stat.filemode(mode)} {entry}" for entry, mode in open_to_others(entries)] == []


def open_to_others(entries: list[Path]) -> Iterator[tuple[Path, int]]:
    for entry in entries:
        with suppress(FileNotFoundError):  # the servers go on working
            mode = entry.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                yield entry, mode


def test_what_an_earlier_release_left_open_is_closed_by_the_next_up(running: Stack) -> None:
    database = running.home / "airflow" / "airflow.db"
    database.chmod(0o644)
    running.home.chmod(0o755)
    assert stack.up(running.home).started == ()
    assert list(open_to_others([running.home, database])) == []


def test_a_wrong_password_is_refused(running: Stack) -> None:
    nobody = AirflowApi(running.url("airflow"), username="admin", password="guess")
    with nobody, pytest.raises(UserError, match='"admin"'):
        nobody.login()


def test_no_process_but_the_signer_holds_a_private_key_or_knows_of_one(running: Stack) -> None:
    private = running.home / "signer"
    secrets = {line for file in private.glob("*.pem") for line in file.read_bytes().splitlines() if b"KEY" not in line}
    assert len(secrets) >= 2
    holders, looked_at = set(), set()
    started = processes.marked(running.home)  # some set a title over their environment, and carry no mark then
    for identity in state.load(running.home).processes.values():
        started += processes.session_members(identity)
    for process in started:
        folder = Path(f"/proc/{process.pid}")
        try:
            told = (folder / "environ").read_bytes()
            opened = [os.fsencode(os.path.realpath(link)) for link in (folder / "fd").iterdir()]
        except (FileNotFoundError, ProcessLookupError):  # a task that has ended meanwhile
            continue
        looked_at.add(process.pid)
        known = b"PRIVATE KEY" in told or os.fsencode(private) in told or any(line in told for line in secrets)
        if known or any(each.startswith(os.fsencode(private)) for each in opened):
            holders.add(process.pid)
    pids = {found.name: found.pid for found in stack.status(running.home)}
    assert looked_at >= set(pids.values())
    assert holders == {pids["signer"]}


def test_down_leaves_no_process_behind(running: Stack) -> None:
    before = {process.pid for process in processes.marked(running.home)}
    assert len(before) >= len(running.started)
    assert sorted(stack.down(running.home)) == sorted(running.started)
    assert processes.marked(running.home) == []
    log_folder: Path = running.home / "logs"
    assert {file.stem for file in log_folder.glob("*.log")} >= set(running.started)
