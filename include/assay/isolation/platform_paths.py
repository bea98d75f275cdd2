"""Which files of this machine code in a box may read: the interpreter, its libraries, and Assay's own package."""

import os
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""Assay's package. The folder above it holds the models and their data, and is not readable."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
_LIBRARIES = ("site-packages", "dist-packages")
HARDWARE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/sys/devices/system/cpu")
"""What numerical libraries read to choose their kernels and numbers of threads."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def module_path() -> list[str]:
    """The entries of `sys.path` that hold the standard library or installed packages.

    The folder that Assay is run from, and whatever else a caller put there, is left out.
    """
    roots = [Path(each).resolve() for each in (sys.base_prefix, sysconfig.get_path("stdlib"))]
    found = []
    for entry in sys.path:
        path = Path(entry).resolve()
        standard = any(path.is_relative_to(root) for root in roots)
        if entry and path.exists() and (path.name in _LIBRARIES or standard):
            found.append(str(path))
    return list(dict.fromkeys(found))


def system_paths() -> list[Path]:
    """Files and folders of the system and of the interpreter that exist here; links are kept as they are."""
    own = [sys.base_prefix, sys.prefix, *module_path(), str(PACKAGE), *_libraries()]
    return [Path(each) for each in dict.fromkeys([*_SYSTEM, *_FILES, *own]) if Path(each).exists()]


def readable_by_all(folder: Path) -> Path | None:
    """Which of the folders that every box may read holds a folder; None when none does."""
    place = folder.resolve()
    return next((each for each in system_paths() if place.is_relative_to(each.resolve())), None)


def _libraries() -> list[str]:
    """Folders from which the loader may take libraries because the environment says so."""
    return [each for each in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if each.startswith("/")]
