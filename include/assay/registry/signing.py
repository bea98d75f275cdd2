"""Signatures over a model's files, in OpenSSF's model-signing format (a Sigstore bundle).

The statement is built here from names and digests, because the signer never sees the files, and the
command line of the `model_signing` library verifies what is made here. Checking is done here, on bytes
in memory: the library checks whole folders on disk only and takes 45 MB in a process that serves, where
a signature and one file are enough. This reader accepts less than the library's: one spelling of the
bundle, one hash, no file that nobody signed.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from assay.core import AssayError, sha256_bytes, sha256_file
from assay.registry.pem import public_pem

SIGNATURE = "model.sig"
"""Name of the signature in the folder whose other files it covers."""

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_SUBJECT = "model"


class SignatureError(AssayError):
    """A model's files are not what a trusted key signed.

    Attributes
    ----------
    reasons
        Everything that is wrong, each naming its file.
    """

    def __init__(self, reasons: Sequence[str], *, path: str = "") -> None:
        self.reasons = tuple(reasons)
        self.path = path
        super().__init__((f"{path}: " if path else "") + "; ".join(reasons))

    def at(self, path: str) -> "SignatureError":
        """The same error, saying where the files were."""
        return SignatureError(self.reasons, path=path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """What a signature says, once it is known whose it is.

    Attributes
    ----------
    key
        Id of the key that made it.
    files
        Name of each signed file, relative to the folder, to its SHA-256.
    """

    key: str
    files: Mapping[str, str]


class ModelKey(Protocol):
    """A P-256 key that can sign."""

    @property
    def public(self) -> Any:
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA over SHA-256, in DER."""


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a model's folder by its name below the folder, `SIGNATURE` left out."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: sha256_file(file) for name, file in sorted(files.items()) if name != SIGNATURE}


def make_bundle(files: Mapping[str, str], key: ModelKey) -> bytes:
    """Sign the files of a model.

    Parameters
    ----------
    files
        Name of each file, relative to the model's folder, to its SHA-256 in hexadecimal.

    Returns
    -------
    bytes
        What belongs beside the files as `SIGNATURE`.
    """
    payload = make_statement(files)
    return _written(sha256_bytes(public_pem(key.public).encode()), payload, key.sign(_covered(payload)))


def make_statement(files: Mapping[str, str]) -> bytes:
    """The in-toto statement about a model's files, as `model_signing` writes it.

    The subject is the SHA-256 over the files' digests in the order of their paths, folder by folder.
    """
    ordered = sorted(files.items(), key=lambda file: file[0].split("/"))
    whole = sha256_bytes(b"".join(bytes.fromhex(digest) for _, digest in ordered))
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": _SUBJECT, "digest": {"sha256": whole}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            "resources": [{"name": name, "algorithm": "sha256", "digest": digest} for name, digest in ordered],
        },
    }
    return json.dumps(statement, indent=2).encode()


def check_model(files: Mapping[str, bytes], public_keys: Mapping[str, str]) -> str:
    """Hold all files of a folder against the signature among them.

    Parameters
    ----------
    files
        Name, relative to the folder, to content; `SIGNATURE` is one of them.
    public_keys
        See `Keyring.model_public_keys`.

    Returns
    -------
    str
        Id of the key that signed.

    Raises
    ------
    SignatureError
        When there is no signature, it counts for nothing, or a file is changed, missing or not signed.
    """
    signed = read_signature(files.get(SIGNATURE), public_keys)
    found = {name: sha256_bytes(content) for name, content in files.items() if name != SIGNATURE}
    wrong = [f"{name} is missing" for name in sorted(signed.files.keys() - found.keys())]
    wrong += [f"{name} was added after signing" for name in sorted(found.keys() - signed.files.keys())]
    both = sorted(found.keys() & signed.files.keys())
    wrong += [_changed(name, signed.files[name], found[name]) for name in both if found[name] != signed.files[name]]
    if wrong:
        raise SignatureError(wrong)
    return signed.key


