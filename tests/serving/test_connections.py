"""Clients that are slow, silent, endless or many, against a gateway that has 1,024 files."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.serving.support import TOKEN, Stand, onnx_model, person, standing

from assay.serving import connections as module
from assay.serving.connections import Connections, Limits

URL = "/models/income/invocations"
HEAD = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
PARTS = {
    "nothing": b"",
    "half a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
    "half a body": f"{HEAD}Content-Length: 500\r\n\r\n{{".encode(),
    "half a body, without the token": f"POST {URL} HTTP/1.1\r\nContent-Length: 500\r\n\r\n{{".encode(),
}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A gateway that may open 1,024 files and cannot have more."""
    with standing(tmp_path_factory.mktemp("narrow")) as stand:
        stand.crown(1, onnx_model())
        stand.serve(files=1_024)
        yield stand


def connected(stand: Stand) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stand.client.base_url.port), timeout=30)


def open_files(stand: Stand) -> int:
    return sum(1 for _ in Path(f"/proc/{stand.process.pid}/fd").iterdir())


def flood(client: socket.socket, data: bytes) -> None:
    """Send 64 MB, or until the other end has had enough."""
    for _ in range(2**26 // len(data)):
        client.sendall(data)


def memory(stand: Stand) -> int:
    """Resident bytes of the gateway."""
    (line,) = (line for line in Path(f"/proc/{stand.process.pid}/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("part", PARTS)
def test_a_thousand_half_open_connections_keep_nobody_out(narrow, part):
    with ExitStack() as opened:
        for _ in range(1_100):
            client = opened.enter_context(connected(narrow))
            client.sendall(PARTS[part])
        narrow.client.close()  # so that the proper client has to get in, too
        narrow.client = narrow.fresh_client()
        for number in range(3):
            assert narrow.score(person(number)).status_code == 200
            with narrow.fresh_client() as another:
                assert another.get("/healthz").status_code == 200
        rows = [person(n) for n in range(2_000)]  # so many are scored in a thread: none may be held by the slow
        assert narrow.score(*rows).status_code == 200
        assert open_files(narrow) < 1_024
    assert "Traceback" not in narrow.log()


ENDLESS = {
    "a header": (b"GET /healthz HTTP/1.1\r\nX: ", b"x" * 65_536),
    "headers": (b"GET /healthz HTTP/1.1\r\n", b"x: y\r\n" * 10_000),
    "an address": (b"GET /", b"x" * 65_536),
    "a header after the body": (
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ", b"x" * 65_536,
    ),
    "headers after the body": (
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"x: y\r\n" * 10_000,
    ),
    "requests": (b"", b"GET /healthz HTTP/1.1\r\n\r\n" * 3_000),
    "an extension of a piece": (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65_536),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_end_is_cut_and_costs_no_memory(narrow, name):
    start, rest = ENDLESS[name]
    before = memory(narrow)
    with connected(narrow) as client:
        client.sendall(start)
        with pytest.raises(ConnectionError):
            flood(client, rest)
    assert memory(narrow) - before < 32 * 2**20
    assert narrow.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "header", [b"X: " + b"x" * 20_000, b"x: y\r\n" * 101, b"Host: x\r\n" * 9 + b"Cookie: " + b"x" * 17_000]
)
def test_a_header_that_is_too_large_gets_431(narrow, header):
    with connected(narrow) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + header.rstrip() + b"\r\n\r\n")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"header is too large" in answer


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"FOO / HTTP/1.1\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n", b"CONNECT x:80 HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc"])  # fmt: skip
def test_what_is_not_http_gets_400_and_one_connection_less(narrow, garbage):
    with connected(narrow) as client:
        client.sendall(garbage)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in narrow.log()


def test_some_requests_in_one_piece_are_all_answered(narrow):
    with connected(narrow) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 49 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().count(b"HTTP/1.1 200 ") == 50


@pytest.mark.parametrize("wish", ["websocket", "h2c"])  # Java's own client asks for h2c whatever it sends
@pytest.mark.parametrize("rows", [0, 1, 2_000])
def test_a_wish_for_another_protocol_changes_no_answer(narrow, wish, rows):
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": wish, "http2-settings": "AAMAAABkAAQAAP__"}
    if rows == 0:
        assert narrow.client.get("/healthz", headers=upgrade).json() == {"ok": True}
        return
    body = {"dataframe_records": [person(n) for n in range(rows)]}
    answer = narrow.client.post(URL, json=body, headers=upgrade)
    assert len(answer.json()["predictions"]) == rows
    assert answer.headers["connection"] == "close"


def test_a_wish_for_another_protocol_with_a_body_of_unknown_length_gets_400(narrow):
    upgrade = {"connection": "Upgrade", "upgrade": "h2c"}
    assert narrow.client.post(URL, content=iter([b"{", b"}"]), headers=upgrade).status_code == 400


