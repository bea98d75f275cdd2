"""The process between a box and whoever made it: starts the box, watches what it uses, and ends all of it.

It holds no secret, and lives on the standard library alone so that it starts at once. It ends the box when the limits
are passed, when the box's own process ends, and when the pipe to its parent closes: also when that was killed.

It is two processes. The guard only waits: should the watcher be killed, the guard inherits the box and ends it.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.isolation import kernel, scratch
from assay.isolation.limits import Limits, size

_LOOK_EVERY = 0.05
_WEIGH_EVERY = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 20.0  # seconds until what cannot be killed is reported instead


@dataclass(frozen=True, slots=True)
class _Seen:
    """One process as /proc shows it: its memory in bytes, its processor time in seconds with its ended children's."""

    pid: int
    memory: int
    threads: int
    seconds: float


def main() -> None:
    """Run a box until it ends or must be ended; the last line on the status pipe says why."""
    asked = json.loads(sys.argv[1])
    limits = Limits(**asked["limits"])
    os.umask(0o077)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal reaches the parent, which closes the pipe
    watcher = os.fork()
    if watcher:
        _guard(watcher, asked)
        return
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)  # a child does not inherit it
    _supervise(asked, limits)
    os._exit(0)


def _guard(watcher: int, asked: dict[str, Any]) -> None:
    """Wait for the watcher; when it was killed, end what it leaves behind."""
    for descriptor in (asked["receive"], asked["send"], asked["lifeline"], 0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _, status = os.waitpid(watcher, 0)
    if status != 0:
        left = _end_all()
        said = {"reason": "lost the process that watches it", "code": None, "left": left}
        os.write(asked["status"], json.dumps(said).encode() + b"\n")


def _supervise(asked: dict[str, Any], limits: Limits) -> None:
    first = _start(asked, limits)
    for descriptor in (asked["receive"], asked["send"], 0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    reason, code, left = "could not be watched any longer", None, 0
    try:
        reason, code = _watch(first, asked, limits)
    finally:  # whatever went wrong with watching, nothing of the box is left
        left = _end_all()
        status = {"reason": reason, "code": code, "left": left}
        os.write(asked["status"], json.dumps(status).encode() + b"\n")


def _start(asked: dict[str, Any], limits: Limits) -> int:
    supervisor = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for descriptor in (asked["lifeline"], asked["status"]):
            os.close(descriptor)
        os.nice(5)
        with contextlib.suppress(OSError):  # a machine that runs out of memory ends the box before all else
            Path("/proc/self/oom_score_adj").write_text("1000")
        _limit(limits)
        os.chdir(asked["scratch"])
        if asked["user"] is not None:
            os.setgroups([])
            os.setresgid(asked["user"][1], asked["user"][1], asked["user"][1])
            os.setresuid(asked["user"][0], asked["user"][0], asked["user"][0])
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of account, which resets it
        if os.getppid() != supervisor:
            os._exit(1)
        os.execve(asked["command"][0], asked["command"], asked["environment"])  # noqa: S606 (no shell, on purpose)
    except BaseException as error:  # the new process must never run on as a second supervisor
        os.write(2, f"the box cannot be started: {error}\n".encode())
    os._exit(127)


def _limit(limits: Limits) -> None:
    """Limits that the kernel keeps for each process by itself."""
    seconds = int(limits.cpu_seconds) + 1
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, 1024),
    ):
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def _watch(first: int, asked: dict[str, Any], limits: Limits) -> tuple[str, int | None]:
    """Look again and again until something ends the box; why, and the exit code of its first process."""
    begun, weigh_at = time.monotonic(), 0.0
    while True:
        code = _reap(first)
        if code is not None:
            return _said(code), code
        if select.select([asked["lifeline"]], [], [], _LOOK_EVERY)[0]:
            return "", None  # the parent is done, or dead
        now = time.monotonic()
        if now - begun > limits.wall_seconds:
            return f"ran longer than {_time(limits.wall_seconds)}", None
        seen = [each for pid in descendants() if (each := _look(pid))]
        if reason := _excess(seen, limits):
            return reason, None
        if now > weigh_at:
            if reason := scratch.excess(asked["scratch"], [each.pid for each in seen], limits):
                return reason, None
            taken = time.monotonic() - now
            weigh_at = time.monotonic() + max(_WEIGH_EVERY, 2 * taken)


