"""The connection to MLflow: one client, and one form for everything that can go wrong with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.core import Settings, UnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's client repeats a request whose answer was lost, also one that makes something: there would be two of it.
# Airflow retries the task instead, which looks first for what is there.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def connect(settings: Settings) -> "MlflowClient":
    """Return a client for the configured MLflow server. It does not call the server yet.

    Raises
    ------
    UnavailableError
        When the address is not that of a server: evidence must not end up in a local folder.
    """
    if not settings.tracking_uri.startswith(("http://", "https://")):
        raise UnavailableError(f"MLFLOW_TRACKING_URI is {settings.tracking_uri!r}, not the address of an MLflow server")
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow

    mlflow.set_tracking_uri(settings.tracking_uri)
    return mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri)


@contextmanager
def unavailable(doing: str) -> Iterator[None]:
    """Turn whatever MLflow's client raises into one `UnavailableError` that says what was being done."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnavailableError(f"MLflow failed while {doing}: {reason[:500]}") from error


def has_code(error: Exception, code: str) -> bool:
    """Whether an MLflow exception carries this error code."""
    return getattr(error, "error_code", None) == code
