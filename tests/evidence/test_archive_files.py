"""What a run leaves to be run again: the very code, in the very bytes, and the libraries it met."""

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assay.core import code_version, sha256_json
from assay.evidence.archive_files import (
    LIBRARIES,
    archived_code,
    archived_model,
    code_archive,
    differing,
    environment,
    is_installed,
    model_archive,
    recorded_version,
    unpack,
)

ROOT = Path(__file__).resolve().parents[2]


def test_the_archive_is_the_code_that_the_code_version_names():
    assert archived_code(code_archive()) == code_version()


def test_a_code_version_covers_every_file_of_the_model():
    files = {"train.py": "a" * 64, "lib/features.py": "b" * 64}
    version = code_version(files)
    request = {"model_files": files, "code_version": version}
    assert recorded_version(code_version(), request) == version
    assert is_installed(request)
    for changed in ({**files, "lib/features.py": "c" * 64}, {"train.py": "a" * 64}, {**files, "more.py": "b" * 64}):
        assert code_version(changed) != version
        assert not is_installed({**request, "model_files": changed})


def test_an_older_request_names_train_py_alone():
    version = sha256_json({"assay": code_version(), "train": "a" * 64})
    request = {"train_sha256": "a" * 64, "code_version": version}
    assert recorded_version(code_version(), request) == version
    assert not is_installed({**request, "train_sha256": "b" * 64})


def test_the_files_of_a_model_come_out_of_their_archive_as_they_went_in():
    files = {"train.py": b"x = 1\n", "lib/table.csv": b"\x00\xff"}
    archive = model_archive(files)
    assert archived_model(archive) == files
    assert model_archive(dict(reversed(files.items()))) == archive


def test_the_archive_s_bytes_depend_on_nothing_but_the_files(tmp_path, monkeypatch):
    archive = code_archive()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert code_archive() == archive
    copy = tmp_path / "copy"
    unpack(archive, copy)
    for file in copy.rglob("*.py"):
        os.utime(file, (2_000_000_000, 2_000_000_000))
        file.chmod(0o700)
    script = "from assay.evidence.archive_files import code_archive as c; import sys; sys.stdout.buffer.write(c())"
    elsewhere = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        check=True,
    )
    assert elsewhere.stdout == archive


def test_the_archive_holds_what_is_not_python_too_and_no_leftovers():
    with zipfile.ZipFile(io.BytesIO(code_archive())) as archive:
        names = archive.namelist()
    assert {"assay/py.typed", "assay/governance/templates/base.html", "assay/core/verdict.py"} <= set(names)
    assert names == sorted(names)
    assert not [name for name in names if "__pycache__" in name]


def test_changed_code_has_another_digest():
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code_archive())) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + (b"# later\n" if name == "assay/core/judge.py" else b""))
    assert archived_code(changed.getvalue()) != code_version()


def test_what_is_no_archive_is_refused():
    with pytest.raises(zipfile.BadZipFile):
        archived_code(b"PK\x03\x04 and nothing more")


def test_every_library_that_is_chosen_on_purpose_is_recorded():
    lines = (ROOT / "requirements.in").read_text().splitlines()
    chosen = {re.match(r"[A-Za-z0-9._-]+", line)[0].lower() for line in lines if line and line[0] not in "#-"}
    assert set(LIBRARIES) == chosen
    assert set(environment()) == chosen | {"python"}


def test_a_library_of_another_version_is_told():
    recorded = {**environment(), "numpy": "1.0", "gone": "3"}
    del recorded["scipy"]
    told = differing(recorded)
    assert [line.split(":")[0] for line in told] == ["gone", "numpy", "scipy"]
    assert told[1] == f"numpy: recorded 1.0, here {environment()['numpy']}"
    assert differing(environment()) == []
