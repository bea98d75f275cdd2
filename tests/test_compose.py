"""The production topology, checked without a Docker engine: none is needed, or used, by these tests.

What is checked is all that a file can show: its form against the specification's schema, and that every
service, volume, variable, command and path that it names exists. That the containers come up together
is not shown here.
"""

import argparse
import copy
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.compose.topology import COMPOSE, ROOT, SERVICES, VARIABLE, config
from tests.objects import client

SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())

# Importing MLflow's server raises deprecation warnings of its own parts; none is about our code.
not_our_warnings = pytest.mark.filterwarnings("ignore")

SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|FERNET|ACCESS_KEY|REDISCLI_AUTH")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def variables() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for text in strings(COMPOSE):
        for match in VARIABLE.finditer(text):
            found.setdefault(match["name"], set()).add(match["rest"])
    return found


def documented() -> dict[str, str]:
    lines = (ROOT / "docs" / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def words(command: str | list[str] | None) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command or [])


def line(service: dict[str, Any]) -> list[str]:
    """What the container runs, without the init process before it."""
    whole = words(service.get("entrypoint")) + words(service.get("command"))
    return whole[2:] if whole[:2] == ["/usr/bin/dumb-init", "--"] else whole


def airflow_parser() -> argparse.ArgumentParser:
    from airflow.cli.cli_parser import get_parser

    get_parser.cache_clear()
    return get_parser()


def test_it_meets_the_compose_specification() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)


def test_the_schema_refuses_what_the_specification_does_not_know() -> None:
    wrong = copy.deepcopy(COMPOSE)
    wrong["services"]["redis"]["helthcheck"] = {}
    with pytest.raises(jsonschema.ValidationError, match="helthcheck"):
        jsonschema.validate(wrong, SCHEMA)


def test_the_whole_topology_is_there() -> None:
    assert set(SERVICES) >= {
        "postgres", "redis", "s3", "mlflow", "signer", "gateway", "operations-init", "mlflow-accounts",
        "airflow-init", "airflow-apiserver",
        "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker",
        "airflow-training-worker",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_dependency_exists_and_can_come_true(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed], f"{name} waits for the health of {needed}, which has no check"
        if how["condition"] == "service_completed_successfully":
            assert SERVICES[needed]["restart"].startswith("on-failure"), f"{needed} is restarted and never completes"


def test_dependencies_have_no_circle() -> None:
    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' -> '.join(path)} -> {name}"
        for needed in SERVICES[name].get("depends_on", {}):
            walk(needed, (*path, name))

    for name in SERVICES:
        walk(name, ())


def test_every_long_running_service_has_a_health_check() -> None:
    lasting = {name for name, service in SERVICES.items() if service["restart"] == "unless-stopped"}
    assert {name for name in lasting if "healthcheck" not in SERVICES[name]} == set()


@pytest.mark.parametrize("kind", ["volumes", "networks", "configs", "secrets"])
def test_what_is_declared_is_used_and_what_is_used_is_declared(kind: str) -> None:
    used = set()
    for service in SERVICES.values():
        for entry in service.get(kind, []):
            name = entry["source"] if isinstance(entry, dict) else entry.split(":")[0]
            if not name.startswith("."):
                used.add(name)
    assert used == set(COMPOSE[kind])


def test_every_mounted_path_is_in_the_repository() -> None:
    mounts = {entry.split(":")[0] for s in SERVICES.values() for entry in s.get("volumes", []) if entry[0] == "."}
    assert mounts == {"./dags", "./plugins", "./include"}
    assert all((ROOT / mount).is_dir() for mount in mounts)


def test_every_airflow_component_sees_dags_plugins_and_include() -> None:
    for name in SERVICES:
        if name.startswith("airflow-") and name != "airflow-init":
            targets = {entry.split(":")[1] for entry in SERVICES[name]["volumes"]}
            assert targets >= {"/opt/airflow/dags", "/opt/airflow/plugins", "/opt/airflow/include"}
            assert SERVICES[name]["environment"]["PYTHONPATH"] == "/opt/airflow/include"


def test_every_variable_is_documented_and_every_documented_one_is_used() -> None:
    assert set(variables()) == set(documented())


