"""Fetch ONNX files from the MLflow server, and keep them on disk so that they outlast it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from assay.core import AssayError, replace_file, sha256_bytes
from assay.registry.artifacts import fetch_artifact
from assay.rollout import ModelRef
from assay.serving.live import Version
from assay.training.onnx_model import OnnxModel

log = logging.getLogger(__name__)


class WrongModelError(AssayError):
    """The bytes are another model's than the one they were deployed for."""


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
        Address of the MLflow server; see `fetch_artifact`.
    """

    cache: Path
    tracking_uri: str

    def load(self, ref: ModelRef) -> Version:
        """Load a version, ready to score.

        Raises
        ------
        TamperedError
            When the server's bytes are not the version's.
        WrongModelError
            When they were made for another model.
        UnavailableError
            When the server cannot give them.
        UserError
            When they are not an ONNX model that Assay made.
        """
        model = OnnxModel(self._content(ref))
        if model.name != ref.model:
            raise WrongModelError(f'{ref.path}: this is a model "{model.name}", not "{ref.model}"')
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
        content = fetch_artifact(self.tracking_uri, ref.path, ref.digest)
        _write(file, content)
        return content


def _write(file: Path, content: bytes) -> None:
    """Keep a file. A cache that cannot be written costs a fetch, not an answer."""
    try:
        replace_file(file, content)
    except OSError as error:
        log.warning("%s: the model cannot be kept: %s", file, error.strerror)
