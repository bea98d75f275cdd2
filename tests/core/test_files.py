"""A file is replaced whole or not at all."""

import pytest

from assay.core import replace_file


def test_it_makes_the_folder_and_sets_the_mode(tmp_path):
    path = tmp_path / "new" / "file.json"
    replace_file(path, b"{}")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"{}", 0o644)
    replace_file(path, b"secret", mode=0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"secret", 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize("call", ["os.fsync", "os.fchmod", "pathlib.Path.replace"])
def test_a_fault_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file.json"
    path.write_bytes(b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"after", mode=0o600)
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]
