"""Read and write keys as PEM text, and name a key by its public half."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.core import problem, replace_file, sha256_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Use = Literal["records", "models"]
USES: tuple[Use, ...] = ("records", "models")


def key_id(public: Any) -> str:
    """The id of a public key: the first 16 hexadecimal digits of the SHA-256 of its DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))[:16]


def use_of(key: Any) -> Use | None:
    """What a key, private or public, is good for."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    if isinstance(key, (Ed25519PrivateKey, Ed25519PublicKey)):
        return "records"
    elliptic = isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey))
    return "models" if elliptic and key.curve.name == "secp256r1" else None


def new_private_key(use: Use) -> "Ed25519PrivateKey | EllipticCurvePrivateKey":
    """Make a private key in memory."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate() if use == "records" else ec.generate_private_key(ec.SECP256R1())


def parse_private_key(use: Use, content: bytes, name: str) -> Any:
    """Read a private key for one use.

    Parameters
    ----------
    name
        The file or variable that it comes from.

    Raises
    ------
    UserError
        When it is anything else; what was read is never shown.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private: Any
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if private is None or use_of(private) != use:
        kind = "an Ed25519" if use == "records" else "a P-256"
        raise problem(name, f"is not {kind} private key in PEM without a password")
    return private


@cache
def parse_public_key(pem: str, place: Path) -> Any:
    """Read a public key that stands in the file `place`.

    Raises
    ------
    UserError
        When it is not one.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise problem(str(place), "holds something that is not a public key in PEM") from None


def public_pem(public: Any) -> str:
    """A public key as PEM text."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def write_private_key(path: Path, private: Any) -> None:
    """Replace a file by a private key, for its owner alone to read."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(path, content, mode=0o600)
