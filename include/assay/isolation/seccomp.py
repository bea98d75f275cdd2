"""The filter of system calls that every isolated box runs under: no network, no view of other processes, no mounts.

It is written as classic BPF, since the library that compiles filters is not installed everywhere.

References
----------
seccomp(2); Documentation/userspace-api/seccomp_filter.rst of the Linux kernel.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Iterator, Sequence

from assay.isolation import system_calls as calls
from assay.isolation.kernel import PR_SET_NO_NEW_PRIVS, prctl, syscall

ARCHITECTURES = ("x86_64", "aarch64")
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_NEWEST = 450  # what came later is answered as by an older kernel
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_MODE_FILTER, _TSYNC = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian
_CLONE3 = 435
_REFUSALS = {"ioctl": errno.ENOTTY}


def apply(*, attributes: bool, signals: bool) -> None:
    """Put this process and all that it starts under the filter, for good.

    Parameters
    ----------
    attributes
        Whether to forbid changing size by path, mode, owner, times and extended attributes.
    signals
        Whether to forbid signals to other processes.

    Raises
    ------
    OSError
        When the kernel has no seccomp, or the machine is not one of `ARCHITECTURES`.
    """
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"seccomp: no filter is written for {machine}")
    program = b"".join(_program(machine, attributes=attributes, signals=signals))
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall("seccomp", _SECCOMP[machine], ctypes.c_uint(_MODE_FILTER), ctypes.c_uint(_TSYNC), ctypes.c_char_p(head))


def _program(machine: str, *, attributes: bool, signals: bool) -> Iterator[bytes]:
    column = ARCHITECTURES.index(machine)
    denied = {**calls.DENIED, **(calls.ATTRIBUTES if attributes else {}), **(calls.SIGNALS if signals else {})}
    yield _step(_LOAD, _ARCHITECTURE)
    yield from (_step(_EQUAL, _AUDIT[machine], 1, 0), _step(_RETURN, _KILL))
    yield _step(_LOAD, _NUMBER)
    if machine == "x86_64":
        yield from (_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _KILL))
    yield from _answer(_AT_LEAST, _NEWEST + 1, errno.ENOSYS)
    yield from _answer(_EQUAL, _CLONE3, errno.ENOSYS)  # its flags lie in memory; libc then asks for clone
    for table, error in ((denied, errno.EPERM), (calls.NOT_SUPPORTED, errno.EOPNOTSUPP)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                yield from _answer(_EQUAL, number, error)
    for name, (numbers, arguments) in calls.CHECKED.items():
        yield from _checked(numbers[column], arguments, _REFUSALS.get(name, errno.EPERM))
    if signals:
        itself = [calls.Argument(0, allowed=(os.getpid(),))]
        yield from _checked(calls.TGKILL[column], itself, errno.EPERM)
    clone = calls.CLONE[column]
    assert clone is not None
    yield _step(_EQUAL, clone, 0, 4)
    yield from (_step(_LOAD, _FIRST_ARGUMENT), _step(_ANY_BIT, calls.NEW_NAMESPACES, 0, 1))
    yield from (_step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ALLOW))
    yield _step(_RETURN, _ALLOW)


def _answer(test: int, value: int, error: int) -> Iterable[bytes]:
    """Answer a call with an error where its number meets the test."""
    return _step(test, value, 0, 1), _step(_RETURN, _ERRNO | error)


def _checked(number: int | None, arguments: Sequence[calls.Argument], error: int) -> Iterator[bytes]:
    """Allow one call only with arguments that it may have."""
    if number is None:
        return
    body = [step for each in arguments for step in _argument(each, error)]
    yield _step(_EQUAL, number, 0, len(body) + 1)
    yield from body
    yield _step(_RETURN, _ALLOW)


def _argument(argument: calls.Argument, error: int) -> Iterator[bytes]:
    """Go on where an argument is as it must be, and answer with an error where it is not."""
    yield _step(_LOAD, _FIRST_ARGUMENT + 8 * argument.position)
    yield _step(_AND, argument.mask)
    for value in argument.denied:
        yield from _answer(_EQUAL, value, error)
    for left, value in zip(range(len(argument.allowed), 0, -1), argument.allowed, strict=True):
        yield _step(_EQUAL, value, left, 0)
    if argument.allowed:
        yield _step(_RETURN, _ERRNO | error)


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, when_true, when_false, value)
