"""A box that uses too much is ended with a reason, and leaves no process behind; nor does one whose task is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.isolation.support import WORKING, programmed, started_here

from assay.isolation import Box, BoxError, Limits, remove_folder
from assay.isolation.platform_paths import PACKAGE

ROOT = PACKAGE.parents[1]
MIB = 2**20


@pytest.fixture(params=WORKING)
def level(request):
    return request.param


TOO_MUCH = {
    "shared memory": (
        "m = mmap.mmap(-1, 3 * 2**29)\nfor place in range(0, len(m), 4096): m[place] = 1\ntime.sleep(60)",
        {},
        "used more than 1 GiB of memory",
    ),
    "tables of pages": (
        "held = [mmap.mmap(-1, 2**40, mmap.MAP_PRIVATE | 0x4000, mmap.PROT_READ) for _ in range(2)]\n"
        "for each in held:\n    for place in range(0, 2**40, 2**21): each[place]\ntime.sleep(60)",
        {"memory_bytes": 256 * MIB},
        "used more than 256 MiB of memory",
    ),
    "threads": (
        "threading.stack_size(65536)\n"
        "while True:\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        {"processes": 4},
        "ran more than 1,024 threads at once",
    ),
    "processes": ("while True:\n    os.fork()", {"processes": 8}, "ran more than 8 processes at once"),
    "empty files": (
        "number = 0\nwhile True:\n    open(str(number), 'w').close()\n    number += 1",
        {"scratch_files": 2000},
        "made more than 2,000 files in its scratch folder",
    ),
    "deep folders": (
        "while True:\n    os.mkdir('d')\n    os.chdir('d')\n    Path('f').write_bytes(bytes(4096))",
        {"scratch_files": 10**9},
        "nested folders more than 64 deep in its scratch folder",
    ),
    "folders that change their names": (
        "os.mkdir('a')\n"
        "if os.fork() == 0:\n"
        "    while True:\n        os.rename('a', 'b')\n        os.rename('b', 'a')\n"
        "opened = os.open('a', os.O_RDONLY)\n"
        "for number in range(10**6):\n"
        "    os.write(os.open(str(number % 900), os.O_WRONLY | os.O_CREAT, dir_fd=opened), bytes(2**20))\n"
        "    number % 500 or os.closerange(100, 1000)",
        {},
        "wrote more than 64 MiB to its scratch folder",
    ),
    "a deleted file": (
        "f = open('f', 'wb')\nos.unlink('f')\n"
        "g = open('g', 'wb')\nos.unlink('g')\nh = open('h', 'wb')\nos.unlink('h')\n"
        "for each in (f, g, h): each.write(bytes(2**25)); each.flush()\ntime.sleep(60)",
        {},
        "wrote more than 64 MiB to its scratch folder",
    ),
    "time": ("time.sleep(60)", {"wall_seconds": 1.5}, "ran longer than 1.5 seconds"),
    "children's time": (
        "while True:\n    pid = os.fork()\n    if pid == 0:\n        end = time.monotonic() + 0.2\n"
        "        while time.monotonic() < end: pass\n        os._exit(0)\n    os.waitpid(pid, 0)",
        {"cpu_seconds": 1},
        "used more than 1 seconds of processor time",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_box_that_uses_too_much_is_ended_with_the_reason(tmp_path, monkeypatch, level, name):
    source, limits, reason = TOO_MUCH[name]
    with pytest.raises(BoxError) as raised, programmed(tmp_path, monkeypatch, level, limits=limits) as run:
        run(source)
    remove_folder(tmp_path / "scratch")  # pytest cannot delete some of what lies there
    assert reason in str(raised.value)
    assert started_here(str(tmp_path)) == []


def test_a_file_may_not_be_reserved_beyond_what_is_written(tmp_path, monkeypatch, level):
    with programmed(tmp_path, monkeypatch, level) as run:
        source = """
