"""Who has which secret, reaches which service and writes where: one table for each, which the file must equal."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.compose.topology import COMPOSE, SERVICES, VARIABLE

from assay.registry.keys import create_keys

OURS = {name for name, service in SERVICES.items() if str(service["image"]).startswith("assay:")}

# Service to the secrets that stand in its environment, by the name of the variable in `.env`.
AIRFLOW_DATABASE = {"AIRFLOW_FERNET_KEY", "AIRFLOW_DB_PASSWORD"}
S3 = {"S3_ACCESS_KEY", "S3_SECRET_KEY"}
SECRETS: dict[str, set[str]] = {
    "postgres": {
        "POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "ASSAY_OWNER_DB_PASSWORD",
        "ASSAY_DB_PASSWORD", "ASSAY_SIGNER_DB_PASSWORD",
    },
    "redis": {"REDIS_PASSWORD"},
    "s3": S3,
    "s3-bucket": S3,
    "operations-init": {"ASSAY_OWNER_DB_PASSWORD"},
    "signer": {"ASSAY_SIGNER_TOKEN", "ASSAY_SIGNER_DB_PASSWORD"},
    "mlflow-init": {"MLFLOW_DB_PASSWORD"},
    "mlflow": {"MLFLOW_DB_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY", *S3},
    "mlflow-accounts": {
        "MLFLOW_ADMIN_PASSWORD", "MLFLOW_PIPELINE_PASSWORD", "MLFLOW_GATEWAY_PASSWORD", "MLFLOW_PAGES_PASSWORD",
    },
    "gateway": {"ASSAY_DB_PASSWORD", "ASSAY_GATEWAY_TOKEN", "MLFLOW_GATEWAY_PASSWORD"},
    "airflow-init": {
        *AIRFLOW_DATABASE, "AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_ENGINEER_PASSWORD", "AIRFLOW_REVIEWER_PASSWORD",
        "AIRFLOW_OFFICER_PASSWORD",
    },
    "airflow-apiserver": {
        *AIRFLOW_DATABASE, "AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "ASSAY_DB_PASSWORD", "MLFLOW_PAGES_PASSWORD",
    },
    "airflow-scheduler": {*AIRFLOW_DATABASE, "AIRFLOW_JWT_SECRET", "REDIS_PASSWORD"},
    "airflow-dag-processor": AIRFLOW_DATABASE,
    "airflow-triggerer": {*AIRFLOW_DATABASE, "ASSAY_DB_PASSWORD"},
    "airflow-worker": {
        "REDIS_PASSWORD", "ASSAY_DB_PASSWORD", "ASSAY_SIGNER_TOKEN", "ASSAY_GATEWAY_TOKEN",
        "MLFLOW_PIPELINE_PASSWORD", *S3,
    },
    "airflow-training-worker": {"REDIS_TRAINING_PASSWORD"},
}  # fmt: skip

# Network to the services on it. Two share one only if they speak to each other; `outside` is no inner network.
NETWORKS: dict[str, set[str]] = {
    "databases": {
        "postgres", "operations-init", "signer", "mlflow-init", "mlflow", "gateway", "airflow-init",
        "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker",
    },
    "queues": {"redis", "airflow-scheduler", "airflow-worker"},
    "execution": {"airflow-apiserver", "airflow-worker"},
    "training": {"redis", "airflow-apiserver", "airflow-training-worker"},
    "registry": {"mlflow", "mlflow-accounts", "gateway", "airflow-apiserver", "airflow-worker"},
    "serving": {"gateway", "airflow-worker"},
    "signing": {"signer", "airflow-worker"},
    "objects": {"s3", "s3-bucket", "mlflow", "airflow-worker"},
    "outside": {"mlflow", "gateway", "airflow-apiserver", "airflow-worker"},
}  # fmt: skip

# Volume to the services that write to it.
VOLUMES: dict[str, set[str]] = {
    "postgres": {"postgres"},
    "redis": {"redis"},
    "objects": {"s3"},
    "gateway": {"gateway"},
    "worker": {"airflow-worker"},
    "snapshots": {"airflow-worker"},
    "anchors": {"airflow-worker"},
    "signatures": {"signer"},
    "training-jobs": {"airflow-worker", "airflow-training-worker"},
    "training-logs": {"airflow-training-worker"},
    "airflow-logs": {
        "airflow-init", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
        "airflow-worker",
    },
}  # fmt: skip


def required(service: dict[str, Any]) -> set[str]:
    texts = [str(value) for value in service.get("environment", {}).values()]
    return {match["name"] for text in texts for match in VARIABLE.finditer(text) if match["rest"].startswith(":?")}


def mounted(service: str, kind: str) -> dict[str, str]:
    """Path in the container to path on the host, of a service's files of a kind."""
    found = SERVICES[service].get(kind, [])
    return {entry["target"]: COMPOSE[kind][entry["source"]].get("file", "") for entry in found}


def test_each_service_has_the_secrets_of_the_table_and_no_others() -> None:
    assert {name: required(service) for name, service in SERVICES.items()} == SECRETS


