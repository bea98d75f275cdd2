"""Who may ask: whoever shows the token."""

import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assay.serving.connections import address_of
from assay.serving.refusal import RefusalError

log = logging.getLogger(__name__)

OPEN = ("/healthz", "/readyz")
"""What anybody may ask."""

_WINDOW = 60.0  # seconds
_FAILURES = 60
_ADDRESSES = 1_024
_LINES = 10


class _Window(NamedTuple):
    until: float
    failures: int


class WrongTokens:
    """Counts wrong and missing tokens by address, and says when an address has shown too many.

    Only the failures of an address are slowed down: other clients behind the same proxy, who show the
    right token, are not. Of the addresses that failed last, 1,024 are remembered, and 10 lines a minute
    are logged.
    """

    def __init__(self) -> None:
        self.total = 0
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lines = _Window(0.0, 0)

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, address: str, now: float) -> bool:
        """Count a failure; say whether the address has had too many in the last minute."""
        self.total += 1
        window = self._windows.pop(address, _Window(0.0, 0))
        if now >= window.until:
            self._log(address, window.failures, now)
            window = _Window(now + _WINDOW, 0)
        window = _Window(window.until, window.failures + 1)
        self._windows[address] = window
        if len(self._windows) > _ADDRESSES:
            self._windows.popitem(last=False)
        return window.failures > _FAILURES

    def _log(self, address: str, before: int, now: float) -> None:
        """One line as a burst begins, with the number of failures in the burst before."""
        if now >= self._lines.until:
            self._lines = _Window(now + _WINDOW, 0)
        self._lines = _Window(self._lines.until, self._lines.failures + 1)
        if self._lines.failures <= _LINES:
            log.warning(
                "wrong or no token from %s (last burst from there: %d; in all: %d)", address, before, self.total
            )


class Authorised:
    """Lets through who shows the token; see `OPEN` for what needs none.

    Parameters
    ----------
    app
        What is behind.
    token
        What must be shown.
    wrong
        Counts those who do not.
    """

    def __init__(self, app: ASGIApp, token: str, wrong: WrongTokens) -> None:
        self._app, self._expected, self._wrong = app, f"Bearer {token}".encode(), wrong

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or 429 after too many of them, or pass on."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not hmac.compare_digest(shown, self._expected):
            client = scope.get("client") or ("unknown", 0)
            too_many = self._wrong.count(address_of(client[0]), time.monotonic())
            await (_slow_down() if too_many else _unauthorised())(scope, receive, send)
            return
        if connection := scope.get("state", {}).get("connection"):
            connection.trust()
        await self._app(scope, receive, send)


def _unauthorised() -> Response:
    refusal = RefusalError(401, "show the gateway's token as Authorization: Bearer TOKEN")
    return _answer(refusal, {"www-authenticate": "Bearer"})


def _slow_down() -> Response:
    """The connection ends with it: each further guess costs a new one."""
    refusal = RefusalError(429, "too many wrong tokens came from this address")
    return _answer(refusal, {"retry-after": str(int(_WINDOW)), "connection": "close"})


def _answer(refusal: RefusalError, headers: Mapping[str, str]) -> Response:
    return Response(refusal.body(), refusal.status, headers, media_type="application/json")
