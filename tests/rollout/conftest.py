"""The rollout's promises hold on SQLite and on PostgreSQL: every test that takes `rollouts` runs on both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.postgres import binaries, server

from assay.rollout import Rollouts, create_tables, open_database
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


@pytest.fixture(params=BACKENDS)
def rollouts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollouts]:
    sqlite = request.param == "sqlite"
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}" if sqlite else request.getfixturevalue("postgres"))
    create_tables(engine)
    yield Rollouts(engine)
    if not sqlite:
        METADATA.drop_all(engine)
    engine.dispose()
