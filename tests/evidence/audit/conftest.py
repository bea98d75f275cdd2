"""One version that every test of the audit looks at, and leaves as it was."""

from datetime import timedelta

import pytest
from tests.evidence.audit.support import lag
from tests.evidence.whole import apart, make_whole

from assay.evidence.opening import rollouts
from assay.rollout.incidents import Incidents


@pytest.fixture(scope="session")
def settings(mlflow_server, tmp_path_factory):
    return apart(mlflow_server, tmp_path_factory.mktemp("audited"))


@pytest.fixture(scope="session")
def run(settings, tmp_path_factory):
    """A version that is a canary in shadow; each test leaves MLflow as it was."""
    return make_whole(settings, tmp_path_factory.mktemp("models"))


@pytest.fixture
def model(run):
    return run.folder.policy.model


@pytest.fixture
def client(run):
    return run.dossier.client


@pytest.fixture
def incidents(run):
    return Incidents(rollouts(run.settings).engine)


@pytest.fixture(autouse=True)
def nothing_lags(monkeypatch):
    """The version is minutes young; most tests are about what is wrong for longer."""
    lag(monkeypatch, timedelta(0))
