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
from collections.abc import Iterable

from assay.isolation.kernel import PR_SET_NO_NEW_PRIVS, prctl, syscall

ARCHITECTURES = ("x86_64", "aarch64")
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_NEWEST = 450  # what came later is answered as by an older kernel
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_MODE_FILTER, _TSYNC = 1, 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_CLONE3 = 435

# Name to number on x86_64 and on aarch64; None where the machine does not have the call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # network; socketpair stays
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "ioprio_set": (251, 30),
    # what processes share outside of files
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # ways round the other rules
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "seccomp": (317, 277), "personality": (135, 92), "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262), "inotify_init": (253, None), "inotify_init1": (294, 26),
    # the file system's and the machine's own affairs
    "mount": (165, 40), "umount2": (166, 39), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "vhangup": (153, 58),
    "mknod": (133, None), "mknodat": (259, 33),
}  # fmt: skip

# Landlock does not see changes to the attributes of a file that cannot be opened.
_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmodat": (268, 53), "chown": (92, None), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip

# Where neither a namespace nor Landlock keeps signals in.
_SIGNALS: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}  # fmt: skip
_TGKILL = (234, 131)

# These may be about the process itself only: their first argument must be 0, or the second where it is the second.
_ABOUT_ITSELF: dict[str, tuple[tuple[int, int], int]] = {
    "prlimit64": ((302, 261), 0), "sched_setaffinity": ((203, 122), 0), "sched_setscheduler": ((144, 119), 0),
    "sched_setparam": ((142, 118), 0), "sched_setattr": ((314, 274), 0), "setpriority": ((141, 140), 1),
}  # fmt: skip
_CLONE = (56, 220)


def apply(*, attributes: bool, signals: bool) -> None:
    """Put this process and all that it starts under the filter, for good.

    Parameters
    ----------
    attributes
        Whether to forbid changing mode, owner, times and extended attributes by path.
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


def _program(machine: str, *, attributes: bool, signals: bool) -> Iterable[bytes]:
    column = ARCHITECTURES.index(machine)
    denied = _DENIED | (_ATTRIBUTES if attributes else {}) | (_SIGNALS if signals else {})
    yield _step(_LOAD, _ARCHITECTURE)
    yield from (_step(_EQUAL, _AUDIT[machine], 1, 0), _step(_RETURN, _KILL))
    yield _step(_LOAD, _NUMBER)
    if machine == "x86_64":
        yield from (_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _KILL))
    yield from _answer(_AT_LEAST, _NEWEST + 1, errno.ENOSYS)
    yield from _answer(_EQUAL, _CLONE3, errno.ENOSYS)  # its flags lie in memory; libc then asks for clone
    for numbers in denied.values():
        if (number := numbers[column]) is not None:
            yield from _answer(_EQUAL, number, errno.EPERM)
    for both, position in _ABOUT_ITSELF.values():
        yield from _checked(both[column], position, _step(_EQUAL, 0, 0, 1))
    if signals:
        yield from _checked(_TGKILL[column], 0, _step(_EQUAL, os.getpid(), 0, 1))
    yield _step(_EQUAL, _CLONE[column], 0, 4)
    yield from (_step(_LOAD, _FIRST_ARGUMENT), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1))
    yield from (_step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ALLOW))
    yield _step(_RETURN, _ALLOW)


def _answer(test: int, value: int, error: int) -> Iterable[bytes]:
    """Answer a call with an error where its number meets the test."""
    return _step(test, value, 0, 1), _step(_RETURN, _ERRNO | error)


def _checked(number: int, position: int, test: bytes) -> Iterable[bytes]:
    """Allow one call only where the low half of an argument meets the test."""
    offset = _FIRST_ARGUMENT + 8 * position
    yield from (_step(_EQUAL, number, 0, 4), _step(_LOAD, offset), test)
    yield from (_step(_RETURN, _ALLOW), _step(_RETURN, _ERRNO | errno.EPERM))


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, when_true, when_false, value)
