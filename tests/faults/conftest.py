"""An installation to break things in: the shared server, and a gateway that serves what the rollouts' rows say."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from assay.core import utc_now
from assay.rollout import Rollouts

collect_ignore = ["rounds.py"]  # a program: what it imports first warns, and nothing in it is a doctest

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

    with serving(Handler) as url:
        yield replace(settings, gateway_url=url, gateway_token=TOKEN)
    book.engine.dispose()


@contextmanager
def losing_one_answer(settings, path):
    """Settings that lead to MLflow by way of a proxy, which does one request for `path` and keeps the answer back."""
    lost = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() in ("content-type", "range")}
            answer = httpx.request(self.command, settings.tracking_uri + self.path, content=body, headers=headers)
            if self.command == "POST" and self.path.endswith(path) and not lost:
                lost.append(self.path)
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 (the base class's names)

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield replace(settings, tracking_uri=url), lost


@contextmanager
def serving(handler):
    """The address of a server that answers with this handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def installation(mlflow_server, tmp_path):
    """Settings with an operations database and a models' folder of the test's own."""
    own = replace(mlflow_server, operations_db=f"sqlite:///{tmp_path / 'operations.db'}", models=tmp_path / "models")
    with gateway(own) as reached:
        yield reached
