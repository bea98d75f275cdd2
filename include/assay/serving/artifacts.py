"""Fetch ONNX files from the MLflow server, and keep them on disk so that they outlast it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from assay.core import AssayError, UnavailableError, sha256_bytes
from assay.rollout import ModelRef
from assay.serving.live import Version
from assay.training.onnx_model import OnnxModel

_SECONDS = 10.0


class DigestMismatchError(AssayError):
    """The bytes are not those that passed the gates."""


@dataclass(frozen=True)
class Artifacts:
    """Loads versions, from the local cache or from the MLflow server.

    A file is used only if its SHA-256 is the one that the rollout names, whatever place it came from.
    ONNX is data: loading it runs no code of the file's.

    Parameters
    ----------
    cache
        Folder of the files already fetched, each named by its digest.
    tracking_uri
        Address of the MLflow server. Credentials are read from ``MLFLOW_TRACKING_USERNAME`` and
        ``MLFLOW_TRACKING_PASSWORD``.
    """

    cache: Path
    tracking_uri: str

    def load(self, ref: ModelRef) -> Version:
        """Load a version, ready to score.

        Raises
        ------
        DigestMismatchError
            When the server's bytes are not the version's.
        UnavailableError
            When the server cannot give them.
        UserError
            When they are not an ONNX model that Assay made.
        """
        model = OnnxModel(self._content(ref))
        if model.name != ref.model:
            raise DigestMismatchError(f'{ref.path}: this is a model "{model.name}", not "{ref.model}"')
        _ = model.inputs, model.classes, model.threshold  # all that a request will ask of it, now rather than then
        return Version(ref, model)

    def _content(self, ref: ModelRef) -> bytes:
        file = self.cache / f"{ref.digest}.onnx"
        try:
            cached = file.read_bytes()
        except OSError:
            cached = b""
        if sha256_bytes(cached) == ref.digest:
            return cached
        content = self._fetch(ref)
        if (found := sha256_bytes(content)) != ref.digest:
            raise DigestMismatchError(
                f"{ref.model} version {ref.version}: the file at {ref.path} has SHA-256 {found}, not {ref.digest}"
            )
        _write(file, content)
        return content

    def _fetch(self, ref: ModelRef) -> bytes:
        url = f"{self.tracking_uri.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts/{quote(ref.path)}"
        user = os.environ.get("MLFLOW_TRACKING_USERNAME")
        auth = httpx.BasicAuth(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None
        try:
            response = httpx.get(url, auth=auth, timeout=_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(f"MLflow at {self.tracking_uri} does not answer: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise UnavailableError(f"MLflow at {self.tracking_uri} answers {response.status_code} for {ref.path}")
        return response.content


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. A cache that cannot be written costs a fetch, not an answer."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=file.name, delete=False) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(stream.name).replace(file)
    except OSError as error:
        raise UnavailableError(f"{file}: the model cannot be kept: {error.strerror}") from error
