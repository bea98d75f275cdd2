"""Eight at once: no version is lost, none is made twice, and each one's dossier is complete."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.conftest import running_mlflow
from tests.faults.crowd import PROCESSES
from tests.registry.children import program
from tests.rollout.postgres import binaries, server

from assay.evidence.opening import archive
from assay.registry.images import version_tags

pytestmark = pytest.mark.stack
CROWD = Path(__file__).with_name("crowd.py")
POSTGRES = binaries()
BACKENDS = ["sqlite", "postgresql"] if POSTGRES else ["sqlite"]


@pytest.fixture(scope="module")
def postgres():
    with server(POSTGRES) as url:
        yield url


@pytest.fixture(scope="module")
def mlflow_on_postgres(postgres, tmp_path_factory):
    """An installation that keeps all it has on PostgreSQL: MLflow in one database, the operations in another."""
    with create_engine(postgres, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("CREATE DATABASE mlflow"))
    home = tmp_path_factory.mktemp("postgresql")
    store = postgres.replace("@/postgres?", "@/mlflow?")
    with running_mlflow(home, store=store) as settings:
        yield replace(settings, operations_db=postgres)


@pytest.fixture(params=BACKENDS)
def installation(request, tmp_path):
    """Settings of an installation on either database, with a folder of the test's own."""
    if request.param == "sqlite":
        shared = request.getfixturevalue("mlflow_server")
        shared = replace(shared, operations_db=f"sqlite:///{tmp_path / 'operations.db'}")
    else:
        shared = request.getfixturevalue("mlflow_on_postgres")
    return replace(shared, home=tmp_path, models=tmp_path / "models", snapshots=str(tmp_path / "snapshots"))


def given(settings):
    """The version that each process was given."""
    return [int((settings.home / f"version-{number}").read_text()) for number in range(PROCESSES)]


def assert_complete(settings, model, version, run_key):
    dossier = archive(settings).find(model=model, run_key=run_key)
    (registered,) = dossier.events("registration")
    assert registered.facts["version"] == version
    records = dossier.records()
    assert [record.kind for record in records] == [
        "request", "snapshot", "training", "contract", "performance", "fairness", "robustness", "registration",
    ]  # fmt: skip
    tags = dossier.client.get_model_version(model, str(version)).tags
    assert version_tags(records, dossier.run_id).items() <= tags.items()
    assert archive(settings).of_version(model, version).run_id == dossier.run_id
    assert archive(settings).anchors.check() == []


@pytest.mark.parametrize("candidates", ["same", "different"])
def test_eight_processes_register_at_once(installation, candidates):
    program(CROWD, installation, candidates)
    (folder,) = installation.models.iterdir()
    model = folder.name
    versions = given(installation)
    if candidates == "same":
        assert versions == [1] * PROCESSES
        assert archive(installation).versions(model) == [1]
        assert_complete(installation, model, 1, f"retrain_{model}/0")
    else:
        assert sorted(versions) == archive(installation).versions(model) == list(range(1, PROCESSES + 1))
        for number, version in enumerate(versions):
            assert_complete(installation, model, version, f"retrain_{model}/{number}")
