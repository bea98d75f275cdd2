"""What comes out of a box is taken as data of bounded size and form, and its folder can always be measured and deleted."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from tests.isolation.support import WORKING, programmed

from assay.isolation import BoxError, read_out, remove_folder
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
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(BoxError, match=reason):
        read_out(tmp_path, "f", limit=4)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_scratch_folder_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("x")
    (tmp_path / "scratch").symlink_to("real")
    with pytest.raises(OSError, match="scratch"):
        read_out(tmp_path / "scratch", "f", limit=4)


STUBBORN = """
import os, sys
os.chdir(sys.argv[1])
for number in range(3000):
    os.mkdir("d"); os.chdir("d")
    if number % 500 == 0:
        open("f", "w").close()
os.chdir(sys.argv[1])
for name in (b"with\\nnewline", b"\\xff\\xfe", b"x" * 255, b" ", "\\u202e".encode()):
    os.mkdir(name); open(os.path.join(name, b"f"), "w").close()
os.mkfifo("pipe"); os.symlink("/", "root"); os.symlink("loop", "loop")
os.mkdir("closed"); os.mkdir("closed/inner"); open("closed/inner/f", "w").close()
os.chmod("closed/inner", 0); os.chmod("closed", 0)
"""


def test_any_folder_can_be_deleted(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "f").write_text("x")
    place = tmp_path / "scratch"
    place.mkdir()
    subprocess.run([sys.executable, "-c", STUBBORN, str(place)], check=True)
    (place / "outside").symlink_to(tmp_path / "kept")
    remove_folder(place)
    assert not place.exists()
    assert (tmp_path / "kept" / "f").exists()
    remove_folder(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another account; the test above did")
def test_any_folder_can_be_deleted_by_an_ordinary_account(tmp_path):
    place = tmp_path / "scratch"
    place.mkdir()
    subprocess.run([sys.executable, "-c", STUBBORN, str(place)], check=True)
    for folder, folders, files in os.walk(tmp_path):
        for name in (".", *folders, *files):
            os.chown(os.path.join(folder, name), 65534, 65534, follow_symlinks=False)
    source = f"""
import os, sys
sys.path[:0] = [{str(PACKAGE.parent)!r}]
from pathlib import Path
from assay.isolation import remove_folder
os.chdir({str(tmp_path)!r})
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
remove_folder(Path("scratch"))
"""
    subprocess.run([sys.executable, "-c", source], check=True)
    assert not place.exists()


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
        run("while True: send('x' * 70000)")


@pytest.mark.parametrize("level", WORKING)
def test_a_box_that_does_not_listen_holds_nobody_up(tmp_path, monkeypatch, level):
    with (
        pytest.raises(BoxError, match="ran longer than 2 seconds"),
        programmed(tmp_path, monkeypatch, level, limits={"wall_seconds": 2}) as run,
    ):
        run("receive = None\ntime.sleep(60)" + " " * 2**20)
