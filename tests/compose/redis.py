"""A Redis server with the accounts of docker-compose.yaml, for as long as a test needs it."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as Unreachable
from tests.compose.topology import config

PASSWORDS = {"REDIS_PASSWORD": "of-airflow", "REDIS_TRAINING_PASSWORD": "of-training"}
USERS = {"airflow": "of-airflow", "training": "of-training"}
PROGRAM = shutil.which("redis-server")


@contextmanager
def server() -> Iterator[int]:
    """Start a server on a free port, and give the port."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="assay-redis-") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        accounts = Path(folder) / "users.acl"
        accounts.write_text(config("redis-accounts", PASSWORDS))
        port = int(free.getsockname()[1])
        free.close()
        command = [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(
            [*command, "--aclfile", str(accounts)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def login(port: int, user: str) -> "Redis":
    """A client that is logged in as a user."""
    return Redis(port=port, username=user, password=USERS[user], decode_responses=True)


def url(port: int, user: str) -> str:
    """The address that Celery logs in with."""
    return f"redis://{user}:{USERS[user]}@127.0.0.1:{port}/0"


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "redis-server did not start"
        try:
            login(port, "airflow").ping()
        except Unreachable:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("redis-server does not answer")
