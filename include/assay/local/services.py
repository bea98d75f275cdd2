"""What the stack consists of: one table of processes, and how to ask each whether it serves."""

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from assay.core import UnavailableError, problem
from assay.local.environment import BIN, signer_address, socket_file, url
from assay.registry.signer_client import SignerClient

SIGNER = "signer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One process of the stack.

    Attributes
    ----------
    name
        Its name in `status` and of its log.
    address
        Which port it belongs to: `airflow`, `mlflow` or `gateway`; `SIGNER` for the one that listens on a socket.
    needs
        The store that must be prepared before it starts; None when it prepares its own.
    reported_as
        Its name in Airflow's health report; None for what answers for itself.
    """

    name: str
    address: str
    needs: str | None = None
    reported_as: str | None = None

    @property
    def listens(self) -> bool:
        """Whether it is this process that listens on the address's port."""
        return self.reported_as is None and self.address != SIGNER


# Airflow's four are started one by one and not by `airflow standalone`, which first imports all of
# Airflow once more, migrates at every start, and leaves its children behind when it is ended.
SERVICES = (
    Service(name="airflow-api", address="airflow", needs="airflow"),
    Service(name="airflow-scheduler", address="airflow", needs="airflow", reported_as="scheduler"),
    Service(name="airflow-dag-processor", address="airflow", needs="airflow", reported_as="dag_processor"),
    Service(name="airflow-triggerer", address="airflow", needs="airflow", reported_as="triggerer"),
    Service(name="mlflow", address="mlflow", needs="mlflow"),
    Service(name="gateway", address="gateway"),
    Service(name=SIGNER, address=SIGNER),
)

STORES = {"airflow": "apache-airflow", "mlflow": "mlflow"}
"""The stores that are prepared once, and again when the package that owns them changes version."""


def command(service: Service, *, home: Path, ports: Mapping[str, int]) -> list[str]:
    """The command line that runs a service in the foreground."""
    port = str(ports.get(service.address, ""))
    airflow = str(BIN / "airflow")
    match service.name:
        case "airflow-api":
            return [airflow, "api-server"]
        case "airflow-scheduler":
            # Logs lie on this very disk; a second server for them would only take another port.
            return [airflow, "scheduler", "--skip-serve-logs"]
        case "airflow-dag-processor":
            return [airflow, "dag-processor"]
        case "airflow-triggerer":
            return [airflow, "triggerer", "--skip-serve-logs"]
        case "mlflow":
            options = {
                "--host": "127.0.0.1",
                "--port": port,
                "--workers": "1",
                "--app-name": "basic-auth",
                "--backend-store-uri": _sqlite(store_file("mlflow", home)),
                "--artifacts-destination": str(home / "mlflow" / "artifacts"),
            }
            return [str(BIN / "mlflow"), "server", *(part for option in options.items() for part in option)]
        case "signer":
            return [sys.executable, "-m", "assay", "signer", "--socket", str(socket_file(home))]
        case _:
            return [sys.executable, "-m", "assay", "serve", "--host", "127.0.0.1", "--port", port]


def preparation(store: str, home: Path) -> list[str]:
    """The command that creates or migrates a store."""
    if store == "airflow":
        return [str(BIN / "airflow"), "db", "migrate"]
    return [str(BIN / "mlflow"), "db", "upgrade", _sqlite(store_file(store, home))]


def store_file(store: str, home: Path) -> Path:
    """The SQLite file of a store."""
    return home / store / f"{store}.db"


def write_ahead(file: Path) -> None:
    """Let readers of a SQLite file go on while somebody writes; the file keeps this setting for good."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def missing_programs() -> list[str]:
    """Programs of the stack that the virtual environment lacks."""
    return [name for name in ("airflow", "mlflow") if not (BIN / name).exists()]


class Probe:
    """Asks services whether they serve; one look at Airflow's report answers for all its parts.

    Parameters
    ----------
    home
        The folder that holds the stack's state.
    ports, mlflow_password
        Where the services are, and the password that MLflow must accept.
    ready
        Ask the gateway whether it can do its work, not only whether it answers: without a champion it
        must still start, so that one can be made.
    """

    def __init__(self, *, home: Path, ports: Mapping[str, int], mlflow_password: str, ready: bool = False) -> None:
        self._signer = SignerClient(signer_address(home))
        self._ports, self._ready = ports, ready
        self._mlflow = httpx.BasicAuth("admin", mlflow_password)
        self._http = httpx.Client(timeout=5.0, trust_env=False)

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def waiting_for(self, services: Sequence[tuple[Service, float]]) -> dict[str, str]:
        """What is still missing, by service; those that serve are left out.

        Parameters
        ----------
        services
            Each with the time its process was started, in seconds since 1970: a report older than
            that speaks of a predecessor.

        Raises
        ------
        UserError
            When MLflow does not accept the password.
        """
        report: dict[str, Any] | None = None
        if any(service.address == "airflow" for service, _ in services):
            report = self._airflow_report()
        waiting: dict[str, str] = {}
        for service, started in services:
            if reason := self._reason(service, started, report):
                waiting[service.name] = reason
        return waiting

    def _reason(self, service: Service, started: float, report: dict[str, Any] | None) -> str:
        if service.name == "mlflow":
            return self._mlflow_reason()
        if service.name == "gateway":
            return self._gateway_reason()
        if service.name == SIGNER:
            return self._signer_reason()
        if report is None:
            return "the API does not answer yet"
        return _airflow_reason(service, started, report)

    def _airflow_report(self) -> dict[str, Any] | None:
        try:
            answer = self._http.get(f"{url('airflow', self._ports)}/api/v2/monitor/health")
            return dict(answer.json()) if answer.status_code == httpx.codes.OK else None
        except (httpx.TransportError, ValueError):
            return None

    def _mlflow_reason(self) -> str:
        # Not `/health`: this also opens the store and shows that the password is the one it knows.
        path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
        try:
            answer = self._http.get(url("mlflow", self._ports) + path, auth=self._mlflow)
        except httpx.TransportError:
            return "does not answer yet"
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise problem(
                "mlflow",
                "does not accept the administrator's password in secrets.json",
                "restore the secrets.json that belongs to this folder, or remove mlflow/auth.db to make new users",
            )
        return "" if answer.status_code == httpx.codes.OK else f"answers {answer.status_code}"

    def _signer_reason(self) -> str:
        try:
            self._signer.check()
        except UnavailableError as error:
            return str(error)
        return ""

    def _gateway_reason(self) -> str:
        path = "/readyz" if self._ready else "/healthz"
        try:
            answer = self._http.get(url("gateway", self._ports) + path)
            if answer.status_code == httpx.codes.OK:
                return ""
            checks = dict(answer.json()["checks"]) if self._ready else {}
        except (httpx.TransportError, ValueError, LookupError, TypeError):
            return "does not answer yet"
        return "is not ready: " + "; ".join(check["reason"] for check in checks.values() if check["reason"])


def _airflow_reason(service: Service, started: float, report: Mapping[str, Any]) -> str:
    if service.reported_as is None:
        return ""
    part = report.get(service.reported_as) or {}
    beat = part.get(f"latest_{service.reported_as}_heartbeat")
    if part.get("status") != "healthy" or beat is None:
        return "no heartbeat yet"
    return "" if datetime.fromisoformat(beat).timestamp() >= started else "no heartbeat since its start"


def _sqlite(file: Path) -> str:
    return f"sqlite:///{file}"
