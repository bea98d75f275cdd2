"""Code in a box reaches nothing of the machine: the mechanism itself, call by call."""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest
from tests.isolation.support import WORKING, programmed

from assay.isolation import landlock, probe
from assay.isolation import level as level_module


def test_this_machine_has_the_two_levels_that_are_tested():
    assert {"namespaces", "landlock"} <= set(WORKING), probe()


@pytest.fixture(params=WORKING)
def level(request):
    return request.param


@pytest.fixture
def run(tmp_path, monkeypatch, level):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "rows").write_text("rows")
    (tmp_path / "given" / "rows").chmod(0o644)
    with programmed(tmp_path, monkeypatch, level, readable=[tmp_path / "given"]) as asked:
        yield asked


FORBIDDEN_CALLS = {  # x86_64 and aarch64 numbers, and arguments
    "semctl": (66, 191, "1, 0, 0"),
    "msgctl": (71, 187, "1, 0, 0"),
    "mq_unlink": (241, 181, "b'assay'"),
    "shmget": (29, 194, "0, 4096, 0o1600"),
    "memfd_create": (319, 279, "b'x', 0"),
    "io_uring_setup": (425, 425, "8, 0"),
    "ptrace": (101, 117, "16, os.getppid(), 0, 0"),
    "pidfd_open": (434, 434, "os.getpid(), 0"),
    "userfaultfd": (323, 282, "1"),
    "bpf": (321, 280, "0, 0, 0"),
    "unshare": (272, 97, "0x10000000"),
    "mount": (165, 40, "0, b'/', b'tmpfs', 0, 0"),
    "keyctl": (250, 219, "0, -3, 0"),
    "prctl(PR_SET_PDEATHSIG)": (157, 167, "1, 0, 0, 0, 0"),
    "clone(CLONE_NEWUSER)": (56, 220, "ctypes.c_ulong(0x10000011), 0, 0, 0, 0"),
    "clone(CLONE_NEWUSER) with high bits": (56, 220, "ctypes.c_ulong(0x110000011), 0, 0, 0, 0"),
    "setpriority(PRIO_USER)": (141, 140, "2, 0, 19"),
    "setpriority(PRIO_USER) with high bits": (141, 140, "ctypes.c_ulong(0x100000002), 0, 19"),
    "prlimit64(another process)": (302, 261, "os.getppid() or 1, 7, 0, 0"),
    "prctl with high bits": (157, 167, "ctypes.c_ulong(0x100000001), 0, 0, 0, 0"),
}


def test_calls_that_reach_beyond_the_process_are_refused(run):
    column = ("x86_64", "aarch64").index(os.uname().machine)
    lines = [f"{name!r}: call({each[column]}, {each[2]})" for name, each in FORBIDDEN_CALLS.items()]
    answers = run("answer = {" + ", ".join(lines) + "}")
    assert {name: code for name, code in answers.items() if code != -1} == {}


def test_calls_that_the_filter_does_not_know_do_not_exist(run):
    assert run("answer = [call(number, 0, 0, 0) for number in (435, 451, 452, 462, 467, 1000)]") == [-38] * 6


def test_another_kind_of_system_call_ends_the_process(run):
    if os.uname().machine != "x86_64":
        pytest.skip("x32 calls are x86_64's")
    source = """
pid = os.fork()
if pid == 0:
    call(0x40000000 + 39)
    os._exit(0)
answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
    assert run(source) == -31


def test_files_are_neither_changed_nor_held_through_what_may_be_read(run, tmp_path):
    source = f"""
