"""One request each, and one error for all that can go wrong with it."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assay.core import UnavailableError
from assay.registry.wire import call, get_file, get_files, place, put_file


@contextmanager
def answering(*answers):
    """A server that gives one answer after the other: a status and a body, or nothing and a closed connection."""
    left, seen = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path, body))
            status, content = left.pop(0) if left else (200, b"")
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_PATCH = answer  # noqa: N815 (the base class's names)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_is_written_and_read_under_its_own_name():
    with answering((200, b""), (200, b"content"), (404, b"{}")) as (uri, seen):
        put_file(uri + "/", "0/a ü/b#1.json", b"content")
        assert get_file(uri, "0/a ü/b#1.json") == b"content"
        assert get_file(uri, "0/none") is None
    path = "/api/2.0/mlflow-artifacts/artifacts/0/a%20%C3%BC/b%231.json"
    assert seen[:2] == [("PUT", path, b"content"), ("GET", path, b"")]


def test_files_come_back_under_the_names_that_were_asked_for():
    with answering(*[(200, b"x")] * 9) as (uri, seen):
        wanted = [f"0/{number}" for number in range(9)]
        assert get_files(uri, wanted) == dict.fromkeys(wanted, b"x")
        assert get_files(uri, []) == {}
    assert len(seen) == 9


def test_a_change_is_one_request_with_a_json_body():
    with answering((200, b"{}")) as (uri, seen):
        call(uri, "PATCH", "logged-models/m-1/tags", {"tags": [{"key": "ü", "value": "1"}]})
    ((method, path, body),) = seen
    assert (method, path) == ("PATCH", "/api/2.0/mlflow/logged-models/m-1/tags")
    assert json.loads(body) == {"tags": [{"key": "ü", "value": "1"}]}


@pytest.mark.parametrize("status", [404, 400])
def test_what_is_not_there_or_no_file_is_no_file(status):
    with answering((status, b"no")) as (uri, _):
        assert get_file(uri, "0/a") is None


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_any_other_answer_is_an_error_that_names_it(status):
    acts = [lambda uri: put_file(uri, "0/a", b""), lambda uri: call(uri, "POST", "0/a", {})]
    for act in acts if status == 400 else [*acts, lambda uri: get_file(uri, "0/a")]:
        with answering((status, b"no")) as (uri, _), pytest.raises(UnavailableError, match=f"answers {status} for 0/a"):
            act(uri)


def test_a_connection_that_was_closed_in_between_is_opened_again():
    with answering((None, b""), (200, b"content")) as (uri, seen):
        assert get_file(uri, "0/a") == b"content"
    assert len(seen) == 2


def test_a_server_that_never_answers_is_told():
    with (
        answering((None, b""), (None, b"")) as (uri, _),
        pytest.raises(UnavailableError, match=r"does not answer: .*disconnected"),
    ):
        get_file(uri, "0/a")


def test_only_what_the_server_keeps_itself_has_a_place():
    assert place("mlflow-artifacts:/0/run/artifacts") == "0/run/artifacts"
    with pytest.raises(UnavailableError, match="keeps artifacts at s3://bucket/0: start its server with"):
        place("s3://bucket/0")
