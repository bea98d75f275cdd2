"""``assay serve``: the gateway as a process of its own."""

import logging
import os
from dataclasses import replace
from typing import Annotated

import typer

from assay.core import Settings, problem

TOKEN = "ASSAY_GATEWAY_TOKEN"  # noqa: S105 (the variable's name)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8010,
) -> None:
    """Serve the deployed models: split the traffic, score, and log each decision before it is answered.

    Callers must show the token that the environment variable ASSAY_GATEWAY_TOKEN holds. The process
    ends on SIGTERM after it has answered the requests it has taken.
    """
    import uvicorn

    from assay.serving.app import create_app
    from assay.serving.connections import Connections, Limits, raise_file_limit
    from assay.serving.protocol import guarded

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    token = os.environ.get(TOKEN, "")
    if not token.isascii() or any(character.isspace() for character in token):
        raise problem(TOKEN, "must be ASCII without spaces: it travels in an HTTP header")
    app = create_app(Settings.from_environment(), token=token)
    limits = Limits()
    limits = replace(limits, connections=raise_file_limit(limits))
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=guarded(Connections(limits)),
        ws="none",
        timeout_keep_alive=int(limits.idle_seconds),
        proxy_headers=False,  # a client could otherwise name any address as its own
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=30,
        server_header=False,
    )
