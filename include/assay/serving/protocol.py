"""uvicorn's httptools protocol, with limits on what a client may send and how long it may take."""

import asyncio
import time
from typing import ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from assay.serving.connections import Connections, address_of
from assay.serving.refusal import RefusalError

_NEVER = float("inf")
_SWEEP_SECONDS = 1.0
_PIPELINED = 64
_TOO_LARGE = "the request's header is too large"


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    httptools is twice as fast as h11, which has limits of its own, but keeps a header that never ends
    and copies it with each piece that arrives. So we count what it was given since it last made
    something of it. No connection has a timer: all share one sweep a second.
    """

    guard: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to count."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self)
        self.address = address_of(self.client[0] if self.client else "")
        self.trusted = False
        self._undigested = 0
        self._head = self._fields = 0
        self._in_request = False
        self._read_by = _NEVER
        self._owed: int | None = None
        self._wait("header", self.guard.limits.header_seconds)
        self.guard.add(self)
        if not self.guard.swept:
            self.guard.swept = True
            self.loop.call_later(_SWEEP_SECONDS, self._sweep)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self.guard.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and refuse what it makes nothing of."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._owed is not None:
            self._take(data)
            return
        self._undigested += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_plain(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _TooLargeError):
                self._refuse(431, _TOO_LARGE)
            else:
                self._refuse(400, "this is not HTTP/1.1")
        else:
            if self._undigested > self.guard.limits.header_bytes:
                self._refuse(431, _TOO_LARGE)

    def on_message_begin(self) -> None:
        """Give the header its time."""
        super().on_message_begin()
        self.scope["state"]["connection"] = self
        self._in_request = True
        self._head = self._fields = 0
        self._wait("header", self.guard.limits.header_seconds)

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, also one that follows a body in pieces."""
        self._fields += 1
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        self._undigested = 0
        if len(self.pipeline) >= _PIPELINED:
            raise _TooManyError
        super().on_headers_complete()
        self._wait("body", self.guard.limits.body_seconds)

    def on_body(self, body: bytes) -> None:
        """Note that the parser digested something."""
        self._undigested = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is our turn, unless we have answered already."""
        self._undigested = 0
        self._in_request = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait("next request", self.guard.limits.idle_seconds)
        else:
            self._deadline = _NEVER

    def on_response_complete(self) -> None:
        """It is the client's turn."""
        if self.pipeline:
            self._deadline = _NEVER
        elif not self._in_request:
            self._wait("next request", self.guard.limits.idle_seconds)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read what it is answered."""
        super().pause_writing()
        self._read_by = time.monotonic() + self.guard.limits.answer_seconds

    def resume_writing(self) -> None:
        """The client reads on, or the connection is lost."""
        super().resume_writing()
        self._read_by = _NEVER

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn to send, or to read."""
        return self._deadline != _NEVER or self._read_by != _NEVER

    def trust(self) -> None:
        """Note that the client has shown the token."""
        if not self.trusted:
            self.trusted = True
            self.guard.trust(self)

    def overdue(self, now: float) -> str:
        """What the client took too long for; empty while it is in time, or while we do not read."""
        if now > self._read_by:
            return "the answer was not read in time"
        late = now > self._deadline and not self.flow.read_paused
        return f"the {self._awaited} took too long" if late else ""

    def cut(self, reason: str) -> None:
        """Close the connection, whatever is on its way."""
        if self._in_request and self._can_answer and not self.transport.get_write_buffer_size():
            self._refuse(408, reason)
        else:
            self.transport.abort()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _can_answer(self) -> bool:
        """Whether no answer has begun to the request that is being received, or to one before it."""
        in_body = self._awaited == "body" and self._answering and not self.cycle.response_started
        return not self.pipeline and (in_body or not self._answering)

    def _wait(self, awaited: str, seconds: float) -> None:
        self._awaited, self._deadline = awaited, time.monotonic() + seconds

    def _stay_plain(self, rest: bytes) -> None:
        """Answer a request that asks for another protocol as if it did not; its body httptools leaves to us."""
        self.cycle.keep_alive = False
        headers = dict(self.headers)
        if b"transfer-encoding" in headers:
            self._refuse(400, "send a Content-Length, or do not ask for another protocol")
            return
        self._owed = int(headers.get(b"content-length", b"0"))
        if self._owed:
            self.cycle.more_body = self._in_request = True
            self.cycle.message_event.clear()
            self._wait("body", self.guard.limits.body_seconds)
            self._take(rest)

    def _take(self, data: bytes) -> None:
        """Take what belongs to the body, and drop what follows it."""
        body = data[: self._owed]
        if self._owed and body:
            self._owed -= len(body)
            self.on_body(body)
            if not self._owed:
                self.on_message_complete()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self.guard.limits.header_bytes or self._fields > self.guard.limits.headers:
            raise _TooLargeError

    def _refuse(self, status: int, message: str) -> None:
        """Answer where the application has not begun to, and close."""
        if self._can_answer:
            content = RefusalError(status, message).body()
            head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + content)
            if self._answering:  # the application still waits for the body: whatever it says now is too late
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        self._in_request = False
        self._wait("end", self.guard.limits.answer_seconds)
        self.transport.close()

    def _sweep(self) -> None:
        self.guard.sweep(time.monotonic())
        if len(self.guard):
            self.loop.call_later(_SWEEP_SECONDS, self._sweep)
        else:
            self.guard.swept = False


class _Flow(FlowControl):
    """Reads nothing more while requests wait for the answers to those before them."""

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if not self._protocol.pipeline:
            super().resume_reading()


class _TooLargeError(Exception):
    pass


class _TooManyError(Exception):
    pass


def guarded(connections: Connections) -> type[asyncio.Protocol]:
    """The protocol for one server, whose connections are counted together."""
    return type("Guarded", (GuardedProtocol,), {"guard": connections})
