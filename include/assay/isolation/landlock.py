"""Landlock: a process gives up, for itself and all that it starts, every file that it does not name.

It needs no privilege, and version 3 of the interface (Linux 6.2): before it, a file that may be read can be emptied by
opening it with O_TRUNC. From version 4 of the interface on it also closes TCP, from version 6 on
abstract Unix sockets and signals to other processes; seccomp closes both where it cannot.

References
----------
landlock(7); Documentation/userspace-api/landlock.rst of the Linux kernel.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from assay.isolation.kernel import PR_SET_NO_NEW_PRIVS, prctl, syscall

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
OLDEST = 3
"""The first version that keeps files which may be read from being emptied."""

_ALL_RIGHTS = {3: 15, 4: 15}  # version to how many rights on files it knows, where it knows fewer than later ones
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
_TCP, _SCOPES = 0b11, 0b11
_READ = _EXECUTE | _READ_FILE | _READ_DIR


def version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    try:
        return syscall("landlock_create_ruleset", _CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def keeps_signals() -> bool:
    """Whether Landlock itself forbids signals to processes outside."""
    return version() >= 6


def restrict(*, readable: Iterable[Path], writable: Iterable[Path], devices: Iterable[Path]) -> None:
    """Leave this process nothing but these files, and no TCP.

    Parameters
    ----------
    readable
        Files and folders to read and execute; those that do not exist are left out.
    writable
        Folders in which everything is allowed but device files.
    devices
        Devices to read and write.

    Raises
    ------
    OSError
        When the kernel has no Landlock.
    """
    abi = version()
    every = (1 << _ALL_RIGHTS.get(abi, 16)) - 1
    attributes = struct.pack("QQQ", every, _TCP, _SCOPES)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = syscall(
        "landlock_create_ruleset", _CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    try:
        for path in readable:
            _allow(ruleset, path, _READ & every)
        for path in devices:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE) & every)
        for path in writable:
            _allow(ruleset, path, every & ~(1 << 6 | 1 << 11))  # no character and no block devices
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall("landlock_restrict_self", _RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist needs no rule
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, opened)
        syscall(
            "landlock_add_rule",
            _ADD,
            ctypes.c_int(ruleset),
            ctypes.c_int(_PATH_BENEATH),
            ctypes.c_char_p(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(opened)