opened = os.open("f", os.O_RDWR | os.O_CREAT)
number = 285 if os.uname().machine == "x86_64" else 47
answer = [call(number, opened, 1, ctypes.c_long(0), ctypes.c_long(2**30)), os.stat("f").st_blocks]
os.posix_fallocate(opened, 0, 4096)  # by zeros
"""
        assert run(source) == [-95, 0]


def test_hidden_and_orphaned_processes_are_gone_when_a_box_is_closed(tmp_path, monkeypatch, level):
    with programmed(tmp_path, monkeypatch, level) as run:
        source = """
for number in range(4):
    if os.fork() == 0:
        os.setsid()
        libc.prctl(36, 1, 0, 0, 0)  # takes in orphans itself
        for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)
        if os.fork() == 0:
            os.closerange(0, 100)
            while True:
                time.sleep(1)
        time.sleep(60)
"""
        run(source)
        wait_for(lambda: len(started_here(str(tmp_path / "scratch"))) >= 8)
    assert started_here(str(tmp_path)) == []


TASK = """
import sys, time
sys.path[:0] = [{root!r}, {include!r}]
from pathlib import Path
import pytest
from tests.isolation.support import programmed

with pytest.MonkeyPatch.context() as patch, programmed(Path({place!r}), patch, {level!r}) as run:
    run('''
for number in range(3):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.2)
''')
    print("runs", flush=True)
    time.sleep(120)
"""


@pytest.mark.parametrize("moment", ["while it starts", "while it runs"])
def test_nothing_is_left_of_a_box_whose_task_is_killed(tmp_path, level, moment):
    source = TASK.format(root=str(ROOT), include=str(PACKAGE.parent), place=str(tmp_path), level=level)
    task = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    if moment == "while it runs":
        assert task.stdout.readline() == b"runs\n"
    else:
        wait_for(lambda: len(started_here(str(tmp_path))) > 1)
    task.kill()
    task.communicate()
    wait_for(lambda: started_here(str(tmp_path)) == [])


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(0.2)
    os._exit(0)
"""


def test_a_box_whose_watcher_is_killed_is_ended_by_the_guard(tmp_path, monkeypatch, level):
    with programmed(tmp_path, monkeypatch, level) as run:
        run(DAEMON)
        guard = next(pid for pid in started_here(str(tmp_path)) if parent_of(pid) == os.getpid())
        watcher = next(pid for pid in started_here(str(tmp_path)) if parent_of(pid) == guard)
        os.kill(watcher, signal.SIGKILL)
        with pytest.raises(BoxError, match="lost the process that watches it"):
            run("time.sleep(60)")
    assert started_here(str(tmp_path)) == []


def test_a_box_whose_guard_is_killed_is_still_watched(tmp_path, monkeypatch, level):
    with programmed(tmp_path, monkeypatch, level) as run:
        run(DAEMON)
        guard = next(pid for pid in started_here(str(tmp_path)) if parent_of(pid) == os.getpid())
        os.kill(guard, signal.SIGKILL)
        assert run("answer = 1") == 1
    wait_for(lambda: started_here(str(tmp_path)) == [])


def test_many_boxes_at_once_do_not_mix(tmp_path, level):
    boxes = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        boxes.append(Box(level=level, module="assay.isolation.echo", readable=[], scratch=tmp_path / str(number),
                         limits=Limits()).__enter__())  # fmt: skip
    for number, each in enumerate(boxes):
        each.send(str(number))
    assert [each.receive() for each in reversed(boxes)] == ["2", "1", "0"]
    for each in boxes:
        each.close()


def test_a_scratch_folder_that_every_box_can_read_is_refused(level):
    place = Path(sys.prefix) / "scratch"
    box = Box(level=level, module="assay.isolation.echo", readable=[], scratch=place, limits=Limits())
    with pytest.raises(BoxError, match="which every training process may read"):
        box.__enter__()


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def wait_for(what):
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
