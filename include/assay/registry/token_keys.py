"""The installation's private keys in a PKCS#11 token: a hardware security module, or SoftHSM for tests.

The token makes them and signs; they cannot be read. Ed25519 signs records, P-256 signs models.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from assay.core import Problem, UnavailableError, UserError, problem
from assay.registry.pem import Use
from assay.registry.private_keys import PrivateKey, Successor

R = TypeVar("R")

MODULE = "ASSAY_PKCS11_MODULE"
"""Variable with the path of the token's library; without it keys are files."""
TOKEN = "ASSAY_PKCS11_TOKEN"  # noqa: S105 (the variable's name)
PIN, PIN_FILE = "ASSAY_PKCS11_PIN", "ASSAY_PKCS11_PIN_FILE"
LABELS: dict[Use, str] = {"records": "ASSAY_PKCS11_RECORDS_LABEL", "models": "ASSAY_PKCS11_MODELS_LABEL"}
VARIABLES = (MODULE, TOKEN, PIN, PIN_FILE, *LABELS.values())

_LABELS: dict[Use, str] = {"records": "assay-records", "models": "assay-models"}
_ED25519 = bytes.fromhex("06032b6570")  # the object identifier 1.3.101.112 in DER (RFC 8410)


@dataclass(frozen=True)
class TokenKey:
    """A private key that never leaves its token."""

    use: Use
    public: Any
    _keys: "TokenKeys" = field(repr=False)
    _handle_id: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Sign in the token; see `PrivateKey.sign`."""
        return self._keys.sign_with(self.use, self._handle_id, message)


@dataclass(frozen=True)
class TokenKeys:
    """Private keys in a PKCS#11 token; every call looks them up again, so that a rotation is seen at once.

    Parameters
    ----------
    module
        Path of the token's library.
    token
        Its label.
    pin
        Its user's PIN.
    labels
        Label of the keys for each use.
    """

    module: str
    token: str
    pin: str = field(repr=False)
    labels: tuple[tuple[Use, str], ...] = tuple(_LABELS.items())

    @classmethod
    def from_environment(cls) -> "TokenKeys":
        """The token that the environment names.

        Raises
        ------
        UserError
            Listing what is missing.
        """
        wrong = [Problem(path=TOKEN, message="is not set", mend="name the token's label")] * (not os.environ.get(TOKEN))
        pin = os.environ.get(PIN, "")
        if file := os.environ.get(PIN_FILE):
            try:
                pin = Path(file).read_text().strip()
            except (OSError, ValueError):
                wrong.append(Problem(path=PIN_FILE, message=f"{file} cannot be read"))
        elif not pin:
            wrong.append(Problem(path=PIN_FILE, message="is not set", mend=f"name a file with the PIN, or set {PIN}"))
        if wrong:
            raise UserError("PKCS#11", wrong)
        labels = tuple((use, os.environ.get(LABELS[use]) or label) for use, label in _LABELS.items())
        return cls(os.environ[MODULE], os.environ[TOKEN], pin, labels)

    @property
    def place(self) -> str:
        """The token."""
        return f"PKCS#11 token {self.token}"

    def place_of(self, use: Use) -> str:
        """The token and the key's label."""
        return f"{self.place}: {dict(self.labels)[use]}"

    def held(self, use: Use) -> list[PrivateKey]:
        """The keys for one use; see `PrivateKeys.held`."""
        return self._with_session(lambda session: [self._key(use, each) for each in self._publics(session, use)])

    def successor(self, use: Use, known: set[str]) -> Successor:
        """Make a key in the token. Taking over destroys the others of its label."""
        handle_id = os.urandom(16)

        def make(session: Any) -> PrivateKey:
            self._generate(session, use, handle_id)
            made = [each for each in self._publics(session, use) if each.id == handle_id]
            return self._key(use, made[0])

        return Successor(self._with_session(make).public, lambda: self._destroy_others(use, handle_id))

    def sign_with(self, use: Use, handle_id: bytes, message: bytes) -> bytes:
        """Sign with the key that the token knows by this CKA_ID.

        Raises
        ------
        UnavailableError
            When the token does not answer, or the key is gone: it was rotated out a moment ago.
        """
        from pkcs11 import Mechanism, ObjectClass
        from pkcs11.util.ec import encode_ecdsa_signature

        def sign(session: Any) -> bytes:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=dict(self.labels)[use], id=handle_id)
            if use == "records":
                return bytes(key.sign(message, mechanism=Mechanism.EDDSA))
            from hashlib import sha256  # few tokens hash before ECDSA

            made = key.sign(sha256(message).digest(), mechanism=Mechanism.ECDSA)
            return bytes(encode_ecdsa_signature(made))

        return self._with_session(sign)

    def _key(self, use: Use, public: Any) -> PrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from pkcs11 import Attribute, KeyType

        point = bytes(public[Attribute.EC_POINT])
        length = 32 if use == "records" else 65
        point = point[-length:]  # a DER octet string around it, which some tokens leave out
        try:
            if public.key_type is not (KeyType.EC_EDWARDS if use == "records" else KeyType.EC):
                raise ValueError("a key of another type")
            if use == "records":
                read: Any = Ed25519PublicKey.from_public_bytes(point)
            else:
                read = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            kind = "an Ed25519" if use == "records" else "a P-256"
            raise problem(self.place_of(use), f"is not {kind} key") from None
        return TokenKey(use, read, self, bytes(public.id))

    def _publics(self, session: Any, use: Use) -> Iterator[Any]:
        from pkcs11 import Attribute, ObjectClass

        wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: dict(self.labels)[use]}
        return iter(list(session.get_objects(wanted)))

    def _generate(self, session: Any, use: Use, handle_id: bytes) -> None:
        from pkcs11 import Attribute, KeyType, Mechanism
        from pkcs11.util.ec import encode_named_curve_parameters

        if use == "records":
            kind, encoded = KeyType.EC_EDWARDS, _ED25519
            mechanism = Mechanism.EC_EDWARDS_KEY_PAIR_GEN
        else:
            kind, encoded = KeyType.EC, encode_named_curve_parameters("secp256r1")
            mechanism = Mechanism.EC_KEY_PAIR_GEN
        parameters = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: encoded}, local=True)
        parameters.generate_keypair(
            id=handle_id, label=dict(self.labels)[use], store=True, mechanism=mechanism,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )  # fmt: skip

    def _destroy_others(self, use: Use, keep: bytes) -> None:
        from pkcs11 import Attribute

        def destroy(session: Any) -> None:
            for each in list(session.get_objects({Attribute.LABEL: dict(self.labels)[use]})):
                if each.id != keep:
                    each.destroy()

        self._with_session(destroy)

    def _with_session(self, act: Callable[[Any], R]) -> R:
        import pkcs11

        try:
            with _session(self.module, self.token, self.pin) as session:
                return act(session)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise problem(self.place, "does not accept the PIN", f"check {PIN_FILE} or {PIN}") from None
        except pkcs11.NoSuchToken:
            raise problem(self.place, f"is not known to {self.module}", f"check {TOKEN}") from None
        except pkcs11.PKCS11Error as error:
            raise UnavailableError(f"{self.place} failed: {str(error) or type(error).__name__}") from error


_lock = threading.Lock()


@contextmanager
def _session(module: str, token: str, pin: str) -> Iterator[Any]:
    """A session that only one thread uses: a token's login is that of the whole process."""
    with _lock, _library(module).get_token(token_label=token).open(user_pin=pin, rw=True) as session:
        yield session


@cache
def _library(module: str) -> Any:
    import pkcs11

    try:
        return pkcs11.lib(module)
    except Exception as error:  # a path that is no library: the binding raises what the loader said
        raise problem(
            MODULE, f"{module} cannot be loaded: {error}", "give the path of the token's PKCS#11 library"
        ) from None
