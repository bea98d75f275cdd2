"""What comes out of a box is taken as data of bounded size and form, and its folder can always be deleted."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.isolation.support import WORKING, programmed

from assay.isolation import Box, BoxError, Limits, read_out, remove_folder
from assay.isolation.output import pass_on
from assay.isolation.platform_paths import PACKAGE


def test_a_file_of_its_own_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"1234")
    assert read_out(tmp_path, "f", limit=4) == b"1234"


def as_nothing(path):
    pass


def as_socket(path):
    with closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind(str(path))


def as_large(path):
    path.write_bytes(b"12345")


def as_sparse(path):
    with path.open("wb") as stream:
        stream.truncate(2**40)


def as_second_name(path):
    (path.parent / "first").write_text("x")
    os.link(path.parent / "first", path)


FORMS = {
    "nothing": (as_nothing, "left no file f"),
    "a link": (lambda path: path.symlink_to("/etc/passwd"), "left no file f"),
    "a broken link": (lambda path: path.symlink_to("/nowhere"), "left no file f"),
    "a folder": (lambda path: path.mkdir(), "something else than a file of its own"),
    "a pipe": (os.mkfifo, "something else than a file of its own"),
    "a socket": (as_socket, "left no file f"),
    "a second name": (as_second_name, "something else than a file of its own"),
    "a large file": (as_large, "more than 4 bytes"),
    "a sparse file": (as_sparse, "more than 4 bytes"),
}


@pytest.mark.parametrize("form", FORMS)
def test_everything_but_a_small_file_of_its_own_is_refused(tmp_path, form):
    make, reason = FORMS[form]
    make(tmp_path / "f")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(BoxError, match=reason):
        read_out(tmp_path, "f", limit=4)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_scratch_folder_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    (tmp_path / "scratch").symlink_to("real")
    with pytest.raises(OSError, match="scratch"):
        read_out(tmp_path / "scratch", "f", limit=4)


STUBBORN = """
import os
os.mkdir("scratch")
os.chdir("scratch")
top = os.open(".", os.O_RDONLY)
for number in range(1500):
    os.mkdir("d"); os.chdir("d")
    if number % 500 == 0:
        open("f", "w").close()
os.fchdir(top)
for name in (b"with\\nnewline", b"\\xff\\xfe", b"x" * 255, b" ", "\\u202e".encode()):
    os.mkdir(name); open(os.path.join(name, b"f"), "w").close()
os.mkfifo("pipe"); os.symlink("/", "root"); os.symlink("loop", "loop"); os.symlink("../kept", "outside")
os.mkdir("closed"); os.mkdir("closed/inner"); open("closed/inner/f", "w").close()
os.chmod("closed/inner", 0); os.chmod("closed", 0)
os.chdir("..")
"""
ACCOUNT = """
import os, sys
sys.path[:0] = [{package!r}]
from pathlib import Path
from assay.isolation import remove_folder
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
{stubborn}
remove_folder(Path("scratch"))
"""


def test_any_folder_can_be_deleted(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "f").write_text("x")
    subprocess.run([sys.executable, "-c", STUBBORN], check=True, cwd=tmp_path)
    remove_folder(tmp_path / "scratch")
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "f").exists()
    remove_folder(tmp_path / "scratch")


def test_any_folder_can_be_deleted_by_an_account_without_privileges(tmp_path):
    tmp_path.chmod(0o777)
    source = ACCOUNT.format(package=str(PACKAGE.parent), stubborn=STUBBORN)
    subprocess.run([sys.executable, "-c", source], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_read_is_too_much(tmp_path, monkeypatch):
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    with pytest.raises(BoxError, match="cannot be read"), programmed(tmp_path, monkeypatch, WORKING[0]) as run:
        run("os.mkdir('d')\nos.chmod('d', 0)\ntime.sleep(30)")


def logged(content):
    hear, say = os.pipe()
    lines = []
    reader = threading.Thread(target=pass_on, args=(hear, lines.append))
    reader.start()
    with os.fdopen(say, "wb") as stream:
        stream.write(content)
    reader.join()
    return lines


def test_lines_are_bounded_in_number_and_length():
    assert logged(b"a\nb") == ["a", "b"]
    assert len(logged(b"x\n" * 20_000)) == 5_001
    assert max(map(len, logged(b"x" * 10**6))) == 2_000
    assert max(map(len, logged(b"\xf3\xa0\x80\x81" * 10**5))) == 2_000
    assert all(len(line) <= 2_000 for line in logged((b"\xf3\xa0\x80\x81" * 400 + b"\n") * 50))


def test_no_control_character_is_passed_on():
    shown = "".join(logged(bytes(range(256)) * 3 + "\u202e\u2028\x1b[2J".encode()))
    assert all(each.isprintable() or each == "\t" for each in shown)


@pytest.mark.parametrize("level", WORKING)
def test_a_flood_on_the_control_pipe_is_cut_off(tmp_path, monkeypatch, level):
    with pytest.raises(BoxError, match="says more than it may"), programmed(tmp_path, monkeypatch, level) as run:
        run("answer = 'x' * 70000")


@pytest.mark.parametrize("level", WORKING)
def test_a_box_that_does_not_listen_holds_nobody_up(tmp_path, level):
    hear_nothing = Box(
        level=level,
        module="this",  # prints, and never reads a line
        readable=[],
        scratch=tmp_path,
        limits=Limits(wall_seconds=60),
    )
    with pytest.raises(BoxError, match="ended with exit code 1"), hear_nothing as box:
        box.send("x" * 10**6)
