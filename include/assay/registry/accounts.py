"""The accounts of MLflow's server: one for each kind of process, with no more rights than it needs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from assay.core import Problem, UnavailableError, UserError, problem

RIGHTS: Mapping[str, Mapping[str, str]] = {
    # Whoever creates an experiment or a model manages it; aliases are removed with the right to delete.
    "pipeline": {"experiment": "MANAGE", "registered_model": "MANAGE"},
    # It reads models by their path in the artifact store. DENY also keeps it from creating a registered model.
    "gateway": {"experiment": "READ", "registered_model": "DENY"},
    "pages": {"experiment": "READ", "registered_model": "READ"},
}
"""Account to its right for every resource of a type; tasks, gateway and evidence pages log in with these."""

_USERS = "/api/2.0/mlflow/users/"
_RIGHTS = "/api/3.0/mlflow/users/permissions/"
_TIMEOUT = httpx.Timeout(60, connect=5)  # seconds; the server hashes a password for each new login


def ensure_accounts(tracking_uri: str, *, admin: tuple[str, str], passwords: Mapping[str, str]) -> list[str]:
    """Give every account its password and exactly its rights; doing it again changes nothing.

    Parameters
    ----------
    tracking_uri
        Address of an MLflow server that runs with ``--app-name basic-auth``.
    admin
        Name and password of its administrator.
    passwords
        Account, of those in `RIGHTS`, to its password.

    Returns
    -------
    list of str
        What was changed, a line each.

    Raises
    ------
    UserError
        When a password or the administrator's login is refused.
    UnavailableError
        When the server does not answer, or fails.
    """
    with httpx.Client(base_url=tracking_uri, auth=httpx.BasicAuth(*admin), timeout=_TIMEOUT, trust_env=False) as http:
        server = _Server(http, tracking_uri)
        server.require_admin(admin[0])
        return [done for name, password in passwords.items() for done in _ensure(server, name, password)]


def _ensure(server: "_Server", name: str, password: str) -> Iterator[str]:
    user = server.find(name)
    if user is None:
        server.create(name, password)
        yield f"made the account {name}"
    else:
        if user["is_admin"]:
            server.ask("PATCH", f"{_USERS}update-admin", {"username": name, "is_admin": False})
            yield f"took the administrator's rights from {name}"
        if not server.accepts(name, password):
            server.change(name, password)
            yield f"changed the password of {name}"
    held = {(each["resource_type"], each["resource_pattern"]): each["permission"] for each in server.rights(name)}
    wanted = {(kind, "*"): right for kind, right in RIGHTS[name].items()}
    kept = set(held.items()) & set(wanted.items())
    for place, right in held.items():
        # the pipeline also manages, one by one, what it created
        if (place, right) not in kept and (place in wanted or name != "pipeline"):
            server.revoke(name, *place)
            yield f"took {right} on {place[0]} {place[1]} from {name}"
    for place, right in wanted.items():
        if (place, right) not in kept:
            server.grant(name, *place, right)
            yield f"gave {name} {right} on every {place[0]}"


class _Server:
    """The administrator's side of one server."""

    def __init__(self, http: httpx.Client, address: str) -> None:
        self._http, self._address = http, address

    def require_admin(self, name: str) -> None:
        user = self.find(name)
        if user is None or not user["is_admin"]:
            raise problem("MLFLOW_TRACKING_USERNAME", f"is {name}, who is no administrator of {self._address}")

    def find(self, name: str) -> dict[str, Any] | None:
        with self._reached():
            answer = self._http.get(f"{_USERS}get", params={"username": name})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return dict(self._content(answer)["user"])

    def accepts(self, name: str, password: str) -> bool:
        with self._reached():
            answer = self._http.get(f"{_USERS}current", auth=httpx.BasicAuth(name, password))
        return answer.status_code == httpx.codes.OK

    def create(self, name: str, password: str) -> None:
        self._keep_password(f"{_USERS}create", "POST", name, password)

    def change(self, name: str, password: str) -> None:
        self._keep_password(f"{_USERS}update-password", "PATCH", name, password)

    def rights(self, name: str) -> list[dict[str, str]]:
        return list(self.ask("GET", f"{_RIGHTS}list", {"username": name})["permissions"])

    def grant(self, name: str, kind: str, pattern: str, right: str) -> None:
        body = {"username": name, "resource_type": kind, "resource_id": pattern, "permission": right}
        self.ask("POST", f"{_RIGHTS}grant", body)

    def revoke(self, name: str, kind: str, pattern: str) -> None:
        body = {"username": name, "resource_type": kind, "resource_id": pattern}
        self.ask("POST", f"{_RIGHTS}revoke", body)

    def ask(self, method: str, path: str, given: Mapping[str, Any]) -> Any:
        with self._reached():
            if method == "GET":
                answer = self._http.get(path, params=given)
            else:
                answer = self._http.request(method, path, json=given)
        return self._content(answer)

    def _keep_password(self, path: str, method: str, name: str, password: str) -> None:
        with self._reached():
            answer = self._http.request(method, path, json={"username": name, "password": password})
        if answer.status_code == httpx.codes.BAD_REQUEST:
            # the server's message is not shown: it may hold the hash of a password
            raise problem(f"the password of {name}", "is refused by MLflow", "give at least 12 characters")
        self._content(answer)

    def _content(self, answer: httpx.Response) -> Any:
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            message = f"{self._address} does not accept the administrator's password"
            raise UserError("MLflow", [Problem(path="MLFLOW_TRACKING_PASSWORD", message=message)])
        try:
            answer.raise_for_status()
            return answer.json() if answer.content.strip() else {}
        except (httpx.HTTPStatusError, ValueError):
            raise UnavailableError(f"MLflow at {self._address} answers {answer.status_code}") from None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"MLflow at {self._address} does not answer: {reason}") from error