@pytest.fixture
def hasty(stand):
    """A gateway whose limits of time are a second."""
    stand.crown(1, onnx_model())
    stand.serve(hasty=True)
    return stand


SLOW = {
    "nothing": b"",
    "blank lines": b"\r\n",
    "half a header": PARTS["half a header"],
    "half a body": PARTS["half a body"],
    "half a body, without the token": PARTS["half a body, without the token"],
    "nothing more": b"GET /healthz HTTP/1.1\r\n\r\n",
}


def test_whoever_takes_too_long_is_cut_though_they_keep_sending(hasty):
    """All at once; each sends a byte now and then."""
    clients = {name: connected(hasty) for name in SLOW}
    for name, client in clients.items():
        client.sendall(SLOW[name])
        client.settimeout(0.01)
    answers, waiting = dict.fromkeys(SLOW, b""), set(SLOW)
    deadline = time.monotonic() + 30
    while waiting and time.monotonic() < deadline:
        time.sleep(0.2)
        for name in sorted(waiting):
            try:
                if name not in ("nothing", "nothing more"):
                    clients[name].sendall(b"\r\n" if name == "blank lines" else b"x")
                while data := clients[name].recv(65_536):
                    answers[name] += data
                waiting.discard(name)
            except TimeoutError:
                pass
            except OSError:
                waiting.discard(name)
    assert not waiting
    assert answers["half a header"].startswith(b"HTTP/1.1 408 ")
    assert answers["half a body"].startswith(b"HTTP/1.1 408 ")
    assert answers["half a body, without the token"].startswith(b"HTTP/1.1 401 ")
    assert answers["nothing more"].startswith(b"HTTP/1.1 200 ")
    for client in clients.values():
        client.close()
    assert hasty.score(person(1)).status_code == 200
    assert "Traceback" not in hasty.log()


def test_whoever_does_not_read_is_cut(hasty):
    with connected(hasty) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = f"GET /models/income HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode() * 100
        with pytest.raises(ConnectionError):
            flood(client, request)
    assert hasty.score(person(1)).status_code == 200


class Client:
    def __init__(self, address, *, busy=False):
        self.address, self.waits_for_client, self.was_cut = address, not busy, ""

    def cut(self, reason):
        self.was_cut = reason

    def overdue(self, _now):
        return ""


def test_room_is_made_at_the_cost_of_the_address_with_most_strangers():
    connections = Connections(Limits(connections=6, strangers_per_address=4))
    crowd, lone = [Client("a") for _ in range(3)], Client("b")
    friends = [Client("c") for _ in range(2)]
    for each in [lone, *friends]:
        connections.add(each)
    for friend in friends:
        connections.trust(friend)
    for each in crowd:
        connections.add(each)
    connections.add(Client("d"))
    assert [bool(each.was_cut) for each in (*crowd, lone, *friends)] == [True, *[False] * 5]
    assert len(connections) == 6


def test_a_newcomer_is_let_in_though_clients_with_the_token_hold_every_connection():
    connections = Connections(Limits(connections=8))
    friends = [Client("a", busy=number == 0) for number in range(8)]
    for friend in friends:
        connections.add(friend)
        connections.trust(friend)
    newcomer = Client("a")
    connections.add(newcomer)
    assert [bool(each.was_cut) for each in (*friends, newcomer)] == [False, True, *[False] * 7]


def test_where_all_are_being_answered_the_newcomer_is_closed():
    connections = Connections(Limits(connections=2))
    busy, newcomer = [Client("a", busy=True) for _ in range(2)], Client("b")
    for each in (*busy, newcomer):
        connections.add(each)
    assert [bool(each.was_cut) for each in (*busy, newcomer)] == [False, False, True]


def test_an_address_pushes_out_its_own_strangers_first_and_busy_ones_never():
    connections = Connections(Limits(connections=100, strangers_per_address=2))
    busy, idle, newest = Client("a", busy=True), Client("a"), Client("a")
    for each in (busy, idle, newest):
        connections.add(each)
    assert [bool(each.was_cut) for each in (busy, idle, newest)] == [False, True, False]
    for each in (busy, idle, newest, idle):
        connections.discard(each)
    assert len(connections) == 0


@pytest.mark.parametrize(("soft", "hard", "room"), [(256, 1024, 768), (1024, 1024, 768), (1024, 65_536, 2_000)])
def test_the_file_limit_is_raised_where_it_may_be(monkeypatch, soft, hard, room):
    asked = []
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(module.resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert module.raise_file_limit(Limits()) == room
    assert asked in ([], [(min(2_256, hard), hard)])

    def refuse(*_):
        raise OSError("not permitted")

    monkeypatch.setattr(module.resource, "setrlimit", refuse)
    assert module.raise_file_limit(Limits()) == max(16, soft - 256)
