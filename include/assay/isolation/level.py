"""Which ways of keeping code apart this machine has, and which one is used."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from assay.core import Problem, UserError, did_you_mean, problem
from assay.isolation import bubblewrap, landlock, seccomp
from assay.isolation.account import USER
from assay.isolation.limits import BoxError, Limits

Level = Literal["namespaces", "landlock", "user", "none"]
"""Ways of keeping code apart, the strongest first."""

LEVELS: tuple[Level, ...] = get_args(Level)
SETTING = "ASSAY_ISOLATION"
AUTO = "auto"
_NEVER_ALONE = ("high",)  # risk tiers that are never trained without isolation


def isolation_setting() -> str:
    """What the environment asks for: `AUTO`, or a level."""
    return os.environ.get(SETTING, "") or AUTO


def choose(setting: str, *, tier: str | None = None) -> Level:
    """The level that code is run at.

    Parameters
    ----------
    setting
        A level, or `AUTO` for the strongest that a trial shows to work here; ``none`` is never chosen by itself.
    tier
        The model's risk tier.

    Raises
    ------
    UserError
        When there is no such level, it does not work here, none does, or the risk tier does not allow it.
    """
    if setting == AUTO:
        reasons = probe()
        for level in LEVELS:
            if level != "none" and not reasons[level]:
                return level
        found = [Problem(path=each, message=reasons[each]) for each in LEVELS if each != "none"]
        mend = f"enable one of them, or accept the risk by {SETTING}=none (risk tier high is then refused)"
        raise UserError("isolation", [*found, Problem(path=SETTING, message="no level works here", mend=mend)])
    chosen = next((each for each in LEVELS if each == setting), None)
    if chosen is None:
        raise problem(SETTING, f"{setting!r} is not a level of isolation", did_you_mean(setting, [AUTO, *LEVELS]))
    if chosen == "none" and tier in _NEVER_ALONE:
        raise problem(SETTING, f"is none, and risk tier {tier} is never trained without isolation", f"set it to {AUTO}")
    if reason := _reason(chosen):
        raise problem(SETTING, f"is {chosen}, which does not work here: {reason}", "see: assay doctor")
    return chosen


def probe() -> dict[Level, str]:
    """Why each level does not work here; empty for those that do. Each is tried by running a process in it."""
    return {level: _reason(level) for level in LEVELS}


@cache
def _reason(level: Level) -> str:
    checks: Mapping[Level, Callable[[], str]] = {"namespaces": _bubblewrap, "landlock": _landlock, "user": _user}
    if level == "none":
        return ""
    if os.uname().sysname != "Linux" or os.uname().machine not in seccomp.ARCHITECTURES:
        return f"is written for Linux on {' and '.join(seccomp.ARCHITECTURES)}, and this is {os.uname().machine}"
    return checks[level]() or _trial(level)


def _bubblewrap() -> str:
    program = bubblewrap.program()
    if program is None:
        return "bubblewrap is not installed"
    tried = subprocess.run(  # noqa: S603 (the program that was found, with arguments of ours)
        [program, "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true"], capture_output=True, check=False
    )
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return "" if tried.returncode == 0 else f"bubblewrap cannot make namespaces: {(said or ['no reason given'])[-1]}"


def _landlock() -> str:
    if landlock.version() >= landlock.OLDEST:
        return ""
    return "the kernel has no Landlock that keeps files from being emptied (Linux 6.2 or later, enabled at boot)"


def _user() -> str:
    name = os.environ.get(USER, "")
    if not name:
        return f"{USER} names no account"
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return f"{USER} is {name!r}, and there is no such account"
    if account.pw_uid in (0, os.getuid()):
        return f"{USER} is {name!r}, which is no other, unprivileged account"
    if os.geteuid() != 0:
        return "only root may run a process as another user"
    home = Path(os.environ.get("ASSAY_HOME", ".assay")).absolute()
    if home.exists() and home.stat().st_mode & 0o007:
        return f"{home} can be entered by everybody; remove that: chmod o-rwx {home}"
    return ""


def _trial(level: Level) -> str:
    """Run a process that only answers."""
    from assay.isolation.box import Box

    printed: list[str] = []
    small = Limits(wall_seconds=60, cpu_seconds=30)
    with tempfile.TemporaryDirectory(prefix="assay-box-") as folder:
        place = Path(folder)
        if level == "user":
            place.chmod(0o711)  # the other account must reach its scratch folder
        scratch = place / "scratch"
        scratch.mkdir()
        try:
            with Box(
                level=level, module="assay.isolation.echo", readable=[], scratch=scratch, limits=small,
                log=printed.append,
            ) as box:  # fmt: skip
                box.send("ready")
                return "" if box.receive() == "ready" else "a trial gave no answer"
        except BoxError as error:
            return f"a trial failed: {printed[-1] if printed else error.problems[0].message}"
