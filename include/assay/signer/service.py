"""What the signer does with a request: read it, hold it to the anchors, sign it, log it."""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from assay.core import Anchors, UnavailableError, UserError, sha256_bytes
from assay.registry.keys import Keyring, record_message
from assay.registry.pem import key_id
from assay.registry.signing import make_bundle, make_statement
from assay.signer.journal import Journal
from assay.signer.requests import RequestRefusedError, read_model_request, read_record_request
from assay.signer.rules import check_model, check_record

R = TypeVar("R")

_ROTATION = 2.0  # seconds for which a rotation may leave keys that do not count yet
_LOOK_EVERY = 0.05


class Rate:
    """Signatures per second, over all who ask: a token bucket.

    Parameters
    ----------
    per_second, burst
        How many on average, and how many at once.
    """

    def __init__(self, per_second: float = 50.0, burst: float = 500.0) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take one.

        Raises
        ------
        RequestRefusedError
            With status 429 when none is left.
        """
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
            self._at = now
            if self._left < 1:
                raise RequestRefusedError(
                    f"more than {self._per_second:.0f} signatures a second are asked for", status=429
                )
            self._left -= 1


@dataclass(frozen=True)
class Signer:
    """Signs for whoever the server lets in.

    Parameters
    ----------
    keys
        Reads the keyring, with private keys, as it is now.
    anchors
        The anchors of all dossiers, to be read only.
    journal
        Where every signature is logged.
    """

    keys: Callable[[], Keyring]
    anchors: Anchors
    journal: Journal
    rate: Rate = field(default_factory=Rate)

    def sign_record(self, content: bytes, *, who: str) -> dict[str, str]:
        """Sign a record.

        Returns
        -------
        dict
            Id of the ``key``, and the ``signature`` in base64.

        Raises
        ------
        RequestRefusedError
            When the request is refused.
        UnavailableError
            When the keys, the database or the disk fail.
        """
        request = read_record_request(content)
        self.rate.take()
        check_record(request, self.anchors.of(request.dossier))
        digest = request.record.digest
        message = record_message(request.dossier, request.number, digest)
        signature = self._settled(lambda keyring: keyring.sign(message))
        self.journal.add(
            who=who, kind=request.kind, dossier=request.dossier, number=request.number, digest=digest,
            key=signature.key,
        )  # fmt: skip
        return {"key": signature.key, "signature": signature.value}

    def sign_model(self, content: bytes, *, who: str) -> dict[str, str]:
        """Sign the files of a model.

        Returns
        -------
        dict
            The ``bundle`` in base64, and the id of the ``key``.

        Raises
        ------
        RequestRefusedError, UnavailableError
            As `sign_record`.
        """
        request = read_model_request(content)
        self.rate.take()
        anchors = self.anchors.of(request.dossier)
        check_model(request, anchors)
        key = self._settled(lambda keyring: keyring.own("models"))
        bundle, name = make_bundle(request.files, key), key_id(key.public)
        self.journal.add(
            who=who, kind="model", dossier=request.dossier, number=len(anchors),
            digest=sha256_bytes(make_statement(request.files)), key=name,
        )  # fmt: skip
        return {"bundle": base64.b64encode(bundle).decode(), "key": name}

    def check(self) -> None:
        """Make sure that both keys are there and count.

        Raises
        ------
        UnavailableError
            When one does not.
        """
        for use in ("records", "models"):
            self._settled(lambda keyring, use=use: keyring.own(use))  # type: ignore[misc]  # a loop's name

    def _settled(self, act: Callable[[Keyring], R]) -> R:
        """Do something with the keys; a rotation under way is waited for."""
        deadline = time.monotonic() + _ROTATION
        while True:
            try:
                return act(self.keys())
            except UserError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(str(error)) from error
                time.sleep(_LOOK_EVERY)
