"""What the stack keeps between commands: secrets that stay, a record that is whole, a lock that holds."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from assay.core import UnavailableError, UserError
from assay.local import state
from assay.local.environment import environment, write_files
from assay.local.processes import Identity
from assay.local.secrets import load_or_create, secrets_file

PORTS = {"airflow": 8080, "mlflow": 5000, "gateway": 8010}


def test_secrets_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    first = load_or_create(tmp_path)
    assert load_or_create(tmp_path) == first
    assert secrets_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first)
    assert min(map(len, first.values())) >= 24


def test_no_two_stacks_share_a_secret(tmp_path: Path) -> None:
    one, other = load_or_create(tmp_path / "one"), load_or_create(tmp_path / "other")
    assert not set(one.values()) & set(other.values())


def test_a_secret_that_is_missing_is_added_and_the_others_stay(tmp_path: Path) -> None:
    first = load_or_create(tmp_path)
    secrets_file(tmp_path).write_text(json.dumps({k: v for k, v in first.items() if k != "gateway_token"}))
    second = load_or_create(tmp_path)
    assert second["gateway_token"]
    assert {k: v for k, v in second.items() if k != "gateway_token"} == {
        k: v for k, v in first.items() if k != "gateway_token"
    }


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    Fernet(load_or_create(tmp_path)["airflow_fernet_key"])


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_spoilt_secrets_are_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    secrets_file(tmp_path).write_text(content)
    with pytest.raises(UserError, match=r"secrets\.json"):
        load_or_create(tmp_path)
    assert secrets_file(tmp_path).read_text() == content


def test_the_record_reads_back_as_written(tmp_path: Path) -> None:
    record = state.State(
        ports=PORTS, processes={"mlflow": Identity(pid=7, birth=12.5, spawned=13.5)}, prepared={"mlflow": "3.17.2"}
    )
    state.save(tmp_path, record)
    assert state.load(tmp_path) == record
    assert state.load(tmp_path / "never") == state.State()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"ports": {"a": "x"}, "processes": {}, "prepared": {}}'])
def test_a_spoilt_record_is_told(tmp_path: Path, content: str) -> None:
    state.state_file(tmp_path).write_text(content)
    with pytest.raises(UserError, match=r"stack\.json"):
        state.load(tmp_path)


def test_only_one_command_at_a_time(tmp_path: Path) -> None:
    with state.locked(tmp_path), pytest.raises(UnavailableError, match="at work"), state.locked(tmp_path):
        pass
    with state.locked(tmp_path):
        pass


def test_the_environment_is_the_stacks_and_not_the_shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "True")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "somebody's")
    monkeypatch.setenv("NO_PROXY", "intranet")
    found = environment(tmp_path, PORTS, load_or_create(tmp_path))
    assert found["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert found["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert "MLFLOW_TRACKING_TOKEN" not in found
    assert found["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert found["ASSAY_GATEWAY_URL"] == "http://127.0.0.1:8010"
    assert all(isinstance(value, str) for value in found.values())


def test_every_airflow_option_exists(tmp_path: Path) -> None:
    import airflow
    import yaml

    known = yaml.safe_load((Path(airflow.__file__).parent / "config_templates" / "config.yml").read_text())
    for name in environment(tmp_path, PORTS, load_or_create(tmp_path)):
        if name.startswith("AIRFLOW__"):
            section, option = name.removeprefix("AIRFLOW__").lower().split("__", 1)
            assert option in known[section]["options"], name


def test_airflows_users_are_written_for_it_alone_to_read(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    write_files(tmp_path, made)
    passwords = tmp_path / "airflow" / "passwords.json"
    for user in ("admin", "engineer", "reviewer", "officer"):
        assert json.loads(passwords.read_text())[user] == made[f"airflow_{user}_password"]
    assert passwords.stat().st_mode & 0o777 == 0o600
