"""The signer's port: HTTP on a Unix socket, or over TCP with a token. One request a connection, all of it bounded."""

import hmac
import json
import logging
import os
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from assay.core import AssayError, UnavailableError, problem
from assay.registry.signer_client import short_path
from assay.signer.bounds import LONGEST_HEAD, BoundedStream, Bounds
from assay.signer.requests import RequestRefusedError
from assay.signer.service import Signer

log = logging.getLogger(__name__)

_PIECE = 64 * 1024
_UNAUTHENTICATED, _FORBIDDEN, _NO_SUCH = 401, 403, 404
_LENGTH_NEEDED, _TOO_LARGE, _FAILED, _UNAVAILABLE = 411, 413, 500, 503


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """What both ports share: threads, bounds, and an end that waits for answers under way."""

    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: Any, signer: Signer, bounds: Bounds) -> None:
        self.signer, self.bounds = signer, bounds
        self._slots = threading.BoundedSemaphore(bounds.at_once)
        super().__init__(address, _Handler)

    def who(self, connection: socket.socket, shown: str) -> str:
        """Who is asking; a `RequestRefusedError` when it is nobody who may."""
        raise NotImplementedError

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(_too_many())
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(self.bounds.seconds, _hang_up, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.warning("a connection ended early", exc_info=log.isEnabledFor(logging.DEBUG))


class UnixServer(_Server):
    """Listens on a socket in a folder of its own, and asks the system who connects.

    Parameters
    ----------
    path
        Of the socket. What is left there by an earlier server is replaced.
    uids
        Users who may connect beside the server's own.
    """

    address_family = socket.AF_UNIX

    def __init__(self, path: Path, signer: Signer, *, uids: Collection[int] = (), bounds: Bounds | None = None) -> None:
        self._path, self._uids = path, {os.geteuid(), *uids}
        super().__init__(path, signer, bounds or Bounds())

    def server_bind(self) -> None:
        """Make the socket, with modes that keep others out."""
        others = len(self._uids) > 1  # then the credentials decide; else the modes do as well
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.parent.chmod(0o711 if others else 0o700)
            self._path.unlink(missing_ok=True)
            with short_path(self._path) as address:
                self.socket.bind(address)
            self._path.chmod(0o666 if others else 0o600)
        except OSError as error:
            raise problem(str(self._path), f"cannot be listened on: {error.strerror or error}") from error

    def who(self, connection: socket.socket, shown: str) -> str:
        """The user on the other side, by the system's word."""
        if not hasattr(socket, "SO_PEERCRED"):  # not Linux: the folder's mode has let in our own user alone
            return "the own user"
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if uid not in self._uids:
            raise RequestRefusedError(f"user {uid} may not ask for signatures", status=_FORBIDDEN)
        return f"uid {uid} pid {pid}"


class TcpServer(_Server):
    """Listens on an address for those who show a token.

    Parameters
    ----------
    token
        What they must show.
    tls
        Files of certificate chain and private key; None for plain HTTP.
    """

    def __init__(
        self, host: str, port: int, signer: Signer, *, token: str, tls: tuple[Path, Path] | None = None,
        bounds: Bounds | None = None,
    ) -> None:  # fmt: skip
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._token = token.encode()
        self._tls = _context(*tls) if tls else None
        try:
            super().__init__((host, port), signer, bounds or Bounds())
        except OSError as error:
            raise problem(f"{host}:{port}", f"cannot be listened on: {error.strerror or error}") from error

    def who(self, connection: socket.socket, shown: str) -> str:
        """The address on the other side, if it shows the token."""
        scheme, _, token = shown.partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(token.encode(), self._token):
            raise RequestRefusedError("the token is missing or wrong", status=_UNAUTHENTICATED)
        return f"token from {connection.getpeername()[0]}"

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        if self._tls is not None:  # the handshake is left to the connection's own thread
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "assay-signer", ""

    def setup(self) -> None:
        self.request.settimeout(self.server.bounds.seconds)
        super().setup()
        self.rfile: Any = BoundedStream(self.rfile, LONGEST_HEAD)

    def do_GET(self) -> None:
        self._answer(self._health)

    def do_POST(self) -> None:
        self._answer(self._signed)

    def _health(self) -> dict[str, str]:
        if self.path != "/healthz":
            raise RequestRefusedError("there is nothing here", status=_NO_SUCH)
        if isinstance(self.server, UnixServer):
            self.server.who(self.connection, "")
        self.server.signer.check()
        return {"status": "ok"}

    def _signed(self) -> dict[str, str]:
        who = self.server.who(self.connection, self.headers.get("Authorization", ""))
        signer = self.server.signer
        kinds: dict[str, Callable[..., dict[str, str]]] = {
            "/v1/records": signer.sign_record,
            "/v1/models": signer.sign_model,
        }
        if self.path not in kinds:
            raise RequestRefusedError(f"nothing of the kind {self.path[:100]!r} is signed here", status=_NO_SUCH)
        content = self._body()
        try:
            return kinds[self.path](content, who=who)
        except RequestRefusedError as refused:
            log.warning("refused %s: %s", who, refused)
            raise

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise RequestRefusedError("the request does not say how long it is", status=_LENGTH_NEEDED)
        if len(length) > 12 or int(length) > self.server.bounds.body:
            raise RequestRefusedError(
                f"the request is longer than {self.server.bounds.body:,} bytes", status=_TOO_LARGE
            )
        self.rfile.left = int(length)
        content = self.rfile.read(int(length))
        if len(content) != int(length):
            raise RequestRefusedError("the request is shorter than it says", status=400)
        return bytes(content)

    def _answer(self, act: Callable[[], dict[str, str]]) -> None:
        try:
            status, answer = 200, act()
        except RequestRefusedError as refused:
            status, answer = refused.status, {"error": str(refused)}
        except UnavailableError as error:
            log.error("cannot sign: %s", error)
            status, answer = _UNAVAILABLE, {"error": str(error)}
        except AssayError as error:
            log.error("cannot sign: %s", error)
            status, answer = _FAILED, {"error": str(error)}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self._drain()

    def _drain(self) -> None:
        """Read away what a refused caller is still sending: closing on it could take the answer away."""
        left = 2 * self.server.bounds.body
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (content := self.connection.recv(min(_PIECE, left))):
                left -= len(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        log.debug(format, *args)


@contextmanager
def serving(server: _Server) -> Iterator[_Server]:
    """Serve in a thread for as long as the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise problem(str(certificate), f"is not a certificate with the key {key}: {error}") from None
    return context


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _too_many() -> bytes:
    content = json.dumps({"error": "too many connections are open; try again"}).encode()
    head = f"HTTP/1.0 {_UNAVAILABLE} Busy\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content
