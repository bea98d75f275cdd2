"""The one environment that every process of the embedded stack is started with."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from assay.core.settings import PACKAGE
from assay.local.private import make_private_folder
from assay.local.secrets import AIRFLOW_ROLES, airflow_password, write_private
from assay.registry.private_keys import PRIVATE_KEYS
from assay.registry.token_keys import VARIABLES as TOKEN_VARIABLES

ROOT = PACKAGE.parents[1]
"""The checkout: the folder that holds `dags`, `plugins` and `include`."""

BIN = Path(sys.executable).absolute().parent

_HOST = "127.0.0.1"
_OURS = ("AIRFLOW", "MLFLOW_", "ASSAY_")


def url(name: str, ports: Mapping[str, int]) -> str:
    """The address of `airflow`, `mlflow` or `gateway`."""
    return f"http://{_HOST}:{ports[name]}"


def keys_folder(home: Path) -> Path:
    """Where the public keys of the stack in `home` are."""
    return home / "keys"


def signer_folder(home: Path) -> Path:
    """Where the private keys of the stack in `home` are, which its signer alone is told of."""
    return home / "signer"


def socket_file(home: Path) -> Path:
    """The socket on which the signer of the stack in `home` listens."""
    return home / "run" / "signer.sock"


def signer_address(home: Path) -> str:
    """The address of the signer of the stack in `home`."""
    return f"unix:{socket_file(home)}"


def environment(home: Path, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    """Everything that the stack's processes, and whoever talks to them, need to know.

    Parameters
    ----------
    home
        The folder that holds all state.
    ports
        Port of `airflow`, `mlflow` and `gateway`.
    secrets
        What `assay.local.secrets.load_or_create` returned.

    Returns
    -------
    dict
        This process's environment without any setting of Airflow, MLflow or Assay that the caller's
        shell happens to hold, plus the stack's own. The models' folder may be given. No private key, nor the
        way to one, is in it: see `signer_environment`.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(ROOT / "include"),
        "PYTHONUNBUFFERED": "1",
        # Else idle OpenMP threads spin, and a training beside a busy process takes many times as long.
        "OMP_WAIT_POLICY": "passive",
        **_no_proxy(),
        **_assay(home, ports, secrets),
        **_mlflow(ports, secrets),
        **_airflow(home, ports, secrets),
    }


def signer_environment(home: Path) -> dict[str, str]:
    """What the signer is told beside `environment`: where its private keys are, or the keys themselves."""
    given = {name: value for name in (*PRIVATE_KEYS, *TOKEN_VARIABLES) if (value := os.environ.get(name))}
    return {"ASSAY_SIGNER_KEYS": str(signer_folder(home)), **given}


def own_environment(service: str, home: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """What one service alone is told beside `environment`.

    Parameters
    ----------
    service
        Its name.
    """
    own = {
        "mlflow": {
            "MLFLOW_AUTH_ADMIN_PASSWORD": secrets["mlflow_admin_password"],
            "MLFLOW_AUTH_CONFIG_PATH": str(home / "mlflow" / "basic_auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets["mlflow_secret_key"],
        },
        "gateway": {
            "MLFLOW_TRACKING_USERNAME": "gateway",
            "MLFLOW_TRACKING_PASSWORD": secrets["mlflow_gateway_password"],
        },
    }
    return signer_environment(home) if service == "signer" else own.get(service, {})


def client_settings(home: Path, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    """What a command at the desk needs to know to speak to a stack: nothing that only its servers need.

    Where the private keys are is part of it: `assay keys` works on them.
    """
    mlflow = _mlflow(ports, secrets)
    tracking = {name: value for name, value in mlflow.items() if name.startswith("MLFLOW_TRACKING_")}
    folder = signer_folder(home)  # an older stack has none, and its keys are where they were
    desk = {"ASSAY_SIGNER_KEYS": str(folder)} if folder.is_dir() else {}
    return {**_no_proxy(), **_assay(home, ports, secrets), **tracking, **desk}


def _assay(home: Path, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    return {
        "ASSAY_HOME": str(home),
        "ASSAY_MODELS": os.environ.get("ASSAY_MODELS", str(ROOT / "include" / "models")),
        "ASSAY_KEYS": str(keys_folder(home)),
        "ASSAY_SIGNER": signer_address(home),
        "ASSAY_SNAPSHOTS": str(home / "snapshots"),
        "ASSAY_OPERATIONS_DB": f"sqlite:///{home / 'operations.db'}",
        # Beside the database is not elsewhere, but it still finds a table that was rewritten.
        "ASSAY_ANCHORS_FILE": str(home / "anchors.jsonl"),
        "ASSAY_GATEWAY_URL": url("gateway", ports),
        "ASSAY_GATEWAY_TOKEN": secrets["gateway_token"],
    }


def _mlflow(ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": url("mlflow", ports),
        "MLFLOW_TRACKING_USERNAME": "pipeline",
        "MLFLOW_TRACKING_PASSWORD": secrets["mlflow_pipeline_password"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its job runner serves LLM judges: three more processes that nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _airflow(home: Path, ports: Mapping[str, int], secrets: Mapping[str, str]) -> dict[str, str]:
    airflow = home / "airflow"
    options = {
        "CORE__DAGS_FOLDER": ROOT / "dags",
        "CORE__PLUGINS_FOLDER": ROOT / "plugins",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": 4,  # the default forks 32 workers
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in AIRFLOW_ROLES.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": airflow / "passwords.json",
        "CORE__FERNET_KEY": secrets["airflow_fernet_key"],
        "CORE__EXECUTION_API_SERVER_URL": f"{url('airflow', ports)}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow / 'airflow.db'}",
        "API__HOST": _HOST,
        "API__PORT": ports["airflow"],
        "API__WORKERS": 1,
        "API__BASE_URL": url("airflow", ports),
        "API__SECRET_KEY": secrets["airflow_secret_key"],
        "API_AUTH__JWT_SECRET": secrets["airflow_jwt_secret"],
        "LOGGING__BASE_LOG_FOLDER": home / "logs" / "airflow",
        # Airflow gives task logs these modes whatever the umask is.
        "LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        # One run at a time waits on these: the defaults spend seconds between tasks doing nothing.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.2,
        # A supervisor that misses its task's end by a hair keeps the worker slot for this long.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 1,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 10,
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": airflow / "bundles",
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": 0,
    }
    settings = {f"AIRFLOW__{name}": str(value) for name, value in options.items()}
    return {"AIRFLOW_HOME": str(airflow), **settings}


def _no_proxy() -> dict[str, str]:
    """A proxy of the caller's must not come between processes of one machine."""
    kept = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = ",".join(filter(None, [kept, _HOST, "localhost"]))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def write_files(home: Path, secrets: Mapping[str, str]) -> None:
    """Write the two files that Airflow and MLflow read their users from."""
    for folder in ("airflow", "mlflow/artifacts", "logs", "snapshots"):
        make_private_folder(home / folder)
    passwords = {user: airflow_password(dict(secrets), user) for user in AIRFLOW_ROLES}
    write_private(home / "airflow" / "passwords.json", json.dumps(passwords) + "\n")
    write_private(
        home / "mlflow" / "basic_auth.ini",
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = sqlite:///{home / 'mlflow' / 'auth.db'}\n"
        "admin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        # Else every request pays for hashing the password again.
        "auth_cache_ttl_seconds = 60\n",
    )
