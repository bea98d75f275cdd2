"""A box: one process that runs code which is not trusted, with all that it starts, and a line to talk to it."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.core import AssayError
from assay.isolation import account, bubblewrap
from assay.isolation.level import Level
from assay.isolation.limits import BoxError, Limits
from assay.isolation.output import pass_on
from assay.isolation.platform_paths import PACKAGE, module_path, readable_by_all, system_paths

_LONGEST_LINE = 1 << 16
_CLOSING_SECONDS = 60.0
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONHASHSEED")
_THREADS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
            "MKL_NUM_THREADS")  # fmt: skip
_LOAD_PACKAGE = """\
import sys
from importlib.util import module_from_spec, spec_from_file_location
sys.path[:] = {path!r}
spec = spec_from_file_location("assay", {package!r} + "/__init__.py", submodule_search_locations=[{package!r}])
sys.modules["assay"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["assay"])
from assay.isolation.{start} import main
main()
"""


class Box:
    """Code that is not trusted, apart from everything.

    Parameters
    ----------
    level
        See `assay.isolation.choose`.
    module
        A module of Assay with a function ``main(receive, send)``, which talks in lines of text.
    readable
        Folders that it may read, at the same paths, beside the interpreter and its libraries.
    scratch
        The one folder that it may write, and its working directory.
    limits
        What all its processes may use together.
    log
        Gets each line that it prints, control characters made visible, up to 5,000 lines.
    subject
        What messages call it.

    Raises
    ------
    BoxError
        From any use, once the box has ended or passed a limit.
    """

    def __init__(
        self,
        *,
        level: Level,
        module: str,
        readable: Sequence[Path],
        scratch: Path,
        limits: Limits,
        log: Callable[[str], None] = lambda _: None,
        subject: str = "the training process",
    ) -> None:
        self._subject = subject
        self._level, self._module, self._limits, self._log = level, module, limits, log
        self._readable = [Path(each).resolve() for each in readable]
        self._scratch = Path(scratch).resolve()
        self._opened: set[int] = set()
        self._received = b""
        self._user: tuple[int, int] | None = None  # the account that the box runs as, where it is another one

    def __enter__(self) -> "Box":
        self._require_apart()
        if self._level == "user":
            self._user = account.grant(readable=self._readable, scratch=self._scratch)
        inside_receives, self._to = os.pipe()
        self._from, inside_sends = os.pipe()
        self._status, supervisor_says = os.pipe()
        supervisor_hears, self._lifeline = os.pipe()
        output, prints = os.pipe()
        theirs = [inside_receives, inside_sends, supervisor_says, supervisor_hears]
        self._opened = {self._to, self._from, self._status, self._lifeline}
        try:
            self._supervisor = subprocess.Popen(  # noqa: S603 (this interpreter, on a module of ours)
                self._command(inside_receives, inside_sends, supervisor_says, supervisor_hears),
                stdin=subprocess.DEVNULL,
                stdout=prints,
                stderr=prints,
                env=self._environment(),
                pass_fds=theirs,
                start_new_session=True,
            )
        except OSError as error:
            os.close(output)
            self._close_own()
            raise BoxError(f"the box cannot be started: {error.strerror}") from None
        finally:
            for descriptor in (*theirs, prints):
                os.close(descriptor)
        self._printer = threading.Thread(target=pass_on, args=(output, self._log), daemon=True)
        self._printer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, line: str) -> None:
        """Say one line to the box."""
        waiting = line.encode() + b"\n"
        while waiting:
            ready = self._wait(selectors.EVENT_WRITE, self._to)
            if not ready:
                raise self._ended()
            try:
                waiting = waiting[os.write(self._to, waiting[:4096]) :]
            except BrokenPipeError:
                raise self._ended() from None

    def receive(self) -> str:
        """The next line that the box says, of at most 65,536 bytes."""
        while b"\n" not in self._received:
            chunk = os.read(self._from, 4096) if self._wait(selectors.EVENT_READ, self._from) else b""
            if not chunk:
                raise self._ended()
            self._received += chunk
            if len(self._received) > _LONGEST_LINE and b"\n" not in self._received:
                raise BoxError("the process that runs it says more than it may", "leave that process alone")
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace")

    def close(self) -> None:
        """End all that runs in the box, and return when none of it is left.

        Raises
        ------
        AssayError
            When something cannot be ended.
        """
        if not self._opened:
            return
        os.close(self._lifeline)
        self._opened.discard(self._lifeline)
        said = self._last_words()
        try:
            self._supervisor.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            said = {"left": 1}
        self._printer.join(_CLOSING_SECONDS)
        self._close_own()
        if said.get("left"):
            raise AssayError(f"{said['left']} processes of the box cannot be ended; stop this worker and look at them")

    def _wait(self, event: int, descriptor: int) -> bool:
        """Wait until a pipe is ready; False when the supervisor has ended the box first."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(descriptor, event)
            waiting.register(self._status, selectors.EVENT_READ)
            ready = {key.fd for key, _ in waiting.select()}
        return descriptor in ready

    def _ended(self) -> BoxError:
        """Why the box says nothing any more."""
        said = self._last_words()
        if said.get("reason"):
            limits = "the limits are in the policy: training.limits"
            return BoxError(f"{self._subject} {said['reason']}", limits)
        code = said.get("code")
        how = "without a word" if code is None else f"with exit code {code}"
        return BoxError(f"{self._subject} ended {how} before its work was done", "its output is in the log above")

    def _last_words(self) -> dict[str, Any]:
        """What the supervisor says at its end: it says one line, however often it is asked for."""
        if not hasattr(self, "_said"):
            content = b""
            with selectors.DefaultSelector() as waiting:
                waiting.register(self._status, selectors.EVENT_READ)
                while waiting.select(_CLOSING_SECONDS) and (chunk := os.read(self._status, 4096)):
                    content += chunk
            self._said: dict[str, Any] = {}
            with contextlib.suppress(ValueError):
                self._said = json.loads(content)
        return self._said

    def _close_own(self) -> None:
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened = set()

    def _command(self, receive: int, send: int, status: int, lifeline: int) -> list[str]:
        inside = {
            "level": self._level,
            "module": self._module,
            "readable": [str(each) for each in (*system_paths(), *self._readable)],
            "scratch": str(self._scratch),
            "receive": receive,
            "send": send,
        }
        command = _python("bootstrap", inside)
        if self._level == "namespaces":
            bwrap = bubblewrap.program()
            assert bwrap is not None
            command = bubblewrap.command(bwrap, readable=self._readable, scratch=self._scratch, inner=command)
        supervised = {
            "command": command,
            "environment": self._environment(),
            "user": self._user,
            "scratch": str(self._scratch),
            "limits": asdict(self._limits),
            "receive": receive,
            "send": send,
            "status": status,
            "lifeline": lifeline,
        }
        return _python("supervisor", supervised)

    def _require_apart(self) -> None:
        """Refuse a scratch folder that lies where every box may read: it would show what other boxes are given."""
        holding = readable_by_all(self._scratch)
        if self._level != "none" and holding:
            mend = "set ASSAY_HOME or ASSAY_TRAINING_JOBS to a folder outside of it"
            raise BoxError(f"{self._scratch} lies in {holding}, which every training process may read", mend)

    def _environment(self) -> dict[str, str]:
        """All that the box gets to know of the environment."""
        kept = {name: value for name in (*_PASSED_ON, *_THREADS) if (value := os.environ.get(name)) is not None}
        kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin for a busy core take ten times as long
        home = str(self._scratch)
        if elsewhere := [each for each in module_path() if not each.startswith((sys.prefix, sys.base_prefix))]:
            kept["PYTHONPATH"] = os.pathsep.join(elsewhere)  # for the interpreters that the code starts
        if self._level == "landlock":
            kept["JOBLIB_MULTIPROCESSING"] = "0"  # its semaphores live in /dev/shm, which is not within reach
        return {**kept, "PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home}


def _python(start: str, asked: dict[str, Any]) -> list[str]:
    code = _LOAD_PACKAGE.format(path=module_path(), package=str(PACKAGE), start=start)
    # joblib starts its workers with the same flags: -I and -S would hide the installed packages from them
    return [sys.executable, "-s", "-P", "-B", "-u", "-c", code, json.dumps(asked)]
