"""A command finds the stack of its folder, and never overrules the shell."""

import os

import pytest

from assay.core import UserError
from assay.local.adopt import adopt
from assay.local.secrets import load_or_create
from assay.local.state import State, save, state_file

PORTS = {"airflow": 1, "mlflow": 2, "gateway": 3}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("ASSAY_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ) | {"ASSAY_HOME": str(tmp_path)})
    return tmp_path


def test_without_a_stack_nothing_changes(home):
    before = dict(os.environ)
    adopt()
    save(home, State())  # ended before it had ports
    load_or_create(home)
    adopt()
    assert os.environ == before


def test_the_stack_of_this_folder_is_spoken_to(home):
    save(home, State(ports=PORTS))
    secrets = load_or_create(home)
    adopt()
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:2"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == secrets["mlflow_pipeline_password"]
    assert os.environ["ASSAY_GATEWAY_URL"] == "http://127.0.0.1:3"
    assert os.environ["ASSAY_SIGNER"] == f"unix:{home}/run/signer.sock"
    assert "ASSAY_SIGNER_KEYS" not in os.environ  # an older stack keeps its keys there
    assert not {"MLFLOW_FLASK_SERVER_SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY"} & os.environ.keys()


def test_the_desk_is_told_where_the_private_keys_are(home):
    save(home, State(ports=PORTS))
    load_or_create(home)
    (home / "signer").mkdir()
    adopt()
    assert os.environ["ASSAY_SIGNER_KEYS"] == f"{home}/signer"
    assert os.environ["ASSAY_KEYS"] == f"{home}/keys"


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "ASSAY_OPERATIONS_DB"])
def test_a_shell_that_names_servers_is_left_alone(home, name):
    save(home, State(ports=PORTS))
    load_or_create(home)
    os.environ[name] = "elsewhere"
    adopt()
    assert os.environ[name] == "elsewhere"
    assert "ASSAY_GATEWAY_TOKEN" not in os.environ


def test_files_that_the_stack_did_not_write_are_told(home):
    load_or_create(home)
    state_file(home).write_text("[")
    with pytest.raises(UserError, match="is not the record that the stack wrote"):
        adopt()