def _said(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "used up its processor time"
    return "" if code >= 0 else f"was ended by signal {-code}"


def _excess(seen: list[_Seen], limits: Limits) -> str:
    """Which limit is passed; empty when none is."""
    if len(seen) > limits.processes:
        return f"ran more than {limits.processes} processes at once"
    if sum(each.threads for each in seen) > limits.threads:
        return f"ran more than {limits.threads:,} threads at once"
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if used.ru_utime + used.ru_stime + sum(each.seconds for each in seen) > limits.cpu_seconds:
        return f"used more than {_time(limits.cpu_seconds)} of processor time"
    # counted twice where processes share pages after a fork: only then is the exact share worth its price
    if (
        sum(each.memory for each in seen) > limits.memory_bytes
        and sum(_own_share(each) for each in seen) > limits.memory_bytes
    ):
        return f"used more than {size(limits.memory_bytes)} of memory"
    return ""


def descendants() -> list[int]:
    """Every process that this one started, directly or not: a subreaper gets the orphans too."""
    found, waiting = [], [os.getpid()]
    while waiting:
        children = list(_children(waiting.pop()))
        found += children
        waiting += children
    return found


def _children(pid: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    for thread in threads:
        with contextlib.suppress(OSError):
            yield from map(int, (thread / "children").read_text().split())


def _look(pid: int) -> _Seen | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        told = _sizes(Path(f"/proc/{pid}/status").read_bytes())
        # a mapping that is shared, and tables of pages that were only read, take memory as well as any other
        memory = sum(told.get(name, 0) for name in (b"RssAnon", b"RssShmem", b"VmSwap", b"VmPTE"))
        return None if fields[0] == b"Z" else _Seen(pid, memory, told.get(b"Threads", 1), _seconds(fields))
    except (OSError, ValueError, IndexError):
        return None


def _seconds(fields: list[bytes]) -> float:
    return sum(map(int, fields[11:15])) / _TICKS


def _sizes(content: bytes) -> dict[bytes, int]:
    """The lines of a file of /proc that hold a number: sizes in bytes, counts as they are."""
    found = {}
    for name, _, rest in (line.partition(b":") for line in content.splitlines()):
        value, *unit = rest.split() or [b""]
        if value.isdigit():
            found[name] = int(value) * (1024 if unit == [b"kB"] else 1)
    return found


def _own_share(seen: _Seen) -> int:
    """Memory of a process, pages that it shares divided among those that share them."""
    try:
        sizes = _sizes(Path(f"/proc/{seen.pid}/smaps_rollup").read_bytes())
        tables = _sizes(Path(f"/proc/{seen.pid}/status").read_bytes()).get(b"VmPTE", 0)
    except OSError:
        return seen.memory
    return sum(sizes.get(name, 0) for name in (b"Pss_Anon", b"Pss_Shmem", b"SwapPss")) + tables


def _reap(first: int) -> int | None:
    """Collect what has ended; the exit code of the first process once it has, negative for a signal."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == first:
            code = os.waitstatus_to_exitcode(status)


def _end_all() -> int:
    """Stop all that is left, then kill it, until none is; how many could not be ended."""
    deadline = time.monotonic() + _PATIENCE
    while (left := descendants()) and time.monotonic() < deadline:
        stopped: set[int] = set()
        # what is stopped cannot start another
        while (fresh := set(left) - stopped) and time.monotonic() < deadline:
            _signal(fresh, signal.SIGSTOP)
            stopped |= fresh
            left = descendants()
        _signal(stopped, signal.SIGKILL)
        _reap(0)
        time.sleep(0.002)
    _reap(0)
    return len(left)


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _time(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
