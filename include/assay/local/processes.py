"""Start processes that outlive us, recognise them again, and end them with everything they started.

Each process leads a session of its own. Airflow moves task processes into process groups of their own
and leaves children behind when its parent is ended, but none of them leaves the session: ending a
service means ending its session.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from assay.local.private import PRIVATE_UMASK, make_private_folder, private_opener

MARK = "ASSAY_STACK_HOME"
"""Set in the environment of all that the stack starts, so that it is found when the record of it is lost."""

_ASK_AGAIN_AFTER = 2.0
_CLOCK_SLACK = 60.0  # by how much a clock may have been set since
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError)
_children: dict[int, subprocess.Popen[bytes]] = {}  # held so that a child which ends is reaped


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A process that is never mistaken for a later one with the same number.

    Attributes
    ----------
    pid
        Its number, which is also the number of its session.
    birth
        When the system says that it started, in a unit of the system's own: equal for the same process,
        whatever is done to the clock.
    spawned
        When we started it, in seconds since 1970 by the clock.
    """

    pid: int
    birth: float
    spawned: float


def spawn(command: Sequence[str], *, environment: Mapping[str, str], log: Path, home: Path) -> Identity:
    """Start `command` as the leader of a new session; its output goes to `log`, the older log to `log`.1.

    Nobody but its owner can read what it writes.
    """
    make_private_folder(log.parent)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    spawned = time.time()
    with open(log, "wb", opener=private_opener) as stream:
        child = subprocess.Popen(  # noqa: S603 (the commands are ours, none comes from input)
            command,
            env={**environment, MARK: str(home)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=home,
            start_new_session=True,
            umask=PRIVATE_UMASK,
        )
    _children[child.pid] = child
    return Identity(pid=child.pid, birth=_birth(child.pid) or 0.0, spawned=spawned)


def exit_code(identity: Identity) -> int | None:
    """The exit code of a child of this process; None while it runs or when it is not our child."""
    child = _children.get(identity.pid)
    return None if child is None else child.poll()


def is_running(identity: Identity) -> bool:
    """Whether that very process still runs."""
    if identity.pid in _children:
        # The system shows a child whose threads outlive its main one as ended before it has an exit code.
        return exit_code(identity) is None
    return _birth(identity.pid) == identity.birth and not _is_zombie(identity.pid)


def session_members(identity: Identity) -> list[psutil.Process]:
    """All processes of the session that `identity` leads or led.

    A system does not give away the number of a dead leader while its session has members; so members
    under a number that now belongs to another process are not ours.
    """
    if _birth(identity.pid) not in (None, identity.birth):
        return []
    if identity.spawned < psutil.boot_time() - _CLOCK_SLACK:
        return []
    return [process for process in psutil.process_iter() if _session(process.pid) == identity.pid]


def listens(identity: Identity, port: int) -> bool:
    """Whether the session of `identity` listens on a TCP port: what answers there may be somebody else's."""
    for process in session_members(identity):
        with suppress(*_GONE):
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp")):
                return True
    return False


def marked(home: Path) -> list[psutil.Process]:
    """Processes that carry the mark of the stack in `home`, wherever they run; never this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(*_GONE, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home):
                found.append(process)
    return found


def end(identities: Iterable[Identity], *, home: Path | None = None, grace: float = 10.0) -> list[int]:
    """End every process of these sessions, and every one that carries the mark of `home`.

    First all are asked (SIGTERM), those left after two seconds once more, which Airflow's scheduler and
    triggerer take as leave not to wait any longer; those left after `grace` seconds are killed (SIGKILL).

    Returns
    -------
    list of int
        Numbers of the processes that even then did not end; empty unless the system is in trouble.
    """
    identities = tuple(identities)
    patience = min(_ASK_AGAIN_AFTER, grace)
    _signal(_alive(identities, home), kill=False)
    if not _wait_until_none(identities, home, patience):
        _signal(_alive(identities, home), kill=False)
    if not _wait_until_none(identities, home, grace - patience):
        _signal(_alive(identities, home), kill=True)
        _wait_until_none(identities, home, 5.0)
    return [process.pid for process in _alive(identities, home)]


def _alive(identities: Sequence[Identity], home: Path | None) -> list[psutil.Process]:
    found = {process.pid: process for identity in identities for process in session_members(identity)}
    if home is not None:
        found |= {process.pid: process for process in marked(home)}
    for child in _children.values():
        child.poll()
    return [process for process in found.values() if not _is_zombie(process.pid)]


def _signal(processes: Iterable[psutil.Process], *, kill: bool) -> None:
    for process in processes:
        with suppress(*_GONE):
            process.kill() if kill else process.terminate()


def _wait_until_none(identities: Sequence[Identity], home: Path | None, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(identities, home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except _GONE:
        return None


def _birth(pid: int) -> float | None:
    """When a process started; None when there is none of that number."""
    try:
        # Linux keeps it in ticks since it booted. psutil makes a date of that by a clock that may be set.
        return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        try:
            return float(psutil.Process(pid).create_time())
        except _GONE:
            return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except _GONE:
        return True
