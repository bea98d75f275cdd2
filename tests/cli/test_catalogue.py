"""`assay catalogue`, `retire` and `delete` against a real MLflow server."""

import getpass
import json
from dataclasses import replace

import pytest
from tests.evidence.catalogued import begun, promoted, registered
from tests.pipeline.conftest import NOISE
from tests.registry.support import fresh_name
from typer.testing import CliRunner

from assay.cli import app
from assay.evidence.opening import archive, rollouts

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("operations")
    return replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")


@pytest.fixture
def model(settings, monkeypatch):
    """A model with a champion, and a version whose year of retention has passed."""
    for name in ("home", "models", "keys", "operations_db"):
        monkeypatch.setenv(f"ASSAY_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.tracking_uri)
    model = fresh_name()
    registered(settings, model, tier="high")
    registered(settings, model, at="2020-01-05T10:00:00.000Z")
    book = rollouts(settings)
    promoted(book, begun(book, model, 1))
    return model


def assay(*arguments):
    ran = CliRunner().invoke(app, list(map(str, arguments)))
    return ran.exit_code, ran.output


def test_it_lists_what_became_of_every_version(model):
    code, said = assay("catalogue", model)
    assert code == 0
    assert "version 1: champion since" in said
    assert "evidence is kept until 2036-01-05" in said
    assert "version 2: never rolled out since 2020-01-05 10:00 UTC" in said
    code, said = assay("catalogue", model, "--json")
    assert [(each["version"], each["kept_until"]) for each in json.loads(said)] == [
        (1, "2036-01-05"),
        (2, "2021-01-05"),
    ]
    assert model in assay("catalogue")[1]


def test_a_version_is_retired_under_the_user_s_name(model):
    code, said = assay("retire", model, 2, "--reason", "a withdrawn source")
    assert code == 0
    assert f"version 2: retired by {getpass.getuser()} at" in said
    assert "version 2: retired since" in assay("catalogue", model)[1]
    code, said = assay("retire", model, 1, "--reason", "r")
    assert code == 2
    assert "is champion (promote another version first)" in said


def test_deleting_asks_and_a_dry_run_only_tells(settings, model):
    code, said = assay("delete", model, 2, "--dry-run")
    assert code == 0
    assert said.startswith(f"would delete {model} version 2, the model m-")
    code, said = assay("delete", model, 2)
    assert code == 2
    assert "--yes: is needed" in said
    assert archive(settings).versions(model) == [1, 2]
    code, said = assay("delete", model, 2, "--yes")
    assert code == 0
    assert said.endswith("; 1 anchors stay\n")
    assert archive(settings).versions(model) == [1]


def test_what_must_be_kept_is_not_deleted(settings, model):
    code, said = assay("delete", model, 1, "--yes")
    assert code == 2
    assert "is champion" in said
    assert "under retention until 2036-01-05" in said
    assert assay("delete", model, 9, "--yes")[0] == 2
    assert archive(settings).versions(model) == [1, 2]