import fcntl
opened = os.open({str(tmp_path / "given" / "rows")!r}, os.O_RDONLY)
answer = {{
    "fchmod": error(lambda: os.fchmod(opened, 0o4777)),
    "fchown": error(lambda: os.fchown(opened, os.getuid(), os.getgid())),
    "utime": error(lambda: os.utime(opened)),
    "setxattr": error(lambda: os.setxattr(opened, "user.x", b"1")),
    "flags": error(lambda: fcntl.ioctl(opened, 0x40086602, b"\\x40" + bytes(7))),
    "lease": error(lambda: fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)),
    "notify": error(lambda: fcntl.fcntl(opened, fcntl.F_NOTIFY, 1)),
    "truncate": error(lambda: os.truncate({str(tmp_path / "given" / "rows")!r}, 0)),
    "write": error(lambda: os.open({str(tmp_path / "given" / "rows")!r}, os.O_WRONLY)),
    "reopen": error(lambda: os.open("/proc/self/fd/%d" % opened, os.O_RDWR)),
    "unlink": error(lambda: os.unlink({str(tmp_path / "given" / "rows")!r})),
}}
"""
    assert [name for name, error in run(source).items() if not error] == []
    assert (tmp_path / "given" / "rows").read_text() == "rows"
    assert (tmp_path / "given" / "rows").stat().st_mode & 0o7007 == 0o004


def test_no_socket_that_has_a_path_or_a_name_gets_a_message(run, tmp_path):
    name = f"\0assay-{os.getpid()}-{time.time_ns()}"
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as one,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as other,
    ):
        one.bind(str(tmp_path / "given" / "datagrams"))
        other.bind(name)
        source = f"""
def send(kind, address):
    first, second = socket.socketpair(socket.AF_UNIX, kind)
    first.sendto(b"rows", address)

answer = [
    error(lambda: send(kind, address))
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    for address in ({str(tmp_path / "given" / "datagrams")!r}, {name!r})
] + [error(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))]
"""
        *sent, pair = run(source)
        for each in (one, other):
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(10)
    assert all(sent[:4])
    assert pair == ""


def test_the_machine_s_own_settings_are_read_only(run):
    source = """
places = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
          "/proc/self/oom_score_adj", "/proc/self/mem", "/proc/self/comm", "/sys/devices/system/cpu/online",
          "/dev/tty", "/dev/mem", "/dev/kmsg"]
answer = [place for place in places if not error(lambda: os.open(place, os.O_WRONLY))]
"""
    assert run(source) == []


def test_neither_descriptors_nor_environment_come_from_the_parent(run):
    assert "PYTEST_CURRENT_TEST" in os.environ
    source = """
answer = [sorted(os.environ), [number for number in range(1024) if not error(lambda: os.fstat(number))]]
"""
    names, descriptors = run(source)
    assert not [name for name in names if name.startswith(("ASSAY", "AIRFLOW", "PYTEST"))]
    assert len(descriptors) == 5, "three standard ones and two pipes"


def test_no_signal_leaves_the_box(tmp_path, monkeypatch, level):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        with programmed(tmp_path, monkeypatch, level) as run:
            source = f"""
import fcntl
hear, say = os.pipe()
answer = [error(lambda: os.kill(pid, 9)) for pid in ({other.pid}, {os.getpid()}, {os.getppid()})]
answer += [error(lambda: fcntl.fcntl(hear, fcntl.F_SETOWN, {other.pid}))]
"""
            assert all(run(source))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_landlock_under_which_files_can_be_emptied_is_not_used(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 2)
    assert "keeps files from being emptied" in level_module._landlock()


@pytest.mark.skipif(landlock.version() == 0, reason="the kernel has no Landlock")
def test_kernels_whose_landlock_lacks_signals_get_them_from_the_filter():
    source = """
import os, signal, subprocess, sys
sys.path[:0] = [{path!r}]
from assay.isolation import seccomp
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=-3, stderr=-3)
seccomp.apply(attributes=True, signals=True)
try:
    os.kill(other.pid, 9)
except PermissionError:
    print("refused")
signal.signal(signal.SIGUSR1, lambda *_: print("own"))
signal.raise_signal(signal.SIGUSR1)
print(other.pid)
"""
    from assay.isolation.platform_paths import PACKAGE

    done = subprocess.run(
        [sys.executable, "-c", source.format(path=str(PACKAGE.parent))], capture_output=True, text=True, check=True
    )
    refused, own, pid = done.stdout.split()
    os.kill(int(pid), 9)
    assert (refused, own) == ("refused", "own")
