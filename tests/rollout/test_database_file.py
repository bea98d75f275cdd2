"""An operations database that is deleted, moved or replaced: nothing is written into what nobody sees any more."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from assay.core import UnavailableError
from assay.rollout import Rollouts
from assay.rollout.database import create_tables, open_database, reading, writing
from assay.rollout.database_file import DatabaseLostError
from assay.rollout.tables import HEARTBEAT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "operations.db"


@pytest.fixture
def engine(path: Path):
    made = Rollouts.open(f"sqlite:///{path}").engine
    write(made, "first")
    yield made
    made.dispose()


def write(engine, process, before_commit=lambda: None):
    with writing(engine) as connection:
        connection.execute(HEARTBEAT.insert().values(process=process, at=""))
        before_commit()


def processes(engine):
    with reading(engine) as connection:
        return set(connection.execute(select(HEARTBEAT.c.process)).scalars())


def beside(path, ending):
    return path.with_name(path.name + ending)


def delete(path):
    path.rename(path.with_name("away"))


def put_back(path):
    path.with_name("away").rename(path)


def move_folder(path):
    path.parent.rename(path.parent.with_name("away"))


def move_folder_back(path):
    path.parent.with_name("away").rename(path.parent)


def replace(path):
    delete(path)
    shutil.copy(path.with_name("away"), path)


def empty(path):
    delete(path)
    path.touch()


LOST = {
    "deleted": (delete, put_back),
    "in a folder that was moved": (move_folder, move_folder_back),
    "replaced by a copy": (replace, put_back),
    "replaced by an empty file": (empty, put_back),
}


@pytest.mark.parametrize("how", LOST)
def test_a_lost_database_is_neither_read_nor_written_until_it_is_put_back(engine, path, how):
    lose, restore = LOST[how]
    lose(path)
    for _ in range(2):
        with pytest.raises(DatabaseLostError, match=r"operations\.db"):
            write(engine, "into nothing")
        with pytest.raises(DatabaseLostError):
            processes(engine)
    restore(path)
    write(engine, "again")
    assert processes(engine) == {"first", "again"}


@pytest.mark.parametrize("how", LOST)
def test_what_is_lost_during_a_commit_is_not_said_to_be_committed(engine, path, how):
    lose, _ = LOST[how]
    with pytest.raises(DatabaseLostError):
        write(engine, "late", before_commit=lambda: lose(path))


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_a_deleted_log_is_noticed_and_what_was_committed_into_it_is_saved(engine, path, ending):
    beside(path, ending).unlink()
    with pytest.raises(DatabaseLostError, match="while the database is open"):
        write(engine, "into nothing")
    write(engine, "again")
    code = (
        "import sqlite3, sys; print(sorted(row[0] for row in "
        "sqlite3.connect(sys.argv[1]).execute('SELECT process FROM heartbeat')))"
    )
    seen = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "['again', 'first']"


def test_what_was_committed_into_a_deleted_log_outlasts_kill_9(path):
    """The writer notices the deletion, saves what it holds, and is killed before it closes anything."""
    code = f"""
import os, signal
from tests.rollout.test_database_file import *
from assay.rollout import Rollouts
engine = Rollouts.open("sqlite:///{path}").engine
write(engine, "first")
beside(Path("{path}"), "-wal").unlink()
try:
    write(engine, "into nothing")
except DatabaseLostError:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(root), str(root / "include")])
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert ended.returncode == -signal.SIGKILL
    engine = Rollouts.open(f"sqlite:///{path}").engine
    assert processes(engine) == {"first"}
    engine.dispose()


@pytest.mark.parametrize("left", ["nothing", "an empty file", "another database"])
def test_no_process_begins_anew_where_a_database_was(engine, path, left, tmp_path):
    engine.dispose()
    path.rename(tmp_path / "away")
    if left == "an empty file":
        path.touch()
    if left == "another database":
        other = tmp_path / "other.db"
        Rollouts.open(f"sqlite:///{other}").engine.dispose()
        shutil.copy(other, path)
    size = path.stat().st_size if path.exists() else None
    with pytest.raises(UnavailableError, match=r"delete .*operations\.db\.id"):
        Rollouts.open(f"sqlite:///{path}")
    assert (path.stat().st_size if path.exists() else None) == size
    shutil.copy(tmp_path / "away", path)  # as from a backup
    restored = Rollouts.open(f"sqlite:///{path}").engine
    assert processes(restored) == {"first"}
    restored.dispose()


def test_who_deletes_the_marker_too_may_begin_anew(engine, path):
    engine.dispose()
    path.unlink()
    beside(path, ".id").unlink()
    anew = Rollouts.open(f"sqlite:///{path}").engine
    assert processes(anew) == set()
    anew.dispose()


def test_a_database_from_before_gets_its_marker(engine, path):
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE database_id")
    engine.dispose()
    beside(path, ".id").unlink()
    again = open_database(f"sqlite:///{path}")
    create_tables(again)
    assert processes(again) == {"first"}
    assert len(beside(path, ".id").read_text().strip()) == 32
    again.dispose()


def test_a_name_with_signs_that_an_address_would_read_is_a_name(tmp_path):
    odd = tmp_path / "a?b#c%20 d.db"
    engine = Rollouts.open(f"sqlite:///{str(odd).replace('?', '%3F')}").engine
    write(engine, "first")
    engine.dispose()
    assert list(tmp_path.glob("a*"))
