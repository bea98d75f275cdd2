"""One holder at a time, over processes and threads, and none when the holder is dead."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from assay.core import UnavailableError
from assay.rollout import exclusive, open_database

HOLD = """
import sys
from assay.rollout import exclusive, open_database
with exclusive(open_database(sys.argv[1]), "the thing"):
    print("held", flush=True)
    sys.stdin.read()
"""
# Reads and writes a number with nothing but the lock to guard it.
COUNT = """
import sys, time
from pathlib import Path
from assay.rollout import exclusive, open_database
engine, file = open_database(sys.argv[1]), Path(sys.argv[2])
for _ in range(10):
    with exclusive(engine, "count"):
        n = int(file.read_text())
        time.sleep(0.001)
        file.write_text(str(n + 1))
"""


@pytest.fixture
def engine(rollouts):
    return rollouts.engine


def run(code, engine, *arguments, **streams):
    url = engine.url.render_as_string(hide_password=False)
    return subprocess.Popen([sys.executable, "-c", code, url, *arguments], text=True, **streams)


@contextmanager
def holder(engine):
    process = run(HOLD, engine, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def is_held(engine, name):
    try:
        with exclusive(engine, name, seconds=0):
            return False
    except UnavailableError:
        return True


def test_what_a_killed_process_held_is_free_again(engine):
    with holder(engine) as process:
        with pytest.raises(UnavailableError, match=r"the thing: another process .* more than 0.1 s"):
            exclusive(engine, "the thing", seconds=0.1).__enter__()
        process.kill()  # SIGKILL: nothing of its own runs any more
        process.wait()
        with exclusive(engine, "the thing", seconds=5):
            assert is_held(engine, "the thing")


def test_whoever_waits_gets_it_when_the_holder_ends(engine):
    with holder(engine) as process, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: exclusive(engine, "the thing", seconds=10).__enter__())
        time.sleep(0.1)
        assert not waiting.done()
        process.communicate("")
        waiting.result(timeout=5)


def test_of_many_processes_none_disturbs_another(engine, tmp_path):
    (tmp_path / "count").write_text("0")
    processes = [run(COUNT, engine, str(tmp_path / "count")) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "40"


def test_threads_of_one_process_exclude_each_other_too(engine):
    inside = []

    def enter(_):
        with exclusive(engine, "the thing"):
            inside.append(1)
            alone = len(inside) == 1
            time.sleep(0.01)
            inside.pop()
        return alone

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(enter, range(8)))


def test_several_names_are_held_at_once_and_one_not_twice(engine):
    with exclusive(engine, "a/b c"), exclusive(engine, "é"), exclusive(engine, "x" * 5000):
        assert is_held(engine, "é")
    assert not is_held(engine, "é")


def test_an_error_inside_comes_out_and_frees_the_name(engine):
    with pytest.raises(ZeroDivisionError), exclusive(engine, "the thing"):
        raise ZeroDivisionError
    assert not is_held(engine, "the thing")


def test_it_leaves_no_connection_behind(engine):
    before = engine.pool.checkedout()
    for _ in range(20):
        with exclusive(engine, "the thing"):
            pass
    assert engine.pool.checkedout() == before


def test_a_lock_lost_while_it_was_held_is_said(engine):
    if engine.dialect.name == "sqlite":
        return  # the kernel loses none
    others = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    lost = pytest.raises(UnavailableError, match="lost")
    with lost, exclusive(engine, "the thing"), engine.begin() as connection:
        connection.execute(others)


def test_a_database_out_of_reach_is_unavailable(tmp_path):
    gone = open_database(f"postgresql+psycopg2://nobody@/none?host={tmp_path}")
    with pytest.raises(UnavailableError), exclusive(gone, "the thing"):
        pass
    folder = open_database(f"sqlite:///{tmp_path / 'deep' / 'operations.db'}")
    for file in (tmp_path / "deep").iterdir():
        file.unlink()
    (tmp_path / "deep").rmdir()
    with pytest.raises(UnavailableError, match="cannot be locked"), exclusive(folder, "the thing"):
        pass
