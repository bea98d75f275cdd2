"""Which system calls code in a box may not make, or only with some arguments.

Numbers are those of x86_64 and of aarch64; None where the machine does not have the call.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Numbers = tuple[int | None, int | None]

DENIED: Mapping[str, Numbers] = {
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
    "msgrcv": (70, 188), "msgctl": (71, 187), "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192),
    "semctl": (66, 191), "mq_open": (240, 180), "mq_unlink": (241, 181), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # ways round the other rules
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "seccomp": (317, 277), "personality": (135, 92), "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262), "inotify_init": (253, None), "inotify_init1": (294, 26), "modify_ldt": (154, None),
    "uselib": (134, None),
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

# Landlock does not see changes to a file's attributes: not those by a descriptor that was opened to read, and before
# version 3 of its interface no truncation by path either.
ATTRIBUTES: Mapping[str, Numbers] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88), "truncate": (76, 45),
}  # fmt: skip

# Where neither a namespace nor Landlock keeps signals in.
SIGNALS: Mapping[str, Numbers] = {
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}  # fmt: skip
TGKILL: Numbers = (234, 131)

# A single call reserves more disk than the supervisor could notice in time; libc then writes zeros instead.
NOT_SUPPORTED: Mapping[str, Numbers] = {"fallocate": (285, 47)}

CLONE: Numbers = (56, 220)
NEW_NAMESPACES = 0x7E020000
"""Flags of `clone`: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""


@dataclass(frozen=True, slots=True)
class Argument:
    """Which values one argument of a call may have, looking at the bits of `mask` in its low half.

    Either only those of `allowed`, or all but those of `denied`.
    """

    position: int
    allowed: tuple[int, ...] = ()
    denied: tuple[int, ...] = ()
    mask: int = 0xFFFFFFFF


_ITSELF = (Argument(0, allowed=(0,)),)
_AF_UNIX, _SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE = 1, 1, 5, 0xF
_PR_SET_PDEATHSIG = 1
_SETOWN, _SETSIG, _SETOWN_EX, _SETLEASE, _NOTIFY = 8, 10, 15, 1024, 1026
_TERMINAL = (0x5401, 0x802C542A, 0x5413)  # TCGETS, TCGETS2, TIOCGWINSZ: is this a terminal, and how wide
_DESCRIPTOR = (0x541B, 0x5421, 0x5450, 0x5451)  # FIONREAD, FIONBIO, FIONCLEX, FIOCLEX

CHECKED: Mapping[str, tuple[Numbers, tuple[Argument, ...]]] = {
    # about the process itself only
    "prlimit64": ((302, 261), _ITSELF),
    "sched_setaffinity": ((203, 122), _ITSELF),
    "sched_setscheduler": ((144, 119), _ITSELF),
    "sched_setparam": ((142, 118), _ITSELF),
    "sched_setattr": ((314, 274), _ITSELF),
    "setpriority": ((141, 140), (Argument(0, allowed=(0,)), Argument(1, allowed=(0,)))),
    # datagrams could be sent to any socket that has a path
    "socketpair": (
        (53, 199),
        (Argument(0, allowed=(_AF_UNIX,)), Argument(1, allowed=(_SOCK_STREAM, _SOCK_SEQPACKET), mask=_SOCK_TYPE)),
    ),
    # signals to other processes, and holding up who opens a file
    "fcntl": ((72, 25), (Argument(1, denied=(_SETOWN, _SETSIG, _SETOWN_EX, _SETLEASE, _NOTIFY)),)),
    # flags of files, input for terminals
    "ioctl": ((16, 29), (Argument(1, allowed=(*_TERMINAL, *_DESCRIPTOR)),)),
    # the box ends with its supervisor
    "prctl": ((157, 167), (Argument(0, denied=(_PR_SET_PDEATHSIG,)),)),
}
