"""Requests of every bad kind, the same for the same seed.

By hand: ``PYTHONPATH=include:. python -m tests.serving.fuzz COUNT [SEED]`` sends them to gateways on SQLite
and PostgreSQL, and prints every answer that blames the server.
"""

import json
import random
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.rollout.postgres import binaries, server
from tests.serving.support import LIMITS, TOKEN, Stand, onnx_model, person

TEXTS = [
    "", "a", "private", "\x00", "a\x00b", "\\u0000", "\n", "\x7f", "\u202e", "\ufeff", "é", "e\u0301", "😀", "'; --",
    "x" * 200, "x" * 600, "NaN", "1e400", "__proto__", "%00", "../..", "{}", "id", "age", "sector", "ag\x00e", "Age",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "-0.0", "1", "0.5", "1e400", "-1e400", "1e-400", "1e308", "3.5e38", "9" * 19, "9" * 30, "9" * 400,
    "9" * 4_300, "9" * 5_000, "1" + "0" * 5_000, "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "0x1", "1e", "--1",
    "2147483648", "18446744073709551616", "-9223372036854775809",
]  # fmt: skip
SURROGATES = [r'"\ud800"', r'"\udc00\ud800"', r'"a\ud83d"', r'"\u0000"', r'"\\u0000"', r'"\ud83d\ude00"', r'"\x"']
METHODS = [
    "POST",
    "POST",
    "POST",
    "POST",
    "GET",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PATCH",
    "TRACE",
    "PROPFIND",
    "FOO",
]
PATHS = [
    *["/models/income/invocations"] * 12, *["/models/income/labels"] * 6, "/models/income", "/models", "/healthz",
    "/readyz", "/models/inc%00ome/invocations", "/models/%ff/labels", "/models/" + "x" * 3_000, "/models/%2e%2e/labels",
    "//models", "/models/income/invocations/", "/models/income/invocations?x=%00", "/%", "*", "/\x80",
    "/models/income%2finvocations",
]  # fmt: skip
HEADERS = [
    "Content-Type: text/csv", "Content-Type: application/json; charset=utf-16", "Content-Encoding: gzip", "X-A: \xff",
    "Accept: text/html", "Expect: 100-continue", "Content-Type: multipart/form-data", "Cookie: " + "x" * 4_000,
    "Connection: Upgrade\r\nUpgrade: websocket", "Range: bytes=0-", "If-Match: *", "Host: \x7f", "X-Forwarded-For: ::1",
    "Connection: close", "Content-Type: " + "a" * 300,
]  # fmt: skip
Request = tuple[bytes, bytes]


def requests(seed: int, count: int) -> Iterator[Request]:
    """Heads and bodies."""
    for number in range(count):
        maker = _Maker(random.Random(f"{seed}/{number}"))
        yield maker.request()


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.choice = rng.choice

    def odd(self, share: float) -> bool:
        return self.rng.random() < share

    def request(self) -> Request:
        path = self.choice(PATHS)
        body = self.encoded(self.labels() if path.endswith("labels") else self.frame())
        method = "POST" if self.odd(0.8) else self.choice(METHODS)
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}"]
        lines += [self.choice(HEADERS) for _ in range(self.rng.randrange(3)) if self.odd(0.3)]
        if self.odd(0.1):
            size = max(1, self.rng.randrange(1, 400))
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), body

    def encoded(self, text: str) -> bytes:
        kinds: list[Callable[[str], bytes]] = [
            lambda t: t.encode("utf-16", "surrogatepass"), lambda t: t.encode("utf-32", "surrogatepass"),
            lambda t: b"\xef\xbb\xbf" + t.encode(), lambda t: t.encode("latin-1", "replace"),
            lambda t: t.encode() + b"\x00", lambda t: t.encode()[: self.rng.randrange(1 + len(t))],
            lambda t: b"\x00" + t.encode(), lambda t: t.encode() * 2, lambda t: t.encode().replace(b"a", b"\xff"),
            self.mutated,
        ]  # fmt: skip
        return self.choice(kinds)(text) if self.odd(0.15) else text.encode()

    def mutated(self, text: str) -> bytes:
        data = bytearray(text.encode())
        for _ in range(1 + self.rng.randrange(5)):
            if data:
                data[self.rng.randrange(len(data))] = self.rng.randrange(256)
        return bytes(data)

    def text(self) -> str:
        text: str = (
            self.choice(SURROGATES) if self.odd(0.2) else json.dumps(self.choice(TEXTS), ensure_ascii=self.odd(0.5))
        )
        return text

    def nested(self) -> str:
        depth = self.choice([2, 10, 300, 900, 955, 990, 1_000, 3_000, 100_000])
        if self.odd(0.5):
            return "[" * depth + "]" * depth
        depth = min(depth, 3_000)
        return '{"a":' * depth + "1" + "}" * depth

    def cell(self) -> str:
        kind = self.rng.random()
        if kind < 0.4:
            number: str = self.choice(NUMBERS)
            return number
        if kind < 0.7:
            return self.text()
        if kind < 0.85:
            literal: str = self.choice(["null", "true", "false", "[]", "{}", '["x"]', "[1,2]", '{"a":{"b":1}}'])
            return literal
        return self.nested()

    def mostly(self, usual: str) -> str:
        return self.cell() if self.odd(0.15) else usual

    def record(self) -> str:
        cells = {'"id"': self.mostly(str(self.rng.randrange(10**6))), '"age"': self.mostly("40"),
                 '"sector"': self.mostly('"private"')}  # fmt: skip
        if self.odd(0.1):
            cells.pop(self.choice(list(cells)))
        pairs = list(cells.items())
        if self.odd(0.2):
            pairs.append((self.text(), self.cell()))
        return "{" + ",".join(f"{name}:{cell}" for name, cell in pairs) + "}"

    def frame(self) -> str:
        rows = self.choice([0, 1, 1, 1, 2, 3, 20])
        if self.odd(0.5):
            parts = ['"dataframe_records":[' + ",".join(self.record() for _ in range(rows)) + "]"]
        else:
            columns = ['"id"', '"age"', '"sector"'] + ([self.text()] if self.odd(0.2) else [])
            data = ["[" + ",".join(self.mostly("7") for _ in columns) + "]" for _ in range(rows)]
            parts = [f'"dataframe_split":{{"columns":[{",".join(columns)}],"data":[{",".join(data)}]}}']
        if self.odd(0.3):
            parts.append(f'"params":{{"request_id":{self.mostly(self.text())}}}')
        if self.odd(0.1):
            parts.append(f'"params":{{"entities":[{",".join(self.cell() for _ in range(rows))}]}}')
        return self.wrapped(parts)

    def labels(self) -> str:
        given = [
            f'{{"request_id":{self.mostly(self.text())},"label":{self.mostly("1")},"row":{self.mostly("0")}}}'
            for _ in range(self.choice([0, 1, 1, 2, 600]))
        ]
        return self.wrapped([f'"labels":[{",".join(given)}]'])

    def wrapped(self, parts: list[str]) -> str:
        if self.odd(0.05):
            parts += parts
        if self.odd(0.05):
            parts.append(f"{self.text()}:{self.cell()}")
        return self.cell() if self.odd(0.03) else "{" + ",".join(parts) + "}"


