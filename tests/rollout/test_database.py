"""Opening the operations database, by one process and by many."""

import stat
import subprocess
import sys

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from assay.core import UnavailableError, UserError
from assay.rollout import Rollouts, create_tables, open_database
from assay.rollout.database import reading, writing
from assay.rollout.tables import DEPLOYMENT, METADATA

CREATE = "import sys; from assay.rollout import *; create_tables(open_database(sys.argv[1]))"


def test_many_processes_may_make_the_tables_at_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'deep' / 'operations.db'}"
    processes = [
        subprocess.Popen([sys.executable, "-c", CREATE, url], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    engine = open_database(url)
    assert set(inspect(engine).get_table_names()) == set(METADATA.tables)
    engine.dispose()


def test_the_file_is_private_and_commits_reach_the_disk(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    with writing(engine) as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    assert len(list(tmp_path.glob("operations.db*"))) == 4  # with its log, the index of that, and the marker
    for file in tmp_path.glob("operations.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    engine.dispose()


def test_a_writer_does_not_hold_up_readers(rollouts):
    with writing(rollouts.engine) as connection:
        connection.execute(DEPLOYMENT.insert().values(model="m", epoch=0, stage="none", share=0, updated_at=""))
        assert rollouts.current("m") is None  # not yet committed, and not waited for
    assert rollouts.current("m") is not None


def test_what_fails_half_way_leaves_nothing(rollouts):
    row = {"model": "m", "epoch": 0, "stage": "none", "share": 0, "updated_at": ""}
    with pytest.raises(IntegrityError), writing(rollouts.engine) as connection:
        connection.execute(DEPLOYMENT.insert(), [row, row])
    assert rollouts.deployments() == []


@pytest.mark.parametrize("url", ["not a url", "sqlite://", "sqlite:///:memory:"])
def test_a_useless_url_is_the_users_mistake(url):
    with pytest.raises(UserError, match="ASSAY_OPERATIONS_DB"):
        open_database(url)


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "operations.db").write_bytes(b"something else entirely" * 100)
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    with pytest.raises(UnavailableError, match="not a database"):
        create_tables(engine)
    engine.dispose()


def test_a_database_without_tables_is_unavailable(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    with pytest.raises(UnavailableError, match="no such table"), reading(engine) as connection:
        connection.execute(select(DEPLOYMENT))
    with pytest.raises(UnavailableError, match="no such table"):
        Rollouts(engine).current("income")
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be made"):
        open_database(f"sqlite:///{tmp_path / 'file' / 'operations.db'}")
