"""The training worker's account at Redis: enough for Airflow's own Celery worker, nothing beyond its queue."""

import json
import os
import subprocess
import sys
import time
from uuid import uuid4

import pytest
from redis.exceptions import NoPermissionError
from tests.compose import redis
from tests.compose.topology import SERVICES, environment, filled

RUNNING = pytest.mark.skipif(redis.PROGRAM is None, reason="redis-server is not installed")
SENDER = """
import json, sys, time
from airflow.providers.celery.executors.celery_executor_utils import app
sent = app.tasks["execute_workload"].apply_async(args=[json.dumps({"type": "no such type"})], queue="training")
deadline = time.monotonic() + 120
while not sent.ready() and time.monotonic() < deadline:
    time.sleep(0.2)
print(json.dumps({"state": sent.state, "result": str(sent.result)}))
"""


@pytest.fixture(scope="module")
def port():
    with redis.server() as port:
        yield port


def process_environment(port, service, user, home):
    """The service's own settings, with the address of the test's server, and nothing of this process's."""
    own = environment(service, redis.PASSWORDS)
    own |= {name: redis.url(port, user) for name in own if name.endswith(("BROKER_URL", "RESULT_BACKEND"))}
    own |= {"AIRFLOW_HOME": str(home), "HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]}
    own |= {"PYTHONPATH": "include", "ASSAY_HOME": str(home), "ASSAY_MODELS": str(home / "models")}
    own |= {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"), "AIRFLOW__CORE__DAGS_FOLDER": "dags"}
    return own | {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:9/execution/"}


@RUNNING
def test_a_real_worker_takes_a_task_and_reports_its_result_with_the_training_account(port, tmp_path):
    own = process_environment(port, "airflow-training-worker", "training", tmp_path / "worker")
    home = tmp_path / "worker"
    home.mkdir()
    command = [sys.executable, "-m", "airflow", *SERVICES["airflow-training-worker"]["command"]]
    with (home / "log").open("wb") as log:
        worker = subprocess.Popen(command, env=own, stdout=log, stderr=log)
    try:
        scheduler = process_environment(port, "airflow-scheduler", "airflow", tmp_path / "scheduler")
        sent = subprocess.run([sys.executable, "-c", SENDER], env=scheduler, capture_output=True, text=True, check=True)
        said = json.loads(sent.stdout.splitlines()[-1])
        assert said["state"] == "FAILURE", (home / "log").read_text()[-3000:]
        assert "ValidationError" in said["result"]  # the worker took it and looked into it
        assert _soon((home / "assay-training-worker").exists), "no heartbeat was noted"
        log = (home / "log").read_text()
        assert "NoPermissionError" not in log
        assert "celery-task-meta" not in log
    finally:
        worker.terminate()
        worker.wait(120)
    everything = redis.login(port, "airflow")
    assert everything.llen("training") == 0
    assert everything.hlen("training:unacked") == 0


def _soon(true):
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.2)
    return true()


TO_DEFAULT, TO_TRAINING = "training\x06\x16\x06\x16default", "default\x06\x16\x06\x16training"  # of kombu's tables

# What somebody with the training worker's account would try, by what it would get them.
ATTACKS = {
    "puts a task on the gates' queue": lambda r: r.lpush("default", "a task"),
    "puts it there with a priority": lambda r: r.lpush("default\x06\x163", "a task"),
    "takes a task of the gates": lambda r: r.brpop("default", timeout=1),
    "reads the gates' queue": lambda r: r.lrange("default", 0, -1),
    "moves its own message to the gates' queue": lambda r: r.rpoplpush("training", "default"),
    "routes its exchange to the gates' queue": lambda r: r.sadd("_kombu.binding.training", TO_DEFAULT),
    "routes the gates' exchange to its own queue": lambda r: r.sadd("_kombu.binding.default", TO_TRAINING),
    "makes a routing permanent": lambda r: r.sadd("_kombu.binding_permanent.training", TO_DEFAULT),
    "has the gates' worker restore a message": lambda r: r.hset("unacked", "tag", "[]"),
    "marks it as overdue": lambda r: r.zadd("unacked_index", {"tag": 0}),
    "commands other workers": lambda r: r.publish("/0.celery.pidbox", "shutdown"),
    "answers for other workers": lambda r: r.lpush(f"{uuid4()}.reply.celery.pidbox", "pong"),
    "lists keys": lambda r: r.keys("*"),
    "walks through keys": lambda r: r.scan(),
    "takes any key": lambda r: r.randomkey(),
    "does it in a script": lambda r: r.eval("return redis.call('lpush', 'default', 'a task')", 0),
    "names the key to the script": lambda r: r.eval("return redis.call('lpush', KEYS[1], 'a task')", 1, "default"),
    "watches every command": lambda r: r.execute_command("MONITOR"),
    "reads the server's settings": lambda r: r.config_get("*"),
    "changes its own rights": lambda r: r.acl_setuser("training", enabled=True, keys=["*"]),
    "empties the server": lambda r: r.flushall(),
    "copies a key": lambda r: r.copy("training", "default"),
    "renames a key": lambda r: r.rename("training", "default"),
    "shuts the server down": lambda r: r.shutdown(),
}  # fmt: skip


@RUNNING
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_training_account_is_refused(port, attack):
    redis.login(port, "airflow").lpush("default", "a gate's task")
    with pytest.raises(NoPermissionError):
        ATTACKS[attack](redis.login(port, "training"))
    assert redis.login(port, "airflow").lrange("default", 0, -1) == ["a gate's task"]
    redis.login(port, "airflow").delete("default")


@RUNNING
def test_nobody_comes_in_without_a_password(port):
    from redis import Redis
    from redis.exceptions import AuthenticationError

    with pytest.raises(AuthenticationError):
        Redis(port=port).ping()


def test_every_password_of_an_account_is_required():
    from tests.compose.topology import COMPOSE

    text = COMPOSE["configs"]["redis-accounts"]["content"]
    assert "nopass" not in text
    assert filled(text, {}).count(" >") == 2
