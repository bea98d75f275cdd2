"""Which files of a model's folder are its code: all but its data, and nothing from outside."""

import os

import pytest

from assay.core import UserError
from assay.policy import file_digests, model_files, read_model_files, write_model_files


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "toy"
    files = {
        "train.py": "x = 1\n", "policy.yaml": "model: toy\n", "lib/__init__.py": "", "lib/features.py": "y = 2\n",
        "data/rows.csv": "a\n1\n", "rows.parquet": "PAR1", "extra/part-1.parquet": "PAR1", "extra/note.txt": "n",
        "__pycache__/train.pyc": "x", "lib/__pycache__/f.pyc": "x", ".git/config": "x", ".env": "SECRET=1",
    }  # fmt: skip
    for name, content in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(content)
    return made


CODE = ["lib/__init__.py", "lib/features.py", "policy.yaml", "train.py"]


@pytest.mark.parametrize(
    ("source", "also"),
    [
        ("rows.parquet", ["extra/note.txt", "extra/part-1.parquet"]),
        ("./rows.parquet", ["extra/note.txt", "extra/part-1.parquet"]),
        ("extra/*.parquet", ["extra/note.txt", "rows.parquet"]),
        ("extra", ["rows.parquet"]),
        ("extra/", ["rows.parquet"]),
        ("data/rows.csv", ["extra/note.txt", "extra/part-1.parquet", "rows.parquet"]),
        ("s3://bucket/rows", ["extra/note.txt", "extra/part-1.parquet", "rows.parquet"]),
        ("extra/**/*.parquet", ["extra/note.txt", "rows.parquet"]),
        ("*", ["extra/note.txt"]),
        (".", ["extra/note.txt"]),
        ("..", ["extra/note.txt"]),
        ("../toy/rows.parquet", ["extra/note.txt", "extra/part-1.parquet"]),
        ("/elsewhere/rows.parquet", ["extra/note.txt", "extra/part-1.parquet", "rows.parquet"]),
        ("", ["extra/note.txt", "extra/part-1.parquet", "rows.parquet"]),
    ],
)
def test_all_files_are_code_but_data_caches_and_hidden_ones(folder, source, also):
    assert list(read_model_files(folder, source)) == sorted([*CODE, *also])


def test_a_source_is_known_by_its_full_path_and_through_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    for root, source in ((folder, folder), (tmp_path / "link", folder), (folder, tmp_path / "link")):
        assert "rows.parquet" not in read_model_files(root, f"{source}/rows.parquet")
        assert "rows.parquet" not in read_model_files(root, "elsewhere.csv", f"file://{source}/*.parquet")


def test_files_come_back_byte_for_byte(folder, tmp_path):
    files = read_model_files(folder)
    write_model_files(files, tmp_path / "copy")
    assert read_model_files(tmp_path / "copy") == files
    assert file_digests(files).keys() == files.keys()


def test_links_out_of_the_folder_are_refused_and_links_within_it_are_read(folder, tmp_path):
    (tmp_path / "secret").write_text("key")
    (tmp_path / "library").mkdir()
    (folder / "within.py").symlink_to("train.py")
    assert read_model_files(folder)["within.py"] == b"x = 1\n"
    (folder / "out.py").symlink_to(tmp_path / "secret")
    (folder / "lib" / "more").symlink_to(tmp_path / "library")
    (folder / "gone.py").symlink_to("nowhere.py")
    with pytest.raises(UserError) as raised:
        read_model_files(folder)
    assert [(each.path, each.message) for each in raised.value.problems] == [
        ("gone.py", "is not a regular file"),
        ("out.py", "is a link that leads out of the folder"),
        ("lib/more", "is a link that leads out of the folder"),
    ]


def test_a_link_that_leads_to_itself_and_a_pipe_are_refused(folder):
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError) as raised:
        read_model_files(folder)
    assert sorted(each.path for each in raised.value.problems) == ["loop", "pipe"]


def test_too_many_and_too_large_files_are_refused(folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(model_files, "_MOST_FILES", 3)
        with pytest.raises(UserError, match="holds more than 3 files beside its data"):
            read_model_files(folder)
    (folder / "weights.bin").write_bytes(b"\0" * (64 * 2**20))
    with pytest.raises(UserError, match="holds more than 64 MiB beside its data"):
        read_model_files(folder)
