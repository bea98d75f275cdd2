"""Ask the signer: the one process that holds the private keys. See `assay.signer` for the other side."""

import base64
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assay.core import AssayError, Record, Settings, UnavailableError, problem

_TIMEOUT = 30.0
_LONGEST_ANSWER = 16 * 1024 * 1024
_LONGEST_PATH = 100  # of a socket: the system takes 107 bytes, on macOS 103
_MEND = "give unix:/path, http://host:port or https://host:port"
AUTHORITY = "ASSAY_SIGNER_CA"
"""Variable that names a file of certificates, one of which must have signed the signer's; the system's by default."""


class RefusedError(AssayError):
    """The signer does not sign this. Asking again does not help."""


class NotNextError(RefusedError):
    """The record does not continue the anchored head of its dossier: read the dossier again."""


@dataclass(frozen=True)
class SignerClient:
    """The signer at one address.

    Parameters
    ----------
    address
        ``unix:/path``, ``http://host:port`` or ``https://host:port``.
    token
        What the signer asks of those who come over the network.
    """

    address: str
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "SignerClient":
        """The signer that the settings name.

        Raises
        ------
        UserError
            When the address is not one, or lacks its token.
        """
        client = cls(settings.signer, settings.signer_token)
        scheme, rest = client._parts
        if scheme == "unix" and rest.startswith("/"):
            return client
        try:
            split = urlsplit(settings.signer)
            whole = split.hostname and split.port and split.path in ("", "/") and not (split.query or split.username)
        except ValueError:
            whole = False
        if scheme not in ("http", "https") or not whole:
            raise problem("ASSAY_SIGNER", f"{settings.signer!r} is not an address", _MEND)
        if not client.token:
            raise problem("ASSAY_SIGNER_TOKEN", "is not set", f"the signer at {rest.strip('/')} asks for it")
        return client

    def sign_record(self, dossier: str, number: int, record: Record) -> tuple[str, str]:
        """Have a record signed.

        Returns
        -------
        key, value
            Id of the key that signed, and the signature in base64.

        Raises
        ------
        NotNextError
            When the record does not continue the dossier's anchored head.
        RefusedError
            When the signer refuses for any other reason.
        UnavailableError
            When it does not answer.
        """
        asked = {"dossier": dossier, "number": number, "digest": record.digest, "record": record.to_dict()}
        answer = self._ask("POST", "/v1/records", asked)
        return self._text(answer, "key"), self._text(answer, "signature")

    def sign_model(self, dossier: str, files: Mapping[str, str]) -> bytes:
        """Have the files of a model signed; see `Keyring.sign_model`."""
        answer = self._ask("POST", "/v1/models", {"dossier": dossier, "files": dict(files)})
        return base64.b64decode(self._text(answer, "bundle"))

    def check(self) -> None:
        """Make sure that the signer can sign.

        Raises
        ------
        UnavailableError
            When it does not answer, or says that it cannot.
        """
        self._ask("GET", "/healthz", None)

    @property
    def _parts(self) -> tuple[str, str]:
        scheme, _, rest = self.address.partition(":")
        return scheme, rest

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            with self._connection() as connection:
                connection.request(method, path, body=content, headers=headers)
                answer = connection.getresponse()
                status, read = answer.status, answer.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"the signer at {self.address} does not answer: {reason}") from error
        return self._read(status, read)

    def _read(self, status: int, content: bytes) -> Any:
        try:
            answer = json.loads(content)
            said = "" if status == http.client.OK else str(answer["error"])
        except (ValueError, LookupError, TypeError):
            raise UnavailableError(f"the signer at {self.address} answers {status} and nothing that it says") from None
        if status == http.client.OK:
            return answer
        if status == http.client.CONFLICT:
            raise NotNextError(f"the signer refuses: {said}")
        if status >= http.client.INTERNAL_SERVER_ERROR or status == http.client.TOO_MANY_REQUESTS:
            raise UnavailableError(f"the signer at {self.address} cannot sign now: {said}")
        raise RefusedError(f"the signer refuses: {said}")

    def _text(self, answer: Any, name: str) -> str:
        if not isinstance(answer, dict) or not isinstance(answer.get(name), str):
            raise UnavailableError(f"the signer at {self.address} answers without {name}")
        return str(answer[name])

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        scheme, rest = self._parts
        connection: http.client.HTTPConnection
        if scheme == "unix":
            connection = _UnixConnection(rest)
        else:
            split = urlsplit(self.address)
            if scheme == "https":
                context = ssl.create_default_context(cafile=os.environ.get(AUTHORITY) or None)
                connection = http.client.HTTPSConnection(
                    split.hostname or "", split.port, timeout=_TIMEOUT, context=context
                )
            else:
                connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=_TIMEOUT)
        try:
            yield connection
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(Path(self._path)) as path:
            self.sock.connect(path)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket's path that the system takes, however long the path is.

    Raises
    ------
    OSError
        When the folder is not there, or this system has no other name for it.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
