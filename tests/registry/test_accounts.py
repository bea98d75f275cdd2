"""Each account of MLflow's server can do its work and no more; shown on a real server with basic-auth."""

from dataclasses import replace

import httpx
import pytest
from tests.conftest import running_mlflow
from tests.evidence.whole import make_whole
from tests.pipeline.conftest import NOISE
from typer.testing import CliRunner

from assay.cli import app
from assay.core import UnavailableError, UserError
from assay.registry.accounts import RIGHTS, ensure_accounts
from assay.registry.artifacts import fetch_model
from assay.registry.versions import delete_alias, set_alias
from assay.registry.wire import put_file

pytestmark = [pytest.mark.filterwarnings(each) for each in NOISE]
ADMIN = ("admin", "the-admin-of-the-tests")
PASSWORDS = {name: f"the-{name}-of-the-tests" for name in RIGHTS}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_mlflow(tmp_path_factory.mktemp("accounts"), admin_password=ADMIN[1]) as settings:
        ensure_accounts(settings.tracking_uri, admin=ADMIN, passwords=PASSWORDS)
        yield settings


@pytest.fixture
def login(monkeypatch):
    def change(name):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", {**PASSWORDS, "admin": ADMIN[1]}[name])

    return change


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A whole run, made by the pipeline's account."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "pipeline")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORDS["pipeline"])
        patch.setattr("assay.training.relay.Box", _open_box())
        root = tmp_path_factory.mktemp("made")
        own = replace(server, operations_db=f"sqlite:///{root / 'operations.db'}", snapshots=str(root / "snapshots"))
        run = make_whole(own, root)
        set_alias(run.dossier, "challenger", 1)
        delete_alias(run.dossier, "challenger", 1)
        set_alias(run.dossier, "champion", 1)
        return run


def _open_box():
    from tests.boxes import OpenBox

    return OpenBox


def as_user(server, name):
    password = {**PASSWORDS, "admin": ADMIN[1]}[name]
    return httpx.Client(base_url=f"{server.tracking_uri}/api", auth=(name, password), trust_env=False, timeout=60)


def test_the_pipeline_s_account_makes_a_version_and_moves_its_aliases(made, login):
    login("pipeline")
    model = made.dossier.client.get_registered_model(made.folder.policy.model)
    assert model.aliases == {"champion": "1", "canary": "1"}


def test_the_gateway_s_account_reads_the_model_that_it_serves(made, server, login):
    login("gateway")
    candidate = made.candidate
    assert fetch_model(server, candidate.path, candidate.digest)


def writes(made):
    """What changes evidence, models or accounts: method, path and body."""
    model, run_id = made.folder.policy.model, made.dossier.run_id
    version = {"name": model, "version": "1"}
    experiment = made.dossier.client.get_run(run_id).info.experiment_id
    candidate = made.candidate.model_id
    return [
        ("POST", "2.0/mlflow/registered-models/alias", {"name": model, "alias": "champion", "version": "1"}),
        ("DELETE", "2.0/mlflow/registered-models/alias", {"name": model, "alias": "champion"}),
        ("POST", "2.0/mlflow/registered-models/set-tag", {"name": model, "key": "k", "value": "v"}),
        ("POST", "2.0/mlflow/model-versions/set-tag", {**version, "key": "k", "value": "v"}),
        ("POST", "2.0/mlflow/model-versions/create", {"name": model, "source": f"models:/{candidate}"}),
        ("PATCH", "2.0/mlflow/model-versions/update", {**version, "description": "better"}),
        ("DELETE", "2.0/mlflow/model-versions/delete", version),
        ("DELETE", "2.0/mlflow/registered-models/delete", {"name": model}),
        ("POST", "2.0/mlflow/runs/create", {"experiment_id": experiment}),
        ("POST", "2.0/mlflow/runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"}),
        ("POST", "2.0/mlflow/runs/log-batch", {"run_id": run_id, "tags": [{"key": "k", "value": "v"}]}),
        ("POST", "2.0/mlflow/runs/delete", {"run_id": run_id}),
        ("POST", "2.0/mlflow/logged-models", {"experiment_id": experiment, "name": "other"}),
        ("PATCH", f"2.0/mlflow/logged-models/{candidate}/tags", {"tags": [{"key": "k", "value": "v"}]}),
        ("POST", "2.0/mlflow/experiments/delete", {"experiment_id": experiment}),
        ("POST", "2.0/mlflow/users/create", {"username": "mallory", "password": "a-long-password"}),
        ("PATCH", "2.0/mlflow/users/update-admin", {"username": "gateway", "is_admin": True}),
        ("POST", "3.0/mlflow/users/permissions/grant", {
            "username": "gateway", "resource_type": "registered_model", "resource_id": "*", "permission": "MANAGE",
        }),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["gateway", "pages"])
