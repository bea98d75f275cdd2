"""Local state is its owner's alone."""

import os
import stat
import subprocess
import sys

import pytest

from assay.local.private import make_private_folder, private_umask, tighten

ROOM = 0o077


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_every_missing_folder_is_private_and_none_that_was_there_is_changed(tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    make_private_folder(tmp_path / "there" / "a" / "b")
    assert [mode(tmp_path / each) for each in ("there", "there/a", "there/a/b")] == [0o755, 0o700, 0o700]


def test_the_umask_is_private_for_a_block_alone(tmp_path):
    before = os.umask(0o022)
    try:
        with private_umask():
            (tmp_path / "inside").touch()
        (tmp_path / "outside").touch()
    finally:
        os.umask(before)
    assert (mode(tmp_path / "inside"), mode(tmp_path / "outside")) == (0o600, 0o644)


def test_tightening_keeps_the_owner_s_rights_and_follows_no_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(mode=0o644)
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True, mode=0o755)
    (home / "folder" / "run.sh").touch(mode=0o755)
    (home / "link").symlink_to(elsewhere)
    home.chmod(0o755)
    assert tighten(home) == 3
    assert [mode(each) for each in (home, home / "folder", home / "folder" / "run.sh")] == [0o700, 0o700, 0o700]
    assert mode(elsewhere) == 0o644
    assert tighten(home) == 0


@pytest.mark.parametrize(
    ("command", "made", "others"),
    [
        (["keys", "init"], "keys", 0),
        (["schema", "verdict", "--out", "schema.json"], "schema.json", 0o044),
    ],
)
def test_the_command_line_keeps_state_private_and_gives_reports_the_user_s_rights(tmp_path, command, made, others):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "MLFLOW_"))}
    subprocess.run(
        [sys.executable, "-m", "assay", *command],
        env={**kept, "ASSAY_HOME": str(tmp_path / "home"), "ASSAY_KEYS": str(tmp_path / "keys")},
        cwd=tmp_path,
        umask=0o022,
        check=True,
        capture_output=True,
    )
    found = [tmp_path / made, *(tmp_path / made).rglob("*")]
    assert {mode(each) & ROOM for each in found} == {others}
