"""Fetch signed ONNX files from the MLflow server, and keep them on disk so that they outlast it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from assay.core import AssayError, Settings, replace_file
from assay.registry.artifacts import MissingError, SignedFile, TamperedError, check_signed, fetch_signed
from assay.registry.signing import SignatureError
from assay.rollout import ModelRef
from assay.serving.live import Version
from assay.training.onnx_model import OnnxModel

log = logging.getLogger(__name__)


class WrongModelError(AssayError):
    """The bytes are another model's than the one they were deployed for."""


REFUSALS = (TamperedError, SignatureError, MissingError, WrongModelError)
"""What no patience mends: the file is not the one that was deployed."""


@dataclass(frozen=True)
class Artifacts:
    """Loads versions, from the local cache or from the MLflow server.

    A file is used only if its SHA-256 is the one that the rollout names and a trusted key signed it,
    whatever place it came from. ONNX is data: loading it runs no code of the file's.

    Parameters
    ----------
    cache
        Folder of the files already fetched, each named by its digest, with their signatures.
    settings
        Where the MLflow server and the public keys are.
    """

    cache: Path
    settings: Settings

    def load(self, ref: ModelRef) -> Version:
        """Load a version, ready to score.

        Raises
        ------
        TamperedError, SignatureError
            When the server's bytes are not the version's, or no trusted key signed them.
        MissingError
            When the server has them no more.
        WrongModelError
            When they were made for another model.
        UnavailableError
            When the server cannot give them.
        UserError
            When they are not an ONNX model that Assay made, or there are no public keys here.
        """
        signed = self._signed(ref)
        model = OnnxModel(signed.content)
        if model.name != ref.model:
            raise WrongModelError(f'{ref.path}: this is a model "{model.name}", not "{ref.model}"')
        _ = (
            model.inputs,
            model.classes,
            model.threshold,
            model.by_group,
        )  # all that a request will ask of it, now rather than then
        return Version(ref, model, signed.signature)

    def _signed(self, ref: ModelRef) -> SignedFile:
        onnx, signature = (self.cache / f"{ref.digest}{ending}" for ending in (".onnx", ".sig"))
        try:
            kept = SignedFile(onnx.read_bytes(), signature.read_bytes())
            check_signed(self.settings, kept, ref.path, ref.digest)
        except (OSError, TamperedError, SignatureError):
            fetched = fetch_signed(self.settings, ref.path, ref.digest)
            _write(onnx, fetched.content)
            _write(signature, fetched.signature)
            return fetched
        return kept


def _write(file: Path, content: bytes) -> None:
    """Keep a file. A cache that cannot be written costs a fetch, not an answer."""
    try:
        replace_file(file, content)
    except OSError as error:
        log.warning("%s: the model cannot be kept: %s", file, error.strerror)
