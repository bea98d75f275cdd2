"""The keys that sign evidence, and the public keys that signatures are held against.

`trusted.json` holds every public key that ever signed. The private keys are elsewhere (`private_keys`),
and where ``ASSAY_SIGNER`` names a signer only its process can use them (`signer_client`).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.core import Record, Settings, canonical_json, problem
from assay.core.text import says_something
from assay.registry.pem import (
    USES,
    Use,
    key_id,
    new_private_key,
    parse_private_key,
    parse_public_key,
    write_private_key,
)
from assay.registry.private_keys import MEND, KeyFiles, KeyInMemory, PrivateKey, PrivateKeys, private_keys
from assay.registry.signer_client import SignerClient
from assay.registry.signing import make_bundle
from assay.registry.trusted_keys import PLATFORM, TRUSTED, TrustedKey, read_trusted, trust, write_trusted

__all__ = [
    "PLATFORM",
    "Keyring",
    "Signature",
    "TrustedKey",
    "add_person",
    "create_keys",
    "is_person",
    "key_id",
    "record_message",
    "rotate_keys",
]

_PERSONS = "the signer holds it; a person signs with a key file of their own, made with: assay keys add NAME --key FILE"


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
        Where `trusted.json` is.
    trusted
        Key id to public key.
    private
        The installation's private keys, which this process may or may not be able to read.
    signer
        The process that signs records and models; None where this process does.
    """

    folder: Path
    trusted: dict[str, TrustedKey]
    private: PrivateKeys = field(repr=False)
    signer: SignerClient | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """The keys of an installation, which signs through the signer that its settings name.

        Raises
        ------
        UserError
            As `open`, or when the signer's address is not one.
        """
        signer = SignerClient.of(settings) if settings.signer else None
        return cls.open(settings.keys, private=private_keys(settings), signer=signer)

    @classmethod
    def open(cls, folder: Path, *, private: PrivateKeys | None = None, signer: SignerClient | None = None) -> "Keyring":
        """Read the public keys of a folder; without `private` the private ones lie in it too.

        Raises
        ------
        UserError
            As `read_trusted`.
        """
        return cls(folder, read_trusted(folder), private or KeyFiles(folder), signer)

    def now(self) -> "Keyring":
        """The keys as they are now: they may have been rotated while a task was at work."""
        return Keyring.open(self.folder, private=self.private, signer=self.signer)

    def sign(self, message: bytes, *, key: Path | None = None) -> Signature:
        """Sign with a person's key file, or with the installation's own key where this process can read it.

        No signer does this for anybody: people sign waivers.

        Raises
        ------
        UserError
            When there is no such key, or its public half is not trusted here.
        """
        private = self.own("records") if key is None else _key_of_person(key)
        name = self._in_use(private, self.private.place if key is None else str(key))
        return Signature(key=name, value=base64.b64encode(private.sign(message)).decode())

    def sign_record(self, dossier: str, number: int, record: Record) -> Signature:
        """Sign a record at its place in a dossier, through the signer where there is one.

        Raises
        ------
        UserError
            When there is no key to sign with.
        RefusedError, NotNextError, UnavailableError
            When the signer refuses, or does not answer.
        """
        if self.signer is None:
            return self.sign(record_message(dossier, number, record.digest))
        key, value = self.signer.sign_record(dossier, number, record)
        return Signature(key=key, value=value)

    def sign_model(self, dossier: str, files: Mapping[str, str]) -> bytes:
        """Sign a model's files, through the signer where there is one.

        Parameters
        ----------
        dossier
            The MLflow run that made them.
        files
            Name of each file, relative to the model's folder, to its SHA-256.

        Returns
        -------
        bytes
            What belongs beside the files as `signing.SIGNATURE`.

        Raises
        ------
        UserError, RefusedError, UnavailableError
            As `sign_record`.
        """
        if self.signer is not None:
            return self.signer.sign_model(dossier, files)
        key = self.own("models")
        return make_bundle(files, key)

    def require_model_key(self) -> None:
        """Make sure that model files can be signed, before anything is stored.

        Raises
        ------
        UserError
            When there is no key, or its public half is not trusted here.
        UnavailableError
            When the signer does not answer.
        """
        if self.signer is None:
            self.own("models")
        else:
            self.signer.check()

    def own(self, use: Use) -> PrivateKey:
        """The installation's private key that is in use.

        Raises
        ------
        UserError
            When this process can read none, or its public half is not trusted or was rotated out.
        """
        held = self.private.held(use)
        if not held:
            place = self.private.place_of(use)
            mend = MEND if self.signer is None else _PERSONS
            raise problem(place, "cannot be read: there is no such key", mend)
        counting = [key for key in held if self._counts(key_id(key.public))]
        if not counting:
            self._in_use(held[0], self.private.place)
        return counting[0]

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
        public = parse_public_key(known.public_key, self.folder)
        assert isinstance(public, Ed25519PublicKey)
        try:
            made = base64.b64decode(signature.value, validate=True)
            public.verify(made, message)
        except (InvalidSignature, ValueError):
            return f"has a signature that the key {signature.key} did not make"
        if base64.b64encode(made).decode() != signature.value:  # the last digit has bits that decoding leaves out
            return f"has a signature of the key {signature.key} that was written in another way"
        return ""

    @property
    def model_public_keys(self) -> dict[str, str]:
        """Key id to public key in PEM, of every key that may have signed model files, rotated out or not."""
        return {entry.id: entry.public_key for entry in self.trusted.values() if entry.use == "models"}

    def _counts(self, name: str) -> bool:
        return name in self.trusted and self.trusted[name].until is None

    def _in_use(self, private: PrivateKey, place: str) -> str:
        """The id of a private key whose signatures would count."""
        name = key_id(private.public)
        if name not in self.trusted:
            raise problem(place, f"the key {name} is not among the trusted ones", "trust it with: assay keys init")
        if self.trusted[name].until is not None:
            mend = "if a rotation was interrupted, run it again: assay keys rotate"
            raise problem(place, f"the key {name} was rotated out", mend)
        return name


