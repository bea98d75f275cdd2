"""An installation to break things in: the shared server, and a gateway that serves what the rollouts' rows say."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assay.core import utc_now
from assay.rollout import Rollouts

TOKEN = "t0ken"


@contextmanager
def gateway(settings):
    """Settings that lead to a stand-in for the gateway, which reads its champion from the row as the real one does."""
    book = Rollouts.open(settings.operations_db)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            now = None if self.path == "/healthz" else book.current(self.path.rpartition("/")[2])
            champion = None if now is None or now.champion is None else {"version": now.champion.version}
            self.send_response(200 if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"champion": champion, "at": utc_now()}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield replace(settings, gateway_url=f"http://127.0.0.1:{server.server_port}", gateway_token=TOKEN)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        book.engine.dispose()


@pytest.fixture
def installation(mlflow_server, tmp_path):
    """Settings with an operations database and a models' folder of the test's own."""
    own = replace(mlflow_server, operations_db=f"sqlite:///{tmp_path / 'operations.db'}", models=tmp_path / "models")
    with gateway(own) as reached:
        yield reached
