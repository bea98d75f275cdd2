"""An application that costs nothing until somebody opens a page of it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

App = Callable[[MutableMapping[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


class LazyApp:
    """An ASGI application that is built at its first request, in a thread.

    Every component of an orchestrator loads its plugins; only its web server ever serves a page.

    Parameters
    ----------
    build
        Makes the application. Requests that come together may build it twice; one of them is kept.
    """

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._app: App | None = None

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Serve one request."""
        if self._app is None:
            self._app = await asyncio.to_thread(self._build)
        await self._app(scope, receive, send)
