"""Read a model's bytes from MLflow's artifact endpoint, without MLflow's client: the gateway does too."""

import os

import httpx

from assay.core import AssayError, Settings, UnavailableError, sha256_bytes

_ENDPOINT = "/api/2.0/mlflow-artifacts/artifacts/"
_TIMEOUT = httpx.Timeout(30, connect=5)


class TamperedError(AssayError):
    """Stored bytes are not the ones whose digest was recorded."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(f"{path}: its bytes have digest {found}, not {expected} as recorded")


def fetch_artifact(settings: Settings, path: str, digest: str) -> bytes:
    """Fetch a file from the registry and compare its digest.

    Parameters
    ----------
    path
        Below MLflow's artifact root.
    digest
        SHA-256 that the bytes must have.

    Raises
    ------
    UnavailableError
        When the registry does not answer, or has no such file.
    TamperedError
        When the bytes have another digest.
    """
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    auth = None if user is None else (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    try:
        answer = httpx.get(settings.tracking_uri.rstrip("/") + _ENDPOINT + path, auth=auth, timeout=_TIMEOUT)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise UnavailableError(f"the registry did not give {path}: {error or type(error).__name__}") from error
    found = sha256_bytes(answer.content)
    if found != digest:
        raise TamperedError(path, digest, found)
    return answer.content
