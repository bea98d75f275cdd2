from collections.abc import Iterator
from pathlib import Path

import pytest
from assay.rollout import Rollouts, create_tables, open_database


@pytest.fixture
def rollouts(tmp_path: Path) -> Iterator[Rollouts]:
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    yield Rollouts(engine)
    engine.dispose()
