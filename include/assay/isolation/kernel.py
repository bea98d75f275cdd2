"""System calls that Python has no function for. Each raises an OSError that names the call."""

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
_CAPABILITIES_V3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}


def syscall(name: str, number: int, *arguments: object) -> int:
    """Make a system call by its number."""
    result = int(_LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, *arguments: int) -> None:
    """Change an attribute of this process."""
    padded = [*arguments, 0, 0, 0, 0][:4]
    if _LIBC.prctl(option, *(ctypes.c_ulong(each) for each in padded)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")


def drop_capabilities() -> None:
    """Give up every capability for good: root keeps nothing but the ownership of its files."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # the kernel knows no more, or there was none to drop
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    syscall("capset", _CAPSET[os.uname().machine], ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
