"""Passwords and keys of one embedded stack: made once, kept in a file that only its owner reads."""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from assay.core import problem, replace_file

AIRFLOW_ROLES = {"admin": "admin", "engineer": "user", "reviewer": "op", "officer": "op"}
"""Airflow's users and what each may do: a `user` triggers DAGs, an `op` also manages connections.

Policies name `reviewer` as the model owner and `officer` as the risk officer.
"""


def _password() -> str:
    return secrets.token_urlsafe(18)


def _key() -> str:
    return secrets.token_urlsafe(48)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


_MAKERS: dict[str, Callable[[], str]] = {
    **{f"airflow_{user}_password": _password for user in AIRFLOW_ROLES},
    "airflow_fernet_key": _fernet_key,
    "airflow_jwt_secret": _key,
    "airflow_secret_key": _key,
    "mlflow_admin_password": _password,
    "mlflow_pipeline_password": _password,
    "mlflow_gateway_password": _password,
    "mlflow_secret_key": _key,
    "gateway_token": _key,
}


def secrets_file(home: Path) -> Path:
    """Where the secrets of the stack in `home` are kept."""
    return home / "secrets.json"


def load_or_create(home: Path) -> dict[str, str]:
    """Read the secrets of the stack in `home`; make those that are not there yet.

    Raises
    ------
    UserError
        When the file exists and is not what this function wrote.
    """
    path = secrets_file(home)
    known = _read(path) if path.exists() else {}
    complete = {name: known.get(name) or make() for name, make in _MAKERS.items()}
    if complete != known:
        write_private(path, json.dumps(complete, indent=2) + "\n")
    return complete


def airflow_password(stack_secrets: dict[str, str], user: str) -> str:
    """The password of one of Airflow's users."""
    return stack_secrets[f"airflow_{user}_password"]


def write_private(path: Path, text: str) -> None:
    """Replace `path` as a whole by `text`, readable by its owner alone from the first byte on."""
    replace_file(path, text.encode(), mode=0o600)


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
        return {str(name): str(value) for name, value in content.items()}
    except (ValueError, AttributeError):
        raise problem(
            str(path),
            "is not the JSON object of secrets that the stack wrote",
            "restore it, or remove the whole folder to start from nothing",
        ) from None
