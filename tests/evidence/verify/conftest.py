"""One version with every kind of record, that every test of the verification leaves as it was."""

import pytest
from tests.evidence.whole import apart, make_whole


@pytest.fixture(scope="session")
def settings(mlflow_server, tmp_path_factory):
    return apart(mlflow_server, tmp_path_factory.mktemp("verified"))


@pytest.fixture(scope="session")
def run(settings, tmp_path_factory):
    """A version with every kind of record; each test leaves it as it was."""
    return make_whole(settings, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def model(run):
    return run.folder.policy.model


@pytest.fixture(scope="session")
def files(settings, run):
    """The folder of the run's files on the server's disk."""
    return settings.home / "artifacts" / run.dossier.location


@pytest.fixture(scope="session")
def candidate(settings, run):
    return settings.home / "artifacts" / run.candidate.folder
