"""The keys that sign evidence, and the public keys that signatures are held against.

A folder holds `signing.pem` (Ed25519: records and waivers), `model.pem` (elliptic curve P-256: model
files) and `trusted.json`, every public key that ever signed. The private keys may come from
``ASSAY_SIGNING_KEY`` and ``ASSAY_MODEL_SIGNING_KEY`` instead, as PEM text.
"""

import base64
import json
import os
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.core import Problem, UserError, problem, replace_file, sha256_bytes
from assay.core.text import says_something

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Use = Literal["records", "models"]

PLATFORM = "platform"
"""Owner of the keys that the pipeline itself signs with; any other owner is a person."""

_FILES: dict[Use, str] = {"records": "signing.pem", "models": "model.pem"}
_VARIABLES: dict[Use, str] = {"records": "ASSAY_SIGNING_KEY", "models": "ASSAY_MODEL_SIGNING_KEY"}
PRIVATE_KEYS = tuple(_VARIABLES.values())
"""Environment variables that may hold the private keys."""

_TRUSTED = "trusted.json"
_MEND = "make the keys with: assay keys init"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKey:
    """A public key whose signatures count.

    Attributes
    ----------
    id
        First 16 hexadecimal digits of the SHA-256 of the public key in DER.
    use
        ``records`` (Ed25519) or ``models`` (P-256).
    owner
        `PLATFORM`, or the person whose key it is.
    public_key
        PEM text.
    until
        The last anchor there was when the key was rotated out; None while it is in use.
    """

    id: str
    use: Use
    owner: str
    public_key: str
    until: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """An Ed25519 signature in base64, and the id of the key that made it."""

    key: str
    value: str


@dataclass(frozen=True)
class Keyring:
    """The keys of one installation.

    Parameters
    ----------
    folder
        Where they are kept.
    trusted
        Key id to public key.
    """

    folder: Path
    trusted: dict[str, TrustedKey]

    @classmethod
    def open(cls, folder: Path) -> "Keyring":
        """Read the public keys of a folder.

        Raises
        ------
        UserError
            When there are none, or the file is not what this module wrote.
        """
        path = folder / _TRUSTED
        try:
            entries = [_trusted(entry) for entry in json.loads(path.read_bytes())]
        except FileNotFoundError:
            raise problem(str(path), "no such file, so no signature can be made or checked", _MEND) from None
        except OSError as error:
            raise problem(str(path), f"cannot be read: {error.strerror}") from None
        except (ValueError, TypeError):
            raise problem(str(path), "is not a list of public keys", "restore it from a backup") from None
        wrong = [Problem(path=entry.id, message=message) for entry in entries if (message := _mismatch(entry, path))]
        if wrong:
            raise UserError(str(path), wrong)
        return cls(folder, {entry.id: entry for entry in entries})

    def now(self) -> "Keyring":
        """The keys as they are now: they may have been rotated while a task was at work."""
        return Keyring.open(self.folder)

    def sign(self, message: bytes, *, key: Path | None = None) -> Signature:
        """Sign with the installation's key, or with a person's key file.

        Raises
        ------
        UserError
            When there is no such key, or its public half is not trusted here.
        """
        private = _private_key("records", self.folder) if key is None else _key_in("records", key)
        name = self._in_use(private, key or self.folder)
        return Signature(key=name, value=base64.b64encode(private.sign(message)).decode())

    def doubt(self, message: bytes, signature: Signature, *, seq: int | None = None, owner: str | None = None) -> str:
        """Why a signature does not count; empty when it does.

        Parameters
        ----------
        seq
            The anchor of what was signed: a rotated key counts up to the anchor at which it was rotated.
        owner
            Whose signature it must be; None when anybody's will do.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        known = self.trusted.get(signature.key)
        if known is None or known.use != "records":
            return f"was signed by the unknown key {signature.key}"
        if owner not in (None, known.owner):
            return f"was signed by the key {signature.key} of {known.owner}, not of {owner}"
        if known.until is not None and (seq is None or seq > known.until):
            return f"was signed by the key {signature.key} after that was rotated out, at anchor {known.until}"
        public = _public_key(known.public_key, self.folder)
        assert isinstance(public, Ed25519PublicKey)
        try:
            made = base64.b64decode(signature.value, validate=True)
            public.verify(made, message)
        except (InvalidSignature, ValueError):
            return f"has a signature that the key {signature.key} did not make"
        if base64.b64encode(made).decode() != signature.value:  # the last digit has bits that decoding leaves out
            return f"has a signature of the key {signature.key} that was written in another way"
        return ""

    def model_key(self) -> "EllipticCurvePrivateKey":
        """The key that signs model files.

        Raises
        ------
        UserError
            When there is none, or its public half is not trusted here.
        """
        private: EllipticCurvePrivateKey = _private_key("models", self.folder)
        self._in_use(private, self.folder)
        return private

    @property
    def model_public_keys(self) -> dict[str, str]:
        """Key id to public key in PEM, of every key that may have signed model files, rotated out or not."""
        return {entry.id: entry.public_key for entry in self.trusted.values() if entry.use == "models"}

    def _in_use(self, private: Any, place: Path) -> str:
        """The id of a private key whose signatures would count."""
        name = key_id(private.public_key())
        if name not in self.trusted:
            raise problem(str(place), f"the key {name} is not among the trusted ones", "trust it with: assay keys init")
        if self.trusted[name].until is not None:
            mend = "if a rotation was interrupted, run it again: assay keys rotate"
            raise problem(str(place), f"the key {name} was rotated out", mend)
        return name


def create_keys(folder: Path) -> Keyring:
    """Make the keys that a folder does not hold yet, its owner alone able to read the private ones.

    Raises
    ------
    UserError
        When what is there is not a key.
    """
    entries = list(Keyring.open(folder).trusted.values()) if (folder / _TRUSTED).is_file() else []
    for use in _FILES:
        if not os.environ.get(_VARIABLES[use]) and not (folder / _FILES[use]).is_file():
            _write_private(folder / _FILES[use], _new_key(use))
        entries = _with(entries, use, PLATFORM, _private_key(use, folder).public_key())
    _write_trusted(folder, entries)
    return Keyring.open(folder)


def rotate_keys(folder: Path, *, after: int) -> Keyring:
    """Replace both private keys. The old public keys go on counting for what they have signed.

    A key that comes from the environment is replaced there first; this makes the change known.

    Parameters
    ----------
    after
        The last anchor there is: the old signing key counts for no later one.

    Raises
    ------
    UserError
        When there are no keys, or the environment still gives an old one.
    """
    entries = list(Keyring.open(folder).trusted.values())
    fresh = {use: _successor(use, folder, entries) for use in _FILES}
    entries = [
        replace(entry, until=after) if entry.owner == PLATFORM and entry.until is None else entry for entry in entries
    ]
    for use, private in fresh.items():
        entries = _with(entries, use, PLATFORM, private.public_key())
    _write_trusted(folder, entries)  # first: a kill in between leaves keys that sign nothing until this is run again
    for use, private in fresh.items():
        if not os.environ.get(_VARIABLES[use]):
            _write_private(folder / _FILES[use], private)
    return Keyring.open(folder)


def add_person(folder: Path, owner: str, key: Path) -> TrustedKey:
    """Make a person's signing key in a new file, and trust its public half.

    Raises
    ------
    UserError
        When the file exists, or the name is the platform's or cannot be shown as it is.
    """
    if key.exists():
        raise problem(str(key), "exists already", "a key is never overwritten; give another file")
    if not is_person(owner):
        raise problem("owner", f"{owner!r} is not a person's name")
    entries = list(Keyring.open(folder).trusted.values())
    private = _new_key("records")
    _write_private(key, private)
    _write_trusted(folder, _with(entries, "records", owner, private.public_key()))
    return Keyring.open(folder).trusted[key_id(private.public_key())]


def is_person(name: str) -> bool:
    r"""Whether a name may be a person's: it says something, all of it can be seen, and it is not the platform's.

    Examples
    --------
    >>> [is_person(name) for name in ("reviewer", "", "Platform", "review\u200ber", "a\nb")]
    [True, False, False, False, False]
    """
    return says_something(name) and name.isprintable() and name.strip().casefold() != PLATFORM


def key_id(public: Any) -> str:
    """The id of a public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))[:16]


