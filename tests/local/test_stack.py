"""Up, down and status, with stand-ins for the programs: quick servers that answer as the real ones do."""

import os
import shutil
import signal
import socket
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.core import UnavailableError, UserError
from assay.local import ports, processes, services, stack, state
from assay.local.environment import environment, socket_file
from assay.local.services import SERVICES, SIGNER, Service
from assay.registry.keys import Keyring, create_keys
from assay.registry.private_keys import PRIVATE_KEYS, KeyFiles

NAMES = [service.name for service in SERVICES]
ACCOUNTS: list[tuple[str, dict[str, Any]]] = []
"""What the stack asked of MLflow's users; the real server is asked in test_real_stack."""

STAND_IN = """
    import base64, json, os, pathlib, sys, time
    from datetime import datetime, timezone
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    name, port, home = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    print("I am", name, flush=True)
    if (home / (name + ".broken")).exists():
        sys.exit("there is something wrong with " + name)
    if name.startswith("airflow-") and name != "airflow-api":
        if name != "airflow-scheduler" or not (home / "silent").exists():
            while True:
                draft = home / (name + ".draft")
                draft.write_text(datetime.now(timezone.utc).isoformat())
                draft.replace(home / (name + ".beat"))  # whole: a reader must not meet an empty file
                time.sleep(0.05)
        time.sleep(300)

    def part(service, key):
        file = home / (service + ".beat")
        return {"status": "healthy", f"latest_{key}_heartbeat": file.read_text() or None} if file.exists() else {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body, code = {}, 200
            if name == "airflow-api":
                keys = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}
                body = {key: part("airflow-" + service, key) for service, key in keys.items()}
            elif name == "mlflow":
                password = base64.b64decode(self.headers["Authorization"].split()[1]).decode().split(":")[1]
                code = 200 if password == (home / "known-password").read_text() else 401
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())
        def log_message(self, *_):
            pass

    if name == "signer":
        import socketserver

        (home / "run").mkdir(exist_ok=True)
        pathlib.Path(port).unlink(missing_ok=True)
        socketserver.ThreadingUnixStreamServer(port, Handler).serve_forever()
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""

PREPARE = """
    import pathlib, sqlite3, sys
    file = pathlib.Path(sys.argv[1])
    password = file.parents[1] / "known-password"
    if not password.exists():
        password.write_text(sys.argv[2])
    print("prepared", file)
    if (file.parents[1] / "unpreparable").exists():
        sys.exit("no such table")
    sqlite3.connect(file).execute("CREATE TABLE IF NOT EXISTS t (x)")
