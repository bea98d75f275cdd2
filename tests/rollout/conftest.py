"""The rollout's promises hold on SQLite and on PostgreSQL: every test that takes `rollouts` runs on both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.postgres import Parted, binaries, parted_database, server

from assay.rollout import Rollouts, create_tables, open_database
from assay.rollout.roles import grant_tables
from assay.rollout.tables import METADATA

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
def shared(postgres: str) -> Iterator[Parted]:
    """As `parted`, for all tests, each of which makes its tables anew."""
    with parted_database(postgres) as found:
        yield found


@pytest.fixture(params=BACKENDS)
def rollouts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollouts]:
    """On PostgreSQL as the application, which does not own the tables."""
    if request.param == "sqlite":
        engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
        create_tables(engine)
        yield Rollouts(engine)
        engine.dispose()
        return
    roles = request.getfixturevalue("shared")
    owner, engine = open_database(roles.owner), open_database(roles.application)
    grant_tables(owner, application=str(engine.url.username))
    create_tables(engine)
    yield Rollouts(engine)
    engine.dispose()
    METADATA.drop_all(owner)
    owner.dispose()