def _successor(use: Use, folder: Path, entries: list[TrustedKey]) -> Any:
    """The private key that is to replace those of `entries`."""
    variable = _VARIABLES[use]
    if not os.environ.get(variable):
        return _new_key(use)
    private = _private_key(use, folder)
    if key_id(private.public_key()) in {entry.id for entry in entries}:
        raise problem(variable, "still holds the key that is to be replaced", "set it to a new key first")
    return private


def _new_key(use: Use) -> "Ed25519PrivateKey | EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate() if use == "records" else ec.generate_private_key(ec.SECP256R1())


def _private_key(use: Use, folder: Path) -> Any:
    """The installation's private key: from the environment, else from its folder."""
    given = os.environ.get(_VARIABLES[use])
    return _checked(use, given.encode(), _VARIABLES[use]) if given else _key_in(use, folder / _FILES[use])


def _key_in(use: Use, path: Path) -> Any:
    try:
        return _checked(use, path.read_bytes(), str(path))
    except OSError as error:
        raise problem(str(path), f"cannot be read: {error.strerror}", _MEND) from None


def _checked(use: Use, content: bytes, name: str) -> Any:
    private = _parsed(content)
    if private is None or _use_of(private) != use:
        kind = "an Ed25519" if use == "records" else "a P-256"
        raise problem(name, f"is not {kind} private key in PEM without a password")
    return private


def _parsed(content: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _use_of(key: Any) -> Use | None:
    """What a key, private or public, is good for."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    if isinstance(key, (Ed25519PrivateKey, Ed25519PublicKey)):
        return "records"
    elliptic = isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey))
    return "models" if elliptic and key.curve.name == "secp256r1" else None


@cache
def _public_key(pem: str, place: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise problem(str(place), "holds something that is not a public key in PEM") from None


def _trusted(entry: Any) -> TrustedKey:
    """One entry of the file; a TypeError when it is not what `_write_trusted` writes."""
    found = TrustedKey(**entry)
    texts = (found.id, found.owner, found.public_key)
    if not all(isinstance(each, str) for each in texts) or found.use not in _FILES:
        raise TypeError("not a trusted key")
    if found.until is not None and type(found.until) is not int:
        raise TypeError("not the number of an anchor")
    return found


def _mismatch(entry: TrustedKey, place: Path) -> str:
    """Why an entry does not say what its public key is; empty when it does."""
    public = _public_key(entry.public_key, place)
    if key_id(public) != entry.id:
        return "is not the id of its public key"
    return "" if _use_of(public) == entry.use else f"is not a key for {entry.use}"


def _with(entries: list[TrustedKey], use: Use, owner: str, public: Any) -> list[TrustedKey]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    name = key_id(public)
    if any(entry.id == name for entry in entries):
        return entries
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return [*entries, TrustedKey(id=name, use=use, owner=owner, public_key=pem)]


def _write_private(path: Path, private: Any) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(path, content, mode=0o600)


def _write_trusted(folder: Path, entries: list[TrustedKey]) -> None:
    content = json.dumps([asdict(entry) for entry in entries], indent=2) + "\n"
    replace_file(folder / _TRUSTED, content.encode())