"""


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    script, prepare = tmp_path / "stand_in.py", tmp_path / "prepare.py"
    script.write_text(textwrap.dedent(STAND_IN))
    prepare.write_text(textwrap.dedent(PREPARE))
    folder = tmp_path / "home"

    def command(service: Service, *, home: Path, ports: dict[str, int]) -> list[str]:
        where = socket_file(home) if service.name == SIGNER else ports[service.address]
        return [sys.executable, str(script), service.name, str(where), str(home)]

    def preparation(store: str, home: Path) -> list[str]:
        secret = stack.load_or_create(home)["mlflow_admin_password"]
        return [sys.executable, str(prepare), str(services.store_file(store, home)), secret]

    monkeypatch.setattr(services, "command", command)
    monkeypatch.setattr(services, "preparation", preparation)
    monkeypatch.setattr(ports, "PREFERRED", {"airflow": free(), "mlflow": free(), "gateway": free()})
    monkeypatch.setattr(stack, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr(stack, "ensure_accounts", lambda uri, **given: ACCOUNTS.append((uri, given)))
    ACCOUNTS.clear()
    yield folder
    processes.end(state.load(folder).processes.values(), home=folder, grace=0.5)
    assert processes.marked(folder) == []


def healthy(home: Path) -> list[str]:
    return [found.name for found in stack.status(home) if found.healthy]


@contextmanager
def stack_elsewhere(tmp_path: Path) -> Iterator[Mapping[str, int]]:
    """The ports of another stack, up in a folder of its own."""
    other = tmp_path / "other"
    try:
        yield stack.up(other).ports
    finally:
        stack.down(other, grace=0.5)


def kill(home: Path, name: str) -> int:
    identity = state.load(home).processes[name]
    os.kill(identity.pid, signal.SIGKILL)
    while processes.is_running(identity):
        time.sleep(0.02)
    return identity.pid


def test_up_status_down(home: Path) -> None:
    told: list[tuple[str, str]] = []
    assert healthy(home) == []
    running = stack.up(home, progress=lambda *event: told.append(event))
    assert set(running.started) == set(NAMES)
    assert healthy(home) == NAMES
    assert {name for name, event in told if event == "healthy"} == set(NAMES)
    assert all(found.log.read_text() == f"I am {found.name}\n" for found in stack.status(home))
    assert sorted(stack.down(home)) == sorted(NAMES)
    assert healthy(home) == []
    assert processes.marked(home) == []
    assert stack.down(home) == []


def test_up_again_does_nothing_and_a_restart_keeps_its_ports_and_secrets(home: Path) -> None:
    first = stack.up(home)
    pids = [found.pid for found in stack.status(home)]
    again = stack.up(home)
    assert again.started == ()
    assert [found.pid for found in stack.status(home)] == pids
    stack.down(home)
    told: list[str] = []
    second = stack.up(home, progress=lambda _, event: told.append(event))
    assert (second.ports, second.secrets) == (first.ports, first.secrets)
    assert "preparing" not in told, "stores are prepared once for each version"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".pem", ".json")}


def test_private_keys_are_made_once_in_the_signer_s_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PRIVATE_KEYS:
        monkeypatch.delenv(name, raising=False)
    folder = Path(stack.up(home).environment["ASSAY_KEYS"])
    private = home / "signer"
    made = contents(folder), contents(private)
    assert (made[0].keys(), made[1].keys()) == ({"trusted.json"}, {"signing.pem", "model.pem"})
    assert private.stat().st_mode & 0o777 == 0o700
    assert {(private / name).stat().st_mode & 0o777 for name in ("signing.pem", "model.pem")} == {0o600}
    keyring = Keyring.open(folder, private=KeyFiles(private))
    assert keyring.sign(b"").key in keyring.trusted
    stack.down(home)
    stack.up(home)
    assert (contents(folder), contents(private)) == made


def test_only_the_signer_is_told_of_the_private_keys(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = create_keys(tmp_path / "given")
    monkeypatch.setenv("ASSAY_SIGNING_KEY", (given.folder / "signing.pem").read_text())
    running = stack.up(home)
    for name, identity in state.load(home).processes.items():
        told = psutil.Process(identity.pid).environ()
        secret = {"ASSAY_SIGNING_KEY", "ASSAY_SIGNER_KEYS"}
        assert secret & told.keys() == (secret if name == SIGNER else set()), name
    assert not (set(PRIVATE_KEYS) | {"ASSAY_SIGNER_KEYS"}) & running.environment.keys()
    assert running.environment["ASSAY_SIGNER"] == f"unix:{home}/run/signer.sock"
    assert contents(home / "signer").keys() == {"model.pem"}
    assert given.own("records").public == Keyring.open(home / "keys").own("records").public


def test_the_keys_of_an_older_stack_are_moved_and_those_that_ran_with_them_are_started_anew(home: Path) -> None:
    before = create_keys(home / "keys")
    signature = before.sign(b"a record")
    old = contents(home / "keys")
    first = stack.up(home)
    assert contents(home / "keys") == {"trusted.json": old["trusted.json"]}
    assert contents(home / "signer") == {name: old[name] for name in ("signing.pem", "model.pem")}
    assert Keyring.open(home / "keys").doubt(b"a record", signature) == ""
    for name in ("signing.pem", "model.pem"):  # as a stack that was started before there was a signer
        (home / "signer" / name).rename(home / "keys" / name)
    assert set(stack.up(home).started) == set(first.started)
    assert contents(home / "signer") == {name: old[name] for name in ("signing.pem", "model.pem")}


def test_two_keys_for_one_use_are_told_and_neither_is_lost(home: Path) -> None:
    stack.up(home)
    stack.down(home, grace=0.5)
    create_keys(home / "other")
    (home / "other" / "model.pem").rename(home / "keys" / "model.pem")
    with pytest.raises(UserError, match=r"keys/model\.pem: is another key than that in .*signer"):
        stack.up(home)
    assert (home / "keys" / "model.pem").exists()
    assert (home / "signer" / "model.pem").exists()
    assert state.load(home).processes == {}


def test_what_is_no_key_is_told_before_anything_starts(home: Path) -> None:
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "signing.pem").write_text("spoilt")
    with pytest.raises(UserError, match=r"signing\.pem: is not an Ed25519 private key"):
        stack.up(home)
    assert state.load(home).processes == {}


def test_only_what_is_missing_is_started(home: Path) -> None:
    stack.up(home)
    kill(home, "mlflow")
    assert set(NAMES) - set(healthy(home)) == {"mlflow"}
    before = {found.name: found.pid for found in stack.status(home)}
    assert stack.up(home).started == ("mlflow",)
    after = {found.name: found.pid for found in stack.status(home)}
    assert {name for name in NAMES if before[name] != after[name]} == {"mlflow"}


def test_a_heartbeat_of_a_predecessor_does_not_count(home: Path) -> None:
    stack.up(home)
    kill(home, "airflow-scheduler")
    (home / "silent").touch()
    with pytest.raises(UnavailableError, match=r"airflow-scheduler is not healthy .* no heartbeat since its start"):
        stack.up(home, timeout=1)
    assert "no heartbeat since its start" in {found.health for found in stack.status(home)}


def test_a_service_that_ends_is_named_with_the_end_of_its_log(home: Path) -> None:
    home.mkdir()
    (home / "gateway.broken").touch()
    with pytest.raises(UnavailableError, match=r"gateway ended with exit code 1(.|\n)*something wrong with gateway"):
        stack.up(home)
    (home / "gateway.broken").unlink()
    stack.up(home)
    assert healthy(home) == NAMES


def test_a_store_that_cannot_be_prepared_is_named(home: Path) -> None:
    home.mkdir()
    (home / "unpreparable").touch()
    with pytest.raises(UnavailableError, match=r"store could not be prepared(.|\n)*no such table"):
        stack.up(home)
    assert "mlflow" not in state.load(home).prepared


def test_stores_let_readers_go_on_while_somebody_writes(home: Path) -> None:
    import sqlite3
    from contextlib import closing

    stack.up(home)
    for store in services.STORES:
        with closing(sqlite3.connect(services.store_file(store, home))) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_requested_port_is_taken_or_refused(home: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        taken = server.getsockname()[1]
        with pytest.raises(UserError, match=f"--mlflow-port: port {taken} is taken"):
            stack.up(home, requested={"mlflow": taken})
    wanted = free()
    assert stack.up(home, requested={"mlflow": wanted}).ports["mlflow"] == wanted
    with pytest.raises(UserError, match=f"mlflow is already up on port {wanted}"):
        stack.up(home, requested={"mlflow": free()})
    assert stack.up(home, requested={"mlflow": wanted}).started == ()


@pytest.mark.parametrize("name", ["airflow", "mlflow", "gateway"])
def test_an_answer_on_a_port_that_another_program_took_is_not_taken_for_our_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with stack_elsewhere(tmp_path) as taken:
        monkeypatch.setattr(ports, "is_free", lambda _: True)  # taken only after we had looked
        mine = {each: free() for each in taken} | {name: taken[name]}
        with pytest.raises(UnavailableError, match=r"ended with exit code 1(.|\n)*Address already in use"):
            stack.up(home, requested=mine)
        assert not {found.name for found in stack.status(home) if found.port == taken[name]} & set(healthy(home))


def test_when_an_address_changes_all_start_anew_to_learn_it(home: Path) -> None:
    first = stack.up(home)
    kill(home, "gateway")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", first.ports["gateway"]))
        squatter.listen()
        second = stack.up(home)
        assert second.ports["gateway"] != first.ports["gateway"]
        assert set(second.started) == set(NAMES)


def test_down_finds_what_a_lost_record_does_not_name(home: Path) -> None:
    stack.up(home)
    state.state_file(home).unlink()
    assert stack.down(home) == []
    assert processes.marked(home) == []


def test_down_with_a_stale_record_alone_does_no_harm(home: Path) -> None:
    stack.up(home)
    record = state.load(home)
    stack.down(home)
    record.processes["mlflow"] = processes.Identity(pid=os.getpid(), birth=1.0, spawned=time.time())
    state.save(home, record)
    assert stack.down(home) == []
    assert state.load(home).processes == {}


def test_secrets_that_do_not_fit_the_store_are_told(home: Path) -> None:
    stack.up(home)
    stack.down(home)
    (home / "secrets.json").unlink()
    with pytest.raises(UserError, match="does not accept the administrator's password"):
        stack.up(home)


def test_no_room_on_the_disk_is_told_before_anything_starts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=3 * 1024**2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UnavailableError, match="3 MB free"):
        stack.up(home)
    assert state.load(home).processes == {}


def test_programs_that_are_not_installed_are_all_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "BIN", Path("/nowhere"))
    with pytest.raises(UserError, match=r"airflow(.|\n)*mlflow"):
        stack.up(home)


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="cannot write"):
        stack.up(tmp_path / "file" / "home")


def test_two_cannot_start_at_once(home: Path) -> None:
    with state.locked(home), pytest.raises(UnavailableError, match="at work"):
        stack.up(home)


def test_tasks_and_gateway_get_accounts_of_their_own_at_every_start(home: Path) -> None:
    running = stack.up(home)
    stack.up(home)
    admin = ("admin", running.secrets["mlflow_admin_password"])
    passwords = {name: running.secrets[f"mlflow_{name}_password"] for name in ("pipeline", "gateway")}
    assert [(running.url("mlflow"), {"admin": admin, "passwords": passwords})] * 2 == ACCOUNTS


def test_no_other_process_gets_the_administrator_s_password_of_mlflow(home: Path) -> None:
    running = stack.up(home)
    secret = running.secrets["mlflow_admin_password"].encode()
    found = {name: Path(f"/proc/{i.pid}/environ").read_bytes() for name, i in state.load(home).processes.items()}
    assert {name for name, given in found.items() if secret in given} == {"mlflow"}
    assert b"MLFLOW_TRACKING_USERNAME=gateway" in found["gateway"]
    assert b"MLFLOW_TRACKING_USERNAME=pipeline" in found["airflow-scheduler"]


def test_the_environment_of_a_stack_is_that_of_its_processes(home: Path) -> None:
    running = stack.up(home)
    assert running.environment == environment(home, running.ports, running.secrets)
    assert "password" not in repr(running)