def test_an_account_that_reads_changes_nothing(made, server, login, name):
    login("pipeline")
    asked = writes(made)
    with as_user(server, name) as http:
        answers = {f"{method} {path}": http.request(method, path, json=body) for method, path, body in asked}
    assert {what: answer.status_code for what, answer in answers.items() if answer.status_code != 403} == {}
    login(name)
    with pytest.raises(UnavailableError, match="403"):
        put_file(server.tracking_uri, f"{made.candidate.folder}/model.onnx", b"another model")
    login("pipeline")
    assert fetch_model(server, made.candidate.path, made.candidate.digest)


def test_the_gateway_s_account_makes_no_registered_model(server):
    with as_user(server, "gateway") as http:
        answer = http.post("2.0/mlflow/registered-models/create", json={"name": "planted"})
    assert answer.status_code == 403


def test_the_pipeline_s_account_is_no_administrator(server):
    with as_user(server, "pipeline") as http:
        made = http.post("2.0/mlflow/users/create", json={"username": "mallory", "password": "a-long-password"})
        admin = http.patch("2.0/mlflow/users/update-admin", json={"username": "pipeline", "is_admin": True})
        password = http.patch("2.0/mlflow/users/update-password", json={"username": "admin", "password": "x" * 20})
    assert [each.status_code for each in (made, admin, password)] == [403] * 3


def test_a_second_run_changes_nothing_and_a_new_password_counts(server):
    assert ensure_accounts(server.tracking_uri, admin=ADMIN, passwords=PASSWORDS) == []
    new = {**PASSWORDS, "pages": "another-password-of-the-tests"}
    assert ensure_accounts(server.tracking_uri, admin=ADMIN, passwords=new) == ["changed the password of pages"]
    ensure_accounts(server.tracking_uri, admin=ADMIN, passwords=PASSWORDS)


def test_rights_that_an_account_should_not_have_are_taken_away(server):
    with as_user(server, "admin") as http:
        for kind in ("registered_model", "experiment"):
            body = {"username": "pages", "resource_type": kind, "resource_id": "*", "permission": "MANAGE"}
            assert http.post("3.0/mlflow/users/permissions/revoke", json=body).status_code == 200
            assert http.post("3.0/mlflow/users/permissions/grant", json=body).status_code == 200
        http.patch("2.0/mlflow/users/update-admin", json={"username": "pages", "is_admin": True})
    changed = ensure_accounts(server.tracking_uri, admin=ADMIN, passwords=PASSWORDS)
    assert "took the administrator's rights from pages" in changed
    assert ensure_accounts(server.tracking_uri, admin=ADMIN, passwords=PASSWORDS) == []


def test_a_wrong_administrator_and_a_short_password_are_refused_in_one_line(server):
    for admin in (("admin", "wrong"), ("pages", PASSWORDS["pages"])):
        with pytest.raises(UserError):
            ensure_accounts(server.tracking_uri, admin=admin, passwords=PASSWORDS)
    with pytest.raises(UserError, match="pages") as refused:
        ensure_accounts(server.tracking_uri, admin=ADMIN, passwords={"pages": "short"})
    assert "scrypt" not in str(refused.value)


def test_the_command_lists_every_variable_that_is_missing(monkeypatch):
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    done = CliRunner().invoke(app, ["registry", "init"])
    assert done.exit_code != 0
    assert all(f"ASSAY_MLFLOW_{name.upper()}_PASSWORD" in done.output for name in RIGHTS)
    assert "MLFLOW_TRACKING_PASSWORD" in done.output