def check_file(name: str, content: bytes, signature: bytes | None, public_keys: Mapping[str, str]) -> str:
    """Hold one file of a folder against the folder's signature; see `check_model`."""
    signed = read_signature(signature, public_keys)
    if name not in signed.files:
        raise SignatureError([f"{name} is not among the files that were signed"])
    found = sha256_bytes(content)
    if found != signed.files[name]:
        raise SignatureError([_changed(name, signed.files[name], found)])
    return signed.key


def read_signature(signature: bytes | None, public_keys: Mapping[str, str]) -> Signed:
    """Read what a trusted key signed.

    Parameters
    ----------
    signature
        Content of the file `SIGNATURE`; None where there is none.

    Raises
    ------
    SignatureError
        When it is not a signature, not by a key of `public_keys`, or not over what it says.
    """
    if signature is None:
        raise SignatureError([f"{SIGNATURE} is missing: the model is not signed"])
    try:
        hint, payload, value = _opened(signature)
    except (LookupError, TypeError, ValueError, RecursionError):
        raise SignatureError([f"{SIGNATURE} is not a signature in the form of model-signing 1.x"]) from None
    key = _maker(hint, payload, value, public_keys)
    try:
        return Signed(key=key, files=_manifest(json.loads(payload)))
    except (LookupError, TypeError, ValueError, AttributeError):
        raise SignatureError([f"{SIGNATURE} does not list files with their SHA-256"]) from None


def _opened(signature: bytes) -> tuple[str, bytes, bytes]:
    """The key's hint, the signed bytes and the signature over them, if the bundle is written in its one way."""
    bundle = json.loads(signature)
    envelope = bundle["dsseEnvelope"]
    hint = bundle["verificationMaterial"]["publicKey"]["hint"]
    payload = base64.b64decode(envelope["payload"])
    value = base64.b64decode(envelope["signatures"][0]["sig"])
    if not isinstance(hint, str) or _written(hint, payload, value) != signature:
        raise ValueError("the bundle holds what no signature covers")
    return hint, payload, value


def _written(hint: str, payload: bytes, value: bytes) -> bytes:
    """The bundle as the library writes it: what stands outside the signed bytes has no room to differ."""
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": base64.b64encode(value).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode()


def _covered(payload: bytes) -> bytes:
    """What the signature covers.

    References
    ----------
    DSSE v1.0, protocol.md: the signature covers the pre-authentication encoding of type and payload.
    """
    return f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)} ".encode() + payload


def _maker(hint: str, payload: bytes, value: bytes, public_keys: Mapping[str, str]) -> str:
    """Id of the key that made the signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    for name, pem in public_keys.items():
        public = load_pem_public_key(pem.encode())
        assert isinstance(public, EllipticCurvePublicKey)
        if sha256_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)) != hint:
            continue
        try:
            public.verify(value, _covered(payload), ECDSA(SHA256()))
        except InvalidSignature:
            raise SignatureError([f"{SIGNATURE} was changed: the key {name} did not make it"]) from None
        return name
    raise SignatureError([f"{SIGNATURE} was made by an unknown key, whose PEM has SHA-256 {hint[:64]}"])


def _manifest(statement: Any) -> dict[str, str]:
    predicate = statement["predicate"]
    kinds = {statement["_type"], statement["predicateType"], predicate["serialization"]["method"]}
    resources = predicate["resources"]
    files = {each["name"]: each["digest"] for each in resources}
    if (
        kinds != {_STATEMENT, _PREDICATE, "files"}
        or {each["algorithm"] for each in resources} != {"sha256"}
        or len(files) != len(resources)
        or not all(is_plain(name) for name in files)
    ):
        raise ValueError("not a list of files")
    return files


def is_plain(name: str) -> bool:
    """Whether a name stays below its folder, whoever wrote it.

    Examples
    --------
    >>> [is_plain(name) for name in ("reference/model.skops", "../model.onnx", "/etc/passwd", "a//b", "")]
    [True, False, False, False, False]
    """
    return not any(part in ("", ".", "..") for part in name.split("/")) and not set(name) & {"\\", "\0"}


def _changed(name: str, expected: str, found: str) -> str:
    return f"{name} has SHA-256 {found}, not {expected} as signed"