def test_the_documented_defaults_are_the_real_ones() -> None:
    for name, uses in variables().items():
        defaults = {rest.removeprefix(":-") for rest in uses if rest.startswith(":-")}
        assert len(defaults) <= 1, f"{name} has several defaults: {defaults}"
        if defaults:
            assert documented()[name] == defaults.pop()


def test_secrets_have_no_value_here_and_no_default() -> None:
    assert {name for name in variables() if SECRET.search(name)} == {n for n, v in documented().items() if not v}
    for name, uses in variables().items():
        if SECRET.search(name):
            assert all(rest.startswith(":?") for rest in uses), f"{name} must be required, with a message"
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert VARIABLE.fullmatch(value), f"{name} holds a literal"
    for text in strings(COMPOSE):  # passwords within addresses
        for password in re.findall(r"://[^/\s:@]*:([^/\s@]+)@", VARIABLE.sub(lambda m: f"<{m['name']}>", text)):
            assert re.fullmatch(r"<\w+>", password)


def test_ports_are_published_on_the_loopback_address_unless_asked() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"airflow-apiserver", "mlflow", "gateway"}
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", [n for n in SERVICES if n.startswith("airflow-") and n != "airflow-init"])
def test_airflow_commands_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = SERVICES[name]["environment"]["AIRFLOW__CORE__EXECUTOR"]
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert callable(airflow_parser().parse_args(line(SERVICES[name])).func)


def test_airflow_health_checks_exist() -> None:
    parser = airflow_parser()
    for name in ("airflow-dag-processor", "airflow-triggerer"):
        program, *rest = shlex.split(SERVICES[name]["healthcheck"]["test"][1])
        assert program == "airflow"
        assert callable(parser.parse_args(rest).func)


def test_the_airflow_parser_refuses_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        airflow_parser().parse_args(["no-such-command"])
    assert "no-such-command" in capsys.readouterr().err


@not_our_warnings
def test_mlflow_commands_exist() -> None:
    from mlflow.cli import cli

    server = cli.commands["server"]
    program, subcommand, *options = line(SERVICES["mlflow"])
    assert (program, subcommand) == ("mlflow", "server")
    given = server.make_context("server", [VARIABLE.sub("x", option) for option in options]).params
    assert given["app_name"] == "basic-auth"
    assert any(p.envvar == "MLFLOW_BACKEND_STORE_URI" for p in server.params)
    compile(line(SERVICES["mlflow-init"])[-1], "mlflow-init", "exec")
    assert "upgrade" in cli.commands["db"].commands  # type: ignore[attr-defined]


@not_our_warnings
def test_mlflow_reads_its_users_from_the_mounted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.server.auth.config import read_auth_config

    file = tmp_path / "basic_auth.ini"
    file.write_text(VARIABLE.sub("x", COMPOSE["configs"]["mlflow-auth"]["content"]))
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(file))
    assert read_auth_config().database_uri.endswith("@postgres/mlflow_auth")
    assert SERVICES["mlflow"]["configs"] == [
        {"source": "mlflow-auth", "target": SERVICES["mlflow"]["environment"]["MLFLOW_AUTH_CONFIG_PATH"]}
    ]


@not_our_warnings
def test_mlflow_lets_in_the_hosts_that_call_it() -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    option = next(o for o in line(SERVICES["mlflow"]) if o.startswith("--allowed-hosts="))
    allowed = option.removeprefix("--allowed-hosts=").split(",")
    called = SERVICES["airflow-worker"]["environment"]["MLFLOW_TRACKING_URI"].removeprefix("http://")
    assert is_allowed_host_header(allowed, called)
    assert not is_allowed_host_header(allowed, "elsewhere.example")


@pytest.mark.parametrize("name", ["gateway", "signer", "operations-init", "mlflow-accounts"])
def test_our_commands_exist(name: str) -> None:
    import typer

    from assay.cli import app

    python, module_option, module, *arguments = line(SERVICES[name])
    assert [python, module_option, module] == ["python", "-m", "assay"]
    assert (ROOT / "include" / "assay" / "__main__.py").is_file()
    command, given = typer.main.get_command(app), list(arguments)
    while commands := getattr(command, "commands", None):
        command = commands[given.pop(0)]
    assert command.make_context(name, given)


