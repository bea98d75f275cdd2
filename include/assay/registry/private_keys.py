"""Where the installation's private keys are: files of one folder, or a token (see `token_keys`)."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from assay.core import Settings, problem
from assay.registry.pem import Use, key_id, new_private_key, parse_private_key, write_private_key

FILES: dict[Use, str] = {"records": "signing.pem", "models": "model.pem"}
"""Name of the file that holds the private key for each use."""

VARIABLES: dict[Use, str] = {"records": "ASSAY_SIGNING_KEY", "models": "ASSAY_MODEL_SIGNING_KEY"}
PRIVATE_KEYS = tuple(VARIABLES.values())
"""Environment variables that may hold the private keys."""

MEND = "make the keys with: assay keys init"


class PrivateKey(Protocol):
    """A private key that can be used and, in a token, never seen."""

    @property
    def public(self) -> Any:
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """Sign: Ed25519 for records, ECDSA over SHA-256 in DER for models."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A new private key that nobody uses yet.

    Attributes
    ----------
    public
        Its public half.
    take_over
        Put it in the place of the old ones, after its public half is trusted.
    """

    public: Any
    take_over: Callable[[], None] = field(repr=False)


class PrivateKeys(Protocol):
    """The private keys of one installation."""

    @property
    def place(self) -> str:
        """Where they are, for messages."""

    def place_of(self, use: Use) -> str:
        """Where the key for one use is, for messages."""

    def held(self, use: Use) -> list[PrivateKey]:
        """The keys for one use, in no order; empty where none was made yet.

        Raises
        ------
        UserError
            When what is there is not a key, or others may read it.
        UnavailableError
            When a token does not answer.
        """

    def successor(self, use: Use, known: set[str]) -> Successor:
        """A key that is to replace those in use.

        Parameters
        ----------
        known
            Ids of all keys that were ever trusted.
        """


@dataclass(frozen=True, slots=True)
class KeyInMemory:
    """A private key that was read from PEM."""

    private: Any = field(repr=False)

    @property
    def public(self) -> Any:
        """Its public half."""
        return self.private.public_key()

    def sign(self, message: bytes) -> bytes:
        """Sign: Ed25519, or ECDSA over SHA-256 in DER."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self.private, EllipticCurvePrivateKey):
            return self.private.sign(message, ECDSA(SHA256()))
        return bytes(self.private.sign(message))


@dataclass(frozen=True)
class KeyFiles:
    """Private keys in the files of one folder, or in the environment, which comes first.

    They are read each time, so that a rotation is seen at once.
    """

    folder: Path

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def place_of(self, use: Use) -> str:
        """The key's file."""
        return str(self.folder / FILES[use])

    def held(self, use: Use) -> list[PrivateKey]:
        """The key for one use; see `PrivateKeys.held`."""
        if given := os.environ.get(VARIABLES[use]):
            return [KeyInMemory(parse_private_key(use, given.encode(), VARIABLES[use]))]
        path = self.folder / FILES[use]
        try:
            with path.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                content = stream.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise problem(str(path), f"cannot be read: {error.strerror}", MEND) from None
        if mode & 0o077:
            message = f"may be read or written by others (mode {mode & 0o777:04o})"
            raise problem(str(path), message, f"chmod 600 {path}; if others may have read it: assay keys rotate")
        return [KeyInMemory(parse_private_key(use, content, str(path)))]

    def successor(self, use: Use, known: set[str]) -> Successor:
        """A new key, or the one that the environment gives; see `PrivateKeys.successor`."""
        if os.environ.get(VARIABLES[use]):
            (given,) = self.held(use)
            if key_id(given.public) in known:
                mend = "set it to a new key first"
                raise problem(VARIABLES[use], "still holds the key that is to be replaced", mend)
            return Successor(given.public, lambda: None)
        private = new_private_key(use)
        return Successor(private.public_key(), lambda: write_private_key(self.folder / FILES[use], private))


def private_keys(settings: Settings) -> PrivateKeys:
    """The private keys that the environment names, whether or not this process may use them."""
    from assay.registry.token_keys import MODULE, TokenKeys

    if os.environ.get(MODULE):
        return TokenKeys.from_environment()
    return KeyFiles(settings.signer_keys or settings.keys)
