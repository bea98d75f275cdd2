"""Read a model's bytes from MLflow's artifact endpoint, without MLflow's client: the gateway does too."""

import os
from urllib.parse import quote

import httpx

from assay.core import AssayError, UnavailableError, sha256_bytes

_ENDPOINT = "/api/2.0/mlflow-artifacts/artifacts/"
_TIMEOUT = httpx.Timeout(20, connect=5)


class TamperedError(AssayError):
    """Stored bytes are not the ones whose digest was recorded."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(f"{path}: has SHA-256 {found}, not {expected} as recorded")


def fetch_artifact(tracking_uri: str, path: str, digest: str) -> bytes:
    """Fetch a file from the registry and compare its digest.

    Parameters
    ----------
    tracking_uri
        Address of the MLflow server. Credentials are read from ``MLFLOW_TRACKING_USERNAME`` and
        ``MLFLOW_TRACKING_PASSWORD``.
    path
        Below MLflow's artifact root.
    digest
        SHA-256 that the bytes must have.

    Raises
    ------
    UnavailableError
        When the registry does not answer, or does not give the file.
    TamperedError
        When the bytes have another digest.
    """
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    auth = httpx.BasicAuth(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None
    url = tracking_uri.rstrip("/") + _ENDPOINT + quote(path)
    try:
        answer = httpx.get(url, auth=auth, timeout=_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UnavailableError(f"MLflow at {tracking_uri} does not answer: {reason}") from error
    if answer.status_code != httpx.codes.OK:
        raise UnavailableError(f"MLflow at {tracking_uri} answers {answer.status_code} for {path}")
    found = sha256_bytes(answer.content)
    if found != digest:
        raise TamperedError(path, digest, found)
    return answer.content