def send(address: tuple[str, int], request: Request) -> tuple[int, bytes]:
    """Send one request over a connection of its own; give status and body."""
    with socket.create_connection(address, timeout=60) as client:
        answer = b""
        with suppress(ConnectionError):  # the answer may come before all was sent
            client.sendall(request[0] + request[1])
        with suppress(ConnectionError):
            while b"\r\n\r\n" not in answer or len(_body(answer)) < _length(answer, request):
                if not (data := client.recv(65_536)):
                    break
                answer += data
                if answer.startswith(b"HTTP/1.1 100 "):
                    answer = answer.partition(b"\r\n\r\n")[2]
    return (int(answer[9:12]) if answer else 0), _body(answer)


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def _length(answer: bytes, request: Request) -> int:
    lengths = [
        line for line in answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return 0 if not lengths or request[0].startswith(b"HEAD") else int(lengths[0].split(b":")[1])


@contextmanager
def gateway(home: Path, database: str | None) -> Iterator[Stand]:
    """A gateway with a champion and a canary whose feature the requests hardly ever hold."""
    stand = Stand(home) if database is None else Stand(home, database=database)
    try:
        stand.crown(1, onnx_model())
        stand.rollouts.begin(ref=stand.ref(2, onnx_model(feature="agee")), run_key="2", policy=LIMITS)
        stand.serve()
        yield stand
    finally:
        stand.close()


def blamed(stand: Stand, seed: int, count: int) -> tuple[Counter[int], list[tuple[Request, int, bytes]]]:
    """How often each status was answered, and what was answered by a server's failure or not at all."""
    statuses: Counter[int] = Counter()
    bad = []
    address = ("127.0.0.1", stand.client.base_url.port or 0)
    for number, request in enumerate(requests(seed, count)):
        status, body = send(address, request)
        statuses[status] += 1
        if (
            b"failed to score them" in body
        ):  # the model makes no probability of what it was never trained on: its failure
            continue
        if status == 0 or status >= 500 or b"Traceback" in body or b"site-packages" in body:
            bad.append((request, status, body))
        if number % 100 == 0 and stand.score(person(1)).status_code != 200:
            bad.append((request, -1, b"afterwards a good request failed"))
    return statuses, bad


def main() -> None:
    """Send many, by hand."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    programs = binaries()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").mkdir()
        (Path(folder) / "b").mkdir()
        with gateway(Path(folder) / "a", None) as stand:
            report("SQLite", stand, seed, count)
        if programs is None:
            print("PostgreSQL: no programs here")
            return
        with server(programs) as url, gateway(Path(folder) / "b", url) as stand:
            report("PostgreSQL", stand, seed, count)


def report(name: str, stand: Stand, seed: int, count: int) -> None:
    """Print what was answered."""
    statuses, bad = blamed(stand, seed, count)
    print(name, dict(sorted(statuses.items())), f"{len(bad)} bad", "Traceback" in stand.log() and stand.log()[-5_000:])
    for request, status, body in bad[:20]:
        print(status, request[0][:200], request[1][:300], body[:300])


if __name__ == "__main__":
    main()
