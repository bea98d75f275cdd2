"""Start, end and look at the embedded stack. Says what happens through a callback; prints nothing."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from assay.core import Problem, UnavailableError, UserError
from assay.local import ports as port_choice
from assay.local import processes, services, state
from assay.local.environment import BIN, environment, own_environment, signer_address, url, write_files
from assay.local.private import private_umask, tighten
from assay.local.processes import Identity
from assay.local.secrets import load_or_create
from assay.local.services import SERVICES, SIGNER, STORES, Probe, Service
from assay.local.signing_keys import is_to_migrate, prepare_keys
from assay.registry.accounts import ensure_accounts

Progress = Callable[[str, str], None]
"""Told the name of a service and what it is doing: `preparing`, `starting`, `healthy`, `ended`."""

_NEEDED_BYTES = 512 * 1024**2
_LOOK_EVERY = 0.3
_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A stack that is up.

    Attributes
    ----------
    home
        The folder that holds its state.
    ports
        Port of `airflow`, `mlflow` and `gateway`.
    secrets
        Its passwords and keys; see `assay.local.secrets`.
    started
        The services that this call started, in the order of `SERVICES`.
    seconds
        By service, how long this call waited until it was healthy.
    """

    home: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)
    started: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to know to work with this stack."""
        return environment(self.home, self.ports, self.secrets)

    def url(self, name: str) -> str:
        """The address of `airflow`, `mlflow` or `gateway`."""
        return url(name, self.ports)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceStatus:
    """How one service is.

    Attributes
    ----------
    pid, port
        None when it is not running.
    health
        `healthy`, `down`, or what it still lacks.
    """

    name: str
    pid: int | None
    port: int | None
    url: str | None
    health: str
    log: Path

    @property
    def healthy(self) -> bool:
        """Whether it serves."""
        return self.health == "healthy"


def up(
    home: Path,
    *,
    requested: Mapping[str, int] | None = None,
    progress: Progress = lambda *_: None,
    timeout: float = 240,
) -> Stack:
    """Start whatever of the stack is not running, and wait until all of it is healthy.

    Parameters
    ----------
    home
        The folder for all state; created when absent.
    requested
        Ports asked for, by address.
    timeout
        Seconds to wait until everything is healthy.

    Raises
    ------
    UserError
        When a requested port is taken, programs are missing, kept secrets do not fit the stores, or
        what is kept as a signing key is none.
    UnavailableError
        When there is no room on the disk, or a service ends or does not become healthy; with the end
        of its log. What did start goes on running: `down` ends it, another `up` starts the rest.
    """
    home = home.absolute()
    _require_programs()
    try:
        with private_umask(), state.locked(home):
            _require_room(home)
            tighten(home)  # what an earlier release, or another program, left open to others
            return _Start(home, dict(requested or {}), progress, timeout).run()
    except OSError as error:
        raise UnavailableError(f"cannot write the stack's state in {home}: {error.strerror or error}") from error


def down(home: Path, *, progress: Progress = lambda *_: None, grace: float = 6.0) -> list[str]:
    """End the stack and everything that it started.

    Returns
    -------
    list of str
        Names of the services that were running.

    Raises
    ------
    UnavailableError
        When a process does not end even when killed.
    """
    home = home.absolute()
    if not home.exists():
        return []
    with state.locked(home):
        record = state.load(home)
        running = [name for name, identity in record.processes.items() if processes.is_running(identity)]
        for name in running:
            progress(name, "ending")
        left = processes.end(record.processes.values(), home=home, grace=grace)
        if left:
            raise UnavailableError(f"processes {', '.join(map(str, left))} do not end, not even when killed")
        record.processes.clear()
        state.save(home, record)
        for name in running:
            progress(name, "ended")
        return running


def status(home: Path) -> list[ServiceStatus]:
    """How every service is, in the order of `SERVICES`."""
    home = home.absolute()
    record = state.load(home)
    running = {name: i for name, i in record.processes.items() if processes.is_running(i)}
    waiting: dict[str, str] = {}
    if running:
        password = load_or_create(home)["mlflow_admin_password"]
        with Probe(home=home, ports=record.ports, mlflow_password=password, ready=True) as probe:
            waiting = _waiting(probe, [service for service in SERVICES if service.name in running], record)
    return [_status(service, home, record, running.get(service.name), waiting) for service in SERVICES]


def log_file(home: Path, name: str) -> Path:
    """Where the output of a service, or of the preparation of a store, goes."""
    return home / "logs" / f"{name}.log"


def _status(
    service: Service, home: Path, record: state.State, identity: Identity | None, waiting: Mapping[str, str]
) -> ServiceStatus:
    runs = identity is not None
    return ServiceStatus(
        name=service.name,
        pid=identity.pid if identity is not None else None,
        port=record.ports.get(service.address) if runs else None,
        url=_url(service, home, record.ports) if runs else None,
        health=waiting.get(service.name, "healthy") if runs else "down",
        log=log_file(home, service.name),
    )


def _url(service: Service, home: Path, ports: Mapping[str, int]) -> str:
    return signer_address(home) if service.address == SIGNER else url(service.address, ports)


class _Start:
    """One `up`: chooses ports, prepares stores, starts what is missing, waits."""

    def __init__(self, home: Path, requested: dict[str, int], progress: Progress, timeout: float) -> None:
        self.home = home
        self.progress = progress
        self.deadline = time.monotonic() + timeout
        self.begun = time.monotonic()
        self.record = state.load(home)
        self._end_what_is_left_of_the_dead()
        self._choose_ports(requested)
        self.secrets = load_or_create(home)
        write_files(home, self.secrets)
        if is_to_migrate(home):
            self._end_all()  # those that run were told to sign themselves
        prepare_keys(home)
        self.environment = environment(home, self.record.ports, self.secrets)
        self.preparing: dict[str, Identity] = {}
        self.seconds: dict[str, float] = {}

    def run(self) -> Stack:
        missing = [service for service in SERVICES if service.name not in self.record.processes]
        try:
            self._prepare({service.needs for service in missing if service.needs})
            self._start_and_wait(missing)
        finally:
            processes.end(self.preparing.values())
        names = tuple(service.name for service in missing)
        if "mlflow" not in names:
            self._make_accounts()  # an earlier release may have started it without
        return Stack(home=self.home, ports=self.record.ports, secrets=self.secrets, started=names, seconds=self.seconds)

    def _end_what_is_left_of_the_dead(self) -> None:
        """A service that was killed may have left children, which would disturb its successor."""
        dead = {name: i for name, i in self.record.processes.items() if not processes.is_running(i)}
        processes.end(dead.values())
        for name in dead:
            del self.record.processes[name]

    def _choose_ports(self, requested: dict[str, int]) -> None:
        running = {service.address for service in SERVICES if service.name in self.record.processes} - {SIGNER}
        settled = {name: self.record.ports[name] for name in running}
        if moved := [name for name, port in requested.items() if settled.get(name, port) != port]:
            raise UserError("ports", [_moved(name, settled[name]) for name in moved])
        chosen = port_choice.choose(requested=requested, remembered=self.record.ports, settled=settled)
        if running and chosen != self.record.ports:
            self._end_all()  # those that run were told the old addresses
        self.record.ports = chosen
        state.save(self.home, self.record)

    def _end_all(self) -> None:
        processes.end(self.record.processes.values())
        self.record.processes.clear()

    def _prepare(self, stores: set[str]) -> None:
        for store in sorted(stores):
            current = self.record.prepared.get(store) == version(STORES[store])
            if current and services.store_file(store, self.home).exists():
                continue
            name = f"{store}-store"
            self.progress(name, "preparing")
            self.preparing[store] = self._spawn(name, services.preparation(store, self.home))

    def _start_and_wait(self, missing: list[Service]) -> None:
        waiting = list(missing)
        reasons: dict[str, str] = {}
        password = self.secrets["mlflow_admin_password"]
        with Probe(home=self.home, ports=self.record.ports, mlflow_password=password) as probe:
            while waiting:
                self._finish_preparations()
                for service in waiting:
                    if service.name not in self.record.processes and service.needs not in self.preparing:
                        self._start(service)
                started = [service for service in waiting if service.name in self.record.processes]
                self._require_running(started)
                reasons = _waiting(probe, started, self.record)
                for service in started:
                    if service.name not in reasons:
                        self.seconds[service.name] = round(time.monotonic() - self.begun, 1)
                        self.progress(service.name, "healthy")
                        waiting.remove(service)
                        if service.name == "mlflow":
                            self._make_accounts()
                if waiting and time.monotonic() > self.deadline:
                    raise self._late(waiting[0], reasons)
                time.sleep(_LOOK_EVERY if waiting else 0)

    def _finish_preparations(self) -> None:
        for store, identity in tuple(self.preparing.items()):
            if processes.is_running(identity):
                continue
            if processes.exit_code(identity) != 0:
                raise self._failure(f"{store}-store", f"the {store} store could not be prepared")
            services.write_ahead(services.store_file(store, self.home))
            self.record.prepared[store] = version(STORES[store])
            state.save(self.home, self.record)
            del self.preparing[store]
            self.progress(f"{store}-store", "prepared")

    def _start(self, service: Service) -> None:
        self.progress(service.name, "starting")
        line = services.command(service, home=self.home, ports=self.record.ports)
        self.record.processes[service.name] = self._spawn(service.name, line)
        state.save(self.home, self.record)  # at once: what runs must be known should we die here

    def _spawn(self, name: str, command: list[str]) -> Identity:
        log = log_file(self.home, name)
        own = own_environment(name, self.home, self.secrets)
        return processes.spawn(command, environment={**self.environment, **own}, log=log, home=self.home)

    def _make_accounts(self) -> None:
        """Give tasks and gateway accounts of their own in MLflow."""
        passwords = {name: self.secrets[f"mlflow_{name}_password"] for name in ("pipeline", "gateway")}
        admin = ("admin", self.secrets["mlflow_admin_password"])
        ensure_accounts(url("mlflow", self.record.ports), admin=admin, passwords=passwords)

    def _require_running(self, started: list[Service]) -> None:
        for service in started:
            identity = self.record.processes[service.name]
            if not processes.is_running(identity):
                code = processes.exit_code(identity)
                raise self._failure(service.name, f"{service.name} ended with exit code {code} instead of serving")

    def _late(self, service: Service, reasons: Mapping[str, str]) -> UnavailableError:
        waited = time.monotonic() - self.begun
        reason = reasons.get(service.name, "its store is still being prepared")
        return self._failure(service.name, f"{service.name} is not healthy after {waited:.0f} s: {reason}")

    def _failure(self, name: str, message: str) -> UnavailableError:
        log = log_file(self.home, name)
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
        ending = "\n".join(f"  {line}" for line in lines) or "  (nothing was written)"
        return UnavailableError(f"{message}. Its log {log} ends with:\n{ending}")


def _waiting(probe: Probe, asked: Sequence[Service], record: state.State) -> dict[str, str]:
    """What services still lack. An answer on a port counts only if our own process listens there.

    Between our choice of a port and the process's own bind, another program may take it.
    """
    deaf = {
        service.address
        for service in SERVICES
        if service.listens
        and (
            service.name not in record.processes
            or not processes.listens(record.processes[service.name], record.ports[service.address])
        )
    }
    reasons = {service.name: "does not listen yet" for service in asked if service.address in deaf}
    heard = [(each, record.processes[each.name].spawned) for each in asked if each.name not in reasons]
    return reasons | (probe.waiting_for(heard) if heard else {})


def _moved(name: str, port: int) -> Problem:
    mend = "run `assay down` first, or leave the option out"
    return Problem(path=f"--{name}-port", message=f"{name} is already up on port {port}", mend=mend)


def _require_programs() -> None:
    if missing := services.missing_programs():
        problems = [
            Problem(path=str(BIN / name), message="is not installed", mend="run `make setup`") for name in missing
        ]
        raise UserError("the virtual environment", problems)


def _require_room(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < _NEEDED_BYTES:
        raise UnavailableError(
            f"the disk of {home} has {free // 1024**2} MB free; the stack needs {_NEEDED_BYTES // 1024**2} MB to start"
        )
