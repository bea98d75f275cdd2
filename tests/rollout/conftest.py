"""The rollout's promises hold on SQLite and on PostgreSQL: every test that takes `rollouts` runs on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text
from tests.rollout.postgres import Parted, binaries, parted_database, server

from assay.rollout import Rollouts, create_tables, open_database
from assay.rollout.roles import grant_tables
from assay.rollout.tables import DATABASE_ID, METADATA

POSTGRES = binaries()
BACKENDS = ["sqlite", "postgresql"] if POSTGRES else ["sqlite"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if POSTGRES is None:
        terminalreporter.write_line("PostgreSQL's initdb was not found: the rollout was tested on SQLite alone")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    assert POSTGRES is not None
    with server(POSTGRES) as url:
        yield url


@pytest.fixture
def parted(postgres: str) -> Iterator[Parted]:
    """A database whose tables belong to one role and are used by another."""
    with parted_database(postgres) as found:
        yield found


@pytest.fixture(scope="session")
def roles(postgres: str) -> Iterator[Parted]:
    """As `parted`, with its tables, for all tests one after another."""
    with parted_database(postgres) as found:
        _grant(found)
        yield found


@pytest.fixture(params=BACKENDS)
def rollouts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollouts]:
    """On PostgreSQL as the application, which does not own the tables."""
    with _fresh(request, tmp_path, "application") as engine:
        yield Rollouts(engine)


@pytest.fixture(params=BACKENDS)
def owned(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollouts]:
    """On PostgreSQL as the tables' owner, who may do to them what the application may not."""
    with _fresh(request, tmp_path, "owner") as engine:
        yield Rollouts(engine)


@contextmanager
def _fresh(request: pytest.FixtureRequest, folder: Path, role: str) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = open_database(f"sqlite:///{folder / 'operations.db'}")
        create_tables(engine)
        yield engine
        engine.dispose()
        return
    roles = request.getfixturevalue("roles")
    engine = open_database(getattr(roles, role))
    create_tables(engine)
    yield engine
    if role == "owner":  # who may have done anything to them
        METADATA.drop_all(engine)
        _grant(roles)
    else:
        _empty(roles)
    engine.dispose()


def _grant(roles: Parted) -> None:
    owner = open_database(roles.owner)
    grant_tables(owner, application=str(make_url(roles.application).username))
    owner.dispose()


def _empty(roles: Parted) -> None:
    """Take all rows away, as only a superuser can, for whom the triggers are silent."""
    superuser = open_database(roles.superuser)
    with superuser.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        names = [table.name for table in METADATA.sorted_tables if table is not DATABASE_ID]
        connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY"))
    superuser.dispose()