def record_message(dossier: str, number: int, digest: str) -> bytes:
    """What the signature under a record covers: its digest, at its place in its dossier."""
    return canonical_json({"dossier": dossier, "number": number, "record": digest})


def create_keys(folder: Path, private: PrivateKeys | None = None) -> Keyring:
    """Make the keys that are not there yet, and trust them.

    Parameters
    ----------
    folder
        Where `trusted.json` is; without `private` the private keys lie in it too.

    Raises
    ------
    UserError
        When what is there is not a key.
    """
    keys = private or KeyFiles(folder)
    entries = list(read_trusted(folder).values()) if (folder / TRUSTED).is_file() else []
    for use in USES:
        held = [key.public for key in keys.held(use)]
        if not held:
            fresh = keys.successor(use, {entry.id for entry in entries})
            fresh.take_over()
            held = [fresh.public]
        if not any(entry.id == key_id(public) for entry in entries for public in held):
            entries.append(trust(use, PLATFORM, held[0]))
    write_trusted(folder, entries)
    return Keyring.open(folder, private=keys)


def rotate_keys(folder: Path, *, after: int, private: PrivateKeys | None = None) -> Keyring:
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
    keys = private or KeyFiles(folder)
    entries = list(read_trusted(folder).values())
    fresh = {use: keys.successor(use, {entry.id for entry in entries}) for use in USES}
    entries = [
        replace(entry, until=after) if entry.owner == PLATFORM and entry.until is None else entry for entry in entries
    ]
    entries += [trust(use, PLATFORM, successor.public) for use, successor in fresh.items()]
    write_trusted(folder, entries)  # first: a kill in between leaves keys that sign nothing until this is run again
    for successor in fresh.values():
        successor.take_over()
    return Keyring.open(folder, private=keys)


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
    entries = list(read_trusted(folder).values())
    private = new_private_key("records")
    added = trust("records", owner, private.public_key())
    write_private_key(key, private)
    write_trusted(folder, [*entries, added])
    return added


def is_person(name: str) -> bool:
    r"""Whether a name may be a person's: it says something, all of it can be seen, and it is not the platform's.

    Examples
    --------
    >>> [is_person(name) for name in ("reviewer", "", "Platform", "review\u200ber", "a\nb")]
    [True, False, False, False, False]
    """
    return says_something(name) and name.isprintable() and name.strip().casefold() != PLATFORM


def _key_of_person(path: Path) -> PrivateKey:
    try:
        return KeyInMemory(parse_private_key("records", path.read_bytes(), str(path)))
    except OSError as error:
        raise problem(str(path), f"cannot be read: {error.strerror}") from None
