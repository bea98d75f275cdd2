"""Processes: known again, ended with all that they started, and never mistaken for another."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from assay.local import processes
from assay.local.processes import Identity

FAMILY = """
    import os, signal, subprocess, sys, time
    # A child in a process group of its own, as Airflow's tasks are, deaf to requests to end.
    if os.fork() == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(300)
    time.sleep(300)
"""


def spawn(tmp_path: Path, script: str, *arguments: str) -> Identity:
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    return processes.spawn(command, environment=os.environ, log=tmp_path / "logs" / "x.log", home=tmp_path)


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + 10
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(file.read_text())


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_output_goes_to_the_log_and_the_older_log_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        process = spawn(tmp_path, f"import sys; print('{text}'); print('err', file=sys.stderr); sys.exit(3)")
        while processes.is_running(process):
            time.sleep(0.02)
        assert processes.exit_code(process) == 3
    assert set((tmp_path / "logs" / "x.log").read_text().split()) == {"second", "err"}
    assert set((tmp_path / "logs" / "x.log.1").read_text().split()) == {"first", "err"}


def test_ending_a_process_ends_its_deaf_children_in_other_groups(tmp_path: Path) -> None:
    leader = spawn(tmp_path, FAMILY, str(tmp_path / "child"))
    child = wait_for(tmp_path / "child")
    assert processes.end([leader], grace=0.3) == []
    assert not runs(leader.pid)
    assert not runs(child)


def test_children_are_found_after_their_leader_was_killed(tmp_path: Path) -> None:
    leader = spawn(tmp_path, FAMILY, str(tmp_path / "child"))
    child = wait_for(tmp_path / "child")
    psutil.Process(leader.pid).kill()
    while processes.is_running(leader):
        time.sleep(0.02)
    assert runs(child)
    assert processes.end([leader], grace=0.1) == []
    assert not runs(child)


def test_processes_are_found_by_their_mark_when_the_record_is_lost(tmp_path: Path) -> None:
    leader = spawn(tmp_path, "import time; time.sleep(300)")
    assert [process.pid for process in processes.marked(tmp_path)] == [leader.pid]
    assert processes.end([], home=tmp_path / "another") == []
    assert processes.is_running(leader)
    assert processes.end([], home=tmp_path) == []
    assert not processes.is_running(leader)


def test_a_process_that_got_the_number_of_a_dead_one_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True) as stranger:
        earlier = Identity(pid=stranger.pid, birth=1.0, spawned=time.time())
        assert not processes.is_running(earlier)
        assert processes.session_members(earlier) == []
        assert processes.end([earlier], grace=0.2) == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_record_from_before_the_last_start_of_the_machine_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = spawn(tmp_path, FAMILY, str(tmp_path / "child"))
    child = wait_for(tmp_path / "child")
    psutil.Process(leader.pid).kill()
    while processes.is_running(leader):
        time.sleep(0.02)
    with monkeypatch.context() as later:
        later.setattr(psutil, "boot_time", lambda: time.time() + 600)
        assert processes.session_members(leader) == []
    assert child in [process.pid for process in processes.session_members(leader)]
    processes.end([leader], grace=0.1)


def test_a_process_that_ends_when_asked_is_not_waited_for(tmp_path: Path) -> None:
    leader = spawn(tmp_path, "import time; time.sleep(300)")
    start = time.monotonic()
    assert processes.end([leader], grace=30) == []
    assert time.monotonic() - start < 5


def test_a_port_is_held_by_the_session_that_listens_on_it_and_by_no_other(tmp_path: Path) -> None:
    serve = """
        import pathlib, socket, sys, time
        server = socket.create_server(("127.0.0.1", 0))
        pathlib.Path(sys.argv[1]).write_text(str(server.getsockname()[1]))
        time.sleep(300)
    """
    server, other = spawn(tmp_path, serve, str(tmp_path / "port")), spawn(tmp_path, "import time; time.sleep(300)")
    port = wait_for(tmp_path / "port")
    assert processes.listens(server, port)
    assert not processes.listens(server, port + 1)
    assert not processes.listens(other, port)
    processes.end([server, other], grace=1)
    assert not processes.listens(server, port)