def test_each_network_joins_the_services_of_the_table_and_no_others() -> None:
    found: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for network in service["networks"]:
            found.setdefault(network, set()).add(name)
    assert found == NETWORKS
    assert {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")} == {"outside"}


def test_each_volume_is_written_by_the_services_of_the_table_and_no_others() -> None:
    found: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for entry in service.get("volumes", []):
            source, _, mode = entry.partition(":")[0], *entry.partition(":")[2].rpartition(":")[1:]
            if source.startswith("./"):
                assert mode == "ro", f"{name} could change {source}"
            else:
                found.setdefault(source, set()).add(name)
    assert found == VOLUMES


def test_the_training_worker_knows_no_address_but_redis_and_the_execution_api() -> None:
    texts = " ".join(str(value) for value in SERVICES["airflow-training-worker"]["environment"].values())
    assert set(re.findall(r"(?:@|//)([a-z][\w.-]*):\d+", VARIABLE.sub("x", texts))) == {
        "redis", "airflow-apiserver",
    }  # fmt: skip
    assert SERVICES["airflow-training-worker"]["networks"] == ["training"]


def test_the_training_worker_has_no_setting_that_leads_to_evidence() -> None:
    unwanted = ("SQL_ALCHEMY", "FERNET", "JWT", "API__SECRET", "MLFLOW_TRACKING", "AWS_", "GATEWAY", "OPERATIONS",
                "SIGNER", "SNAPSHOTS", "PSEUDONYM", "ANCHORS")  # fmt: skip
    names = SERVICES["airflow-training-worker"]["environment"]
    assert [name for name in names if any(each in name for each in unwanted)] == []
    assert "secrets" not in SERVICES["airflow-training-worker"]


def test_no_worker_has_airflow_s_database_or_the_keys_of_its_tokens() -> None:
    for name in ("airflow-worker", "airflow-training-worker"):
        given = SERVICES[name]["environment"]
        assert not [
            each for each in given if re.search("SQL_ALCHEMY|FERNET|JWT|SECRET_KEY$", each) and "AWS" not in each
        ]


def test_each_queue_has_its_own_worker_and_results_lie_in_redis() -> None:
    queues = {}
    for name in ("airflow-worker", "airflow-training-worker"):
        command = SERVICES[name]["command"]
        queues[name] = command[command.index("--queues") + 1]
    assert queues == {"airflow-worker": "default", "airflow-training-worker": "training"}
    for name, service in SERVICES.items():
        given = service.get("environment", {})
        assert given.get("AIRFLOW__CELERY__RESULT_BACKEND", "redis://").startswith("redis://"), name
        if name.startswith("airflow-"):
            assert given["ASSAY_TRAINING_QUEUE"] == "training"


def test_only_the_signer_gets_private_keys_and_whoever_reads_evidence_the_public_ones() -> None:
    assert {name for name in SERVICES if SERVICES[name].get("secrets")} == {"signer"}
    signer = SERVICES["signer"]["environment"]
    folder = signer["ASSAY_SIGNER_KEYS"]
    assert mounted("signer", "secrets").keys() == {f"{folder}/signing.pem", f"{folder}/model.pem"}
    checking = {name for name in SERVICES if f"{signer['ASSAY_KEYS']}/trusted.json" in mounted(name, "configs")}
    assert checking == {"signer", "gateway", "airflow-apiserver", "airflow-worker"}
    for service in SERVICES.values():
        assert not any(entry.startswith(("${ASSAY_KEYS", "${ASSAY_SIGNER")) for entry in service.get("volumes", []))


def test_the_key_files_are_those_that_the_command_makes(tmp_path: Path) -> None:
    create_keys(tmp_path)
    files = mounted("signer", "secrets") | mounted("signer", "configs")
    assert {Path(target).name for target in files} == {Path(file).name for file in files.values()}
    assert {Path(target).name for target in files} == {file.name for file in tmp_path.iterdir()}


def test_each_account_of_mlflow_is_used_by_one_service() -> None:
    used = {name: service.get("environment", {}).get("MLFLOW_TRACKING_USERNAME") for name, service in SERVICES.items()}
    assert {name: user for name, user in used.items() if user} == {
        "mlflow-accounts": "admin", "gateway": "gateway", "airflow-apiserver": "pages", "airflow-worker": "pipeline",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["pids_limit"] > 0
    assert service["mem_limit"]
    assert service["cpus"]
    assert "privileged" not in service
    assert service.get("user", "airflow") not in ("root", "0", "0:0")


@pytest.mark.parametrize("name", SERVICES)
def test_no_password_stands_in_an_argument(name: str) -> None:
    service = SERVICES[name]
    asked = service.get("healthcheck", {}).get("test", [])
    parts = [*service.get("entrypoint", []), *service.get("command", []), *asked]
    secrets = set().union(*SECRETS.values())
    for part in parts:
        assert not [match["name"] for match in VARIABLE.finditer(part) if match["name"] in secrets]
        # a shell would put it there; `printf` is part of the shell, and no process
        for shown in re.findall(r"\$\$\{?(\w*(?:PASSWORD|SECRET|TOKEN|URI)\w*)", part):
            assert part.strip().startswith("printf"), f"{name} shows {shown}"
            assert " | " in part.partition(shown)[2], f"{name} shows {shown}"


def test_health_is_readiness() -> None:
    asked = {
        name: " ".join(service["healthcheck"]["test"]) for name, service in SERVICES.items() if "healthcheck" in service
    }
    assert "/readyz" in asked["gateway"]
    assert "experiments/get" in asked["mlflow"]
    assert "monitor/health" in asked["airflow-apiserver"]
    assert "/healthz" in asked["signer"]