def test_what_the_registry_job_is_given_is_what_it_asks_for() -> None:
    from assay.registry.accounts import RIGHTS

    asked = {f"ASSAY_MLFLOW_{name.upper()}_PASSWORD" for name in RIGHTS}
    assert asked <= set(SERVICES["mlflow-accounts"]["environment"])


def test_the_accounts_job_of_airflow_compiles_and_uses_what_it_is_given() -> None:
    script = config("airflow-accounts")
    compile(script, "accounts.py", "exec")
    names = set(re.findall(r'"(ADMIN_USER|\w+_PASSWORD)"', script))
    assert names <= set(SERVICES["airflow-init"]["environment"])


def test_the_bucket_job_compiles_and_uses_what_it_is_given() -> None:
    script = line(SERVICES["s3-bucket"])[-1]
    compile(script, "s3-bucket", "exec")
    needed = set(re.findall(r'os\.environ\["(\w+)"\]', script))
    assert needed <= set(SERVICES["s3-bucket"]["environment"])


def test_the_bucket_job_makes_what_is_stored_in(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: documented().get(name, "") for name in ("S3_BUCKET", "ASSAY_SNAPSHOTS")}
    environment = {"BUCKET": given["S3_BUCKET"], "ASSAY_SNAPSHOTS": given["ASSAY_SNAPSHOTS"], **s3_server}
    for name, value in {**environment, "MLFLOW_S3_ENDPOINT_URL": s3_server["AWS_ENDPOINT_URL"]}.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        exec(line(SERVICES["s3-bucket"])[-1])  # the job's own script
        made = {bucket["Name"] for bucket in client(s3_server).list_buckets()["Buckets"]}
        assert made >= {"assay-artifacts", "assay-snapshots"}


def test_tasks_reach_the_store_that_snapshots_are_kept_in() -> None:
    worker, job = SERVICES["airflow-worker"], SERVICES["s3-bucket"]
    assert worker["environment"]["AWS_ENDPOINT_URL"] == job["environment"]["MLFLOW_S3_ENDPOINT_URL"]
    assert worker["environment"]["ASSAY_SNAPSHOTS"] == job["environment"]["ASSAY_SNAPSHOTS"]


def test_each_database_is_made_and_its_roles_are_those_that_connect() -> None:
    script = COMPOSE["configs"]["create-databases"]["content"]
    owner = dict(re.findall(r"^create (\w+) (\w+)$", script, re.M))
    may = {(name, role) for name, role in [*owner.items(), *re.findall(r"^connect (\w+) (\w+)$", script, re.M)]}
    texts = [VARIABLE.sub("x", text) for text in strings(COMPOSE)]
    used = {(db, role) for text in texts for role, db in re.findall(r"://(\w+):x@postgres/(\w+)", text)}
    assert used == may
    assert owner == {"airflow": "airflow", "mlflow": "mlflow", "mlflow_auth": "mlflow", "assay": "assay_owner"}
    passed = set(re.findall(r'^role \w+ "\$\$(\w+_PASSWORD)"', script, re.M))
    assert passed == set(SERVICES["postgres"]["environment"]) - {"POSTGRES_PASSWORD"}


def test_images_are_pinned_and_airflow_is_the_locked_one() -> None:
    locked = re.search(r"^apache-airflow==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert locked
    for service in SERVICES.values():
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service["image"]), "a tag that names a version"
        if "build" in service:
            first = service["build"]["dockerfile_inline"].splitlines()[0]
            assert first == f"FROM apache/airflow:{locked[1]}-python3.11"
            assert "--require-hashes" in service["build"]["dockerfile_inline"]
            copied = re.findall(r"^COPY (\S+) ", service["build"]["dockerfile_inline"], re.M)
            assert all((ROOT / path).is_file() for path in copied)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_names_the_digests_of_its_files(name: str) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.I)
    pinned = [block for block in blocks if re.match(r"[\w.\[\],-]+==", block)]
    assert len(pinned) > 20
    assert [block.splitlines()[0] for block in pinned if "--hash=sha256:" not in block] == []
    assert "--require-hashes" in (ROOT / "Makefile").read_text()
