"""MLflow's artifact store and REST API over plain HTTP: one request each, where MLflow's client may send several.

The gateway reads models with it too, so it imports nothing of MLflow.
"""

import atexit
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx

from assay.core import UnavailableError

_FILES = "/api/2.0/mlflow-artifacts/artifacts/"
_REST = "/api/2.0/mlflow/"
_TIMEOUT = httpx.Timeout(30, connect=5)
_IDLE = httpx.Limits(keepalive_expiry=2)  # MLflow's server hangs up after five seconds
_AT_ONCE = 4  # requests under way: more than a small server has workers gains nothing
_SCHEME = "mlflow-artifacts:"


def place(artifact_uri: str) -> str:
    """The path below the artifact root of what MLflow calls ``mlflow-artifacts:/path``.

    Raises
    ------
    UnavailableError
        When the server does not keep artifacts itself.
    """
    if not artifact_uri.startswith(_SCHEME):
        mend = "start its server with --artifacts-destination"
        raise UnavailableError(f"MLflow keeps artifacts at {artifact_uri}: {mend}")
    return artifact_uri.removeprefix(_SCHEME).lstrip("/")


def get_file(tracking_uri: str, path: str) -> bytes | None:
    """Read a file; None when there is none, or something else than a file.

    Raises
    ------
    UnavailableError
        When the server does not answer, or fails.
    """
    answer = _send(tracking_uri, "GET", _FILES + quote(path))
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST):  # MLflow says 400 for a folder
        return None
    _expect_ok(tracking_uri, answer, path)
    return answer.content


def get_files(tracking_uri: str, paths: Iterable[str]) -> dict[str, bytes | None]:
    """Read several files, some at a time.

    Raises
    ------
    UnavailableError
        As `get_file`.
    """
    wanted = list(paths)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(lambda path: get_file(tracking_uri, path), wanted), strict=True))


def list_files(tracking_uri: str, path: str) -> list[str]:
    """Names, relative to a folder, of all files below it; none where there is no such folder.

    Raises
    ------
    UnavailableError
        When the server does not answer, or names a file that would lie elsewhere.
    """
    names: list[str] = []
    for name, is_folder in _entries(tracking_uri, path):
        if name in ("", ".", "..") or "/" in name:
            raise UnavailableError(f"MLflow at {tracking_uri} lists a file named {name!r} in {path}")
        below = [f"{name}/{each}" for each in list_files(tracking_uri, f"{path}/{name}")] if is_folder else [name]
        names += below
    return names


def put_file(tracking_uri: str, path: str, content: bytes) -> None:
    """Write a file.

    Raises
    ------
    UnavailableError
        When the server does not answer, or does not take it.
    """
    _expect_ok(tracking_uri, _send(tracking_uri, "PUT", _FILES + quote(path), content=content), path)


def call(tracking_uri: str, method: str, path: str, body: Mapping[str, Any]) -> None:
    """Change something through the REST API.

    Parameters
    ----------
    path
        Below the API's root, e.g. ``model-versions/set-tag``.

    Raises
    ------
    UnavailableError
        When the server does not answer, or does not do it.
    """
    _expect_ok(tracking_uri, _send(tracking_uri, method, _REST + quote(path), json=body), path)


def _entries(tracking_uri: str, path: str) -> list[tuple[str, bool]]:
    """What is in a folder: each name, and whether it is a folder."""
    answer = _send(tracking_uri, "GET", _FILES.rstrip("/"), params={"path": path})
    _expect_ok(tracking_uri, answer, path)
    try:
        return [(str(each["path"]), bool(each["is_dir"])) for each in answer.json().get("files", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnavailableError(f"MLflow at {tracking_uri} does not list {path}") from None


def _send(tracking_uri: str, method: str, path: str, **content: Any) -> httpx.Response:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    auth = httpx.BasicAuth(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None
    url = tracking_uri.rstrip("/") + path
    client = _client(os.getpid())
    try:
        try:
            return client.request(method, url, auth=auth, **content)
        except httpx.RemoteProtocolError:  # the server had just closed the connection that was kept open
            return client.request(method, url, auth=auth, **content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UnavailableError(f"MLflow at {tracking_uri} does not answer: {reason}") from error


def _expect_ok(tracking_uri: str, answer: httpx.Response, path: str) -> None:
    if answer.status_code != httpx.codes.OK:
        raise UnavailableError(f"MLflow at {tracking_uri} answers {answer.status_code} for {path}")


@cache
def _client(_process: int) -> httpx.Client:
    """Connections that are kept open until the process ends; a forked child must not speak on its parent's."""
    client = httpx.Client(timeout=_TIMEOUT, limits=_IDLE)
    atexit.register(client.close)
    return client
