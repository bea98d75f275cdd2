"""Run lines of Python in a real box."""

import json
from contextlib import contextmanager
from pathlib import Path

from assay.isolation import Box, Limits, box, probe
from assay.isolation.platform_paths import module_path

WORKING = [level for level in ("namespaces", "landlock", "user") if not probe()[level]]
SMALL = {"wall_seconds": 120, "cpu_seconds": 120, "memory_bytes": 2**30, "scratch_bytes": 2**26, "file_bytes": 2**25}

_PROGRAM = """\
import ctypes, json, mmap, os, signal, socket, subprocess, sys, threading, time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    "A system call by its number: what it answers, or the negative error."
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return result if result >= 0 else -ctypes.get_errno()


def error(what):
    "The name of the error that a call ends with; empty when it works."
    try:
        what()
    except BaseException as raised:
        return type(raised).__name__
    return ""


def main(receive, send):
    given = {"call": call, "error": error, **globals()}
    while True:
        source = json.loads(receive())
        exec(source, given)
        send(json.dumps(given.get("answer")))
"""


@contextmanager
def programmed(tmp_path, monkeypatch, level, *, readable=(), limits=None, log=lambda _: None, scratch="scratch"):
    """A box that runs the source that it is told, and the function that tells it: it gives back `answer`."""
    code = tmp_path / "code"
    code.mkdir(exist_ok=True)
    (code / "programmed.py").write_text(_PROGRAM)
    monkeypatch.setattr(box, "module_path", lambda: [*module_path(), str(code)])
    place = tmp_path / scratch
    place.mkdir(exist_ok=True)
    with Box(
        level=level,
        module="programmed",
        readable=[code, *readable],
        scratch=place,
        limits=Limits(**(SMALL | (limits or {}))),
        log=log,
    ) as opened:

        def run(source):
            opened.send(json.dumps(source))
            return json.loads(opened.receive())

        yield run


def started_here(marker: str) -> list[int]:
    """The processes of this machine whose command line or working folder holds a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                place = str((entry / "cwd").readlink())
            except OSError:
                continue
            if marker in line or marker in place:
                found.append(int(entry.name))
    return found
