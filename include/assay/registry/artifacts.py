"""Read a model's files from MLflow's artifact endpoint, without MLflow's client: the gateway does too."""

from dataclasses import dataclass

from assay.core import AssayError, Settings, UnavailableError, sha256_bytes
from assay.registry.keys import Keyring
from assay.registry.signing import SIGNATURE, SignatureError, check_file
from assay.registry.wire import get_file, get_files, list_files


class TamperedError(AssayError):
    """Stored bytes are not the ones whose digest was recorded."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(f"{path}: has SHA-256 {found}, not {expected} as recorded")


class MissingError(UnavailableError):
    """The registry answers, and says that there is no such file."""


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A model's bytes with the signature of the folder that they came from."""

    content: bytes
    signature: bytes


def fetch_artifact(tracking_uri: str, path: str, digest: str) -> bytes:
    """Fetch a file from the registry and compare its digest.

    Parameters
    ----------
    tracking_uri
        Address of the MLflow server. Credentials are read from ``MLFLOW_TRACKING_USERNAME`` and
        ``MLFLOW_TRACKING_PASSWORD``.
    path
        Below MLflow's artifact root.
    digest
        SHA-256 that the bytes must have.

    Raises
    ------
    UnavailableError
        When the registry does not answer, or does not give the file.
    TamperedError
        When the bytes have another digest.
    """
    content = _get(tracking_uri, path)
    _compare(path, content, digest)
    return content


def fetch_model(settings: Settings, path: str, digest: str) -> bytes:
    """Fetch a model's bytes, once digest and signature vouch for them; see `fetch_signed`."""
    return fetch_signed(settings, path, digest).content


def fetch_signed(settings: Settings, path: str, digest: str) -> SignedFile:
    """Fetch a model's bytes and the signature over its folder.

    The other files of the folder are neither fetched nor loaded: `fetch_folder` and `check_model`
    vouch for all of them.

    Raises
    ------
    UserError
        When this installation has no public keys.
    UnavailableError
        When the registry does not answer, or does not give the model.
    TamperedError, SignatureError
        See `check_signed`.
    """
    content = fetch_artifact(settings.tracking_uri, path, digest)
    signature = get_file(settings.tracking_uri, f"{path.rpartition('/')[0]}/{SIGNATURE}")
    if signature is None:
        raise SignatureError([f"{SIGNATURE} is missing: the model is not signed"], path=path)
    signed = SignedFile(content, signature)
    check_signed(settings, signed, path, digest)
    return signed


def check_signed(settings: Settings, file: SignedFile, path: str, digest: str) -> None:
    """Check a model's bytes, wherever they were kept.

    Raises
    ------
    UserError
        When this installation has no public keys.
    TamperedError
        When the bytes have another digest.
    SignatureError
        When no trusted key signed them.
    """
    _compare(path, file.content, digest)
    keys = Keyring.open(settings.keys).model_public_keys
    try:
        check_file(path.rpartition("/")[2], file.content, file.signature, keys)
    except SignatureError as error:
        raise error.at(path) from None


def fetch_folder(settings: Settings, path: str) -> dict[str, bytes]:
    """Fetch all files below a folder, whatever they are: nothing is checked but that their names are names.

    Parameters
    ----------
    path
        Below MLflow's artifact root.

    Returns
    -------
    dict
        Name, relative to the folder, to content; empty when there is no such folder.

    Raises
    ------
    UnavailableError
        When the registry does not answer.
    """
    names = sorted(list_files(settings.tracking_uri, path))
    contents = get_files(settings.tracking_uri, [f"{path}/{name}" for name in names]).values()
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


def _get(tracking_uri: str, path: str) -> bytes:
    content = get_file(tracking_uri, path)
    if content is None:
        raise MissingError(f"MLflow at {tracking_uri} answers 404 for {path}")
    return content


def _compare(path: str, content: bytes, digest: str) -> None:
    found = sha256_bytes(content)
    if found != digest:
        raise TamperedError(path, digest, found)
