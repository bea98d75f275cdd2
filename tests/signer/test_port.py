"""Who may ask, how much and for how long."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.signer.support import INCLUDE, Chain, ask, installation, journal_of, own_signer, serving_here

from assay.core import UnavailableError, UserError
from assay.registry.signer_client import AUTHORITY, RefusedError, SignerClient
from assay.signer.server import Bounds, TcpServer, serving

TOKEN = "a token of at least thirty-two characters".replace(" ", "-")
IMPORT = "import sys; from assay.registry.signer_client import SignerClient"
ASK = "SignerClient(sys.argv[1]).check()"


@pytest.fixture
def settings(tmp_path):
    return installation(tmp_path)


def path_of(settings):
    return Path(settings.signer.removeprefix("unix:"))


@contextmanager
def over_tcp(settings, **given):
    """The signer on a port of its own; the settings of those who ask it."""
    signer = own_signer(settings)
    server = TcpServer("127.0.0.1", 0, signer, token=TOKEN, **given)
    scheme = "https" if "tls" in given else "http"
    try:
        with serving(server):
            address = f"{scheme}://127.0.0.1:{server.server_address[1]}"
            yield replace(settings, signer=address, signer_token=TOKEN)
    finally:
        signer.journal.close()
        signer.anchors.engine.dispose()


def sign_one(settings):
    chain = Chain(settings)
    try:
        return chain.add(chain.next_event())
    finally:
        chain.anchors.engine.dispose()


def test_socket_folder_and_log_are_for_their_owner(settings):
    with serving_here(settings):
        sign_one(settings)
        assert path_of(settings).stat().st_mode & 0o777 == 0o600
        assert path_of(settings).parent.stat().st_mode & 0o777 == 0o700
        assert (settings.home / "private" / "signatures.jsonl").stat().st_mode & 0o777 == 0o600
        assert journal_of(settings)[0]["who"] == f"uid {os.geteuid()} pid {os.getpid()}"


def test_a_user_who_is_not_listed_gets_nothing(settings):
    chain = Chain(settings)
    with serving_here(settings) as server:
        server._uids = {os.geteuid() + 1}
        for path, body, method in (
            ("/v1/records", chain.request(chain.next_event()), "POST"),
            ("/healthz", None, "GET"),
        ):
            assert ask(settings, path, body, method=method) == (
                403,
                {"error": f"user {os.geteuid()} may not ask for signatures"},
            )
    assert journal_of(settings) == []
    chain.anchors.engine.dispose()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_system_says_who_connects():
    def asked(uid):
        become = f"import os; os.setgroups([]); os.setuid({uid})"
        command = [sys.executable, "-c", f"{IMPORT}; {become}; {ASK}", settings.signer]
        environment = {"PYTHONPATH": str(INCLUDE)}
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False).stderr

    with tempfile.TemporaryDirectory(prefix="assay-signer-") as folder:  # pytest's are closed to other users
        Path(folder).chmod(0o755)
        settings = installation(Path(folder))
        with serving_here(settings):
            assert "Permission denied" in asked(65534)  # the modes alone keep others out
        with serving_here(settings, uids=[65533]):
            assert asked(65533) == ""
            assert "user 65534 may not ask for signatures" in asked(65534)


def test_a_path_of_any_length_is_listened_on(tmp_path):
    home = tmp_path / ("a" * 100) / ("b" * 100)
    settings = installation(home)
    with serving_here(settings):
        assert sign_one(settings)


def test_the_token_lets_in_and_nothing_else_does(settings):
    with over_tcp(settings) as client:
        assert sign_one(client)
        assert journal_of(settings)[0]["who"] == "token from 127.0.0.1"
        for wrong in (TOKEN[:-1], TOKEN + "x", "x", "t\u00f6ken"):
            with pytest.raises((RefusedError, UnavailableError), match=r"token is missing or wrong|latin-1|ascii"):
                sign_one(replace(client, signer_token=wrong))
        with pytest.raises(UserError, match="ASSAY_SIGNER_TOKEN: is not set"):
            sign_one(replace(client, signer_token=""))
        SignerClient(client.signer).check()  # whether it is well, anybody may ask
        assert len(journal_of(settings)) == 1


def certificate(folder):
    """A certificate for this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_verified_by_those_who_ask(settings, tmp_path, monkeypatch):
    files = certificate(tmp_path)
    with over_tcp(settings, tls=files) as client:
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            sign_one(client)
        with pytest.raises(UnavailableError):
            sign_one(replace(client, signer=client.signer.replace("https", "http")))
        monkeypatch.setenv(AUTHORITY, str(files[0]))
        assert sign_one(client)
    assert len(journal_of(settings)) == 1
    with pytest.raises(UserError, match="is not a certificate with the key"):
        TcpServer("127.0.0.1", 0, None, token=TOKEN, tls=(files[1], files[0]))


@pytest.mark.parametrize(
    "address", ["", "unix", "tcp://h:1", "http://h", "http://h:x", "http://h:1/path", "http://u@h:1", "h:1"]
)
def test_an_address_that_is_none_is_said(settings, address):
    with pytest.raises(UserError, match=r"ASSAY_SIGNER: .* is not an address"):
        SignerClient.of(replace(settings, signer=address, signer_token=TOKEN))


def test_a_request_that_is_too_long_is_refused_before_it_is_read(settings):
    with serving_here(settings, bounds=Bounds(body=1000)):
        status, answer = ask(settings, "/v1/records", b"x" * 1001)
        assert (status, answer) == (413, {"error": "the request is longer than 1,000 bytes"})
        huge = {"Content-Length": "9" * 30}
        assert ask(settings, "/v1/records", b"", headers=huge)[0] == 413
        for length in ("-1", "1e3", "", "\u0661"):
            assert ask(settings, "/v1/records", b"", headers={"Content-Length": length.encode()})[0] == 411
        chunked = {"Transfer-Encoding": "chunked", "Content-Length": "0"}
        assert ask(settings, "/v1/records", b"", headers=chunked)[0] == 411
        assert ask(settings, "/v1/records", b"{}")[0] == 422


def raw(settings):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(path_of(settings)))
    return closing(connection)


def send_until_cut_off(connection, piece, pause=0.0):
    with suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(100_000):
            connection.sendall(piece)
            time.sleep(pause)
        pytest.fail("the signer read all of it")


def test_a_head_without_end_is_cut_off(settings):
    with serving_here(settings, bounds=Bounds(body=1000)), raw(settings) as connection:
        connection.sendall(b"POST /v1/records HTTP/1.0\r\n")
        send_until_cut_off(connection, b"A: " + b"x" * 1000 + b"\r\n")


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/records HTTP/1.0\r\n", b"POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_slow_caller_is_hung_up_on(settings, sent):
    with serving_here(settings, bounds=Bounds(seconds=0.5)), raw(settings) as connection:
        connection.sendall(sent)
        while connection.recv(1000):  # until the signer hangs up; the test's own time limit says if it does not
            pass


def test_a_caller_who_dribbles_is_hung_up_on_as_well(settings):
    with serving_here(settings, bounds=Bounds(seconds=1.0)), raw(settings) as connection:
        connection.sendall(b"POST /v1/records HTTP/1.0\r\nContent-Length: 100000\r\n\r\n")
        send_until_cut_off(connection, b"x", pause=0.1)


def test_more_connections_than_are_served_are_turned_away_and_those_after_them_are_not(settings):
    def turned_away():
        try:
            SignerClient.of(settings).check()
        except UnavailableError:
            return True
        return False

    def wait_until(wanted):
        deadline = time.monotonic() + 60
        while turned_away() is not wanted:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    with serving_here(settings, bounds=Bounds(at_once=2)):
        with raw(settings), raw(settings):
            wait_until(True)
        wait_until(False)


def test_callers_at_the_same_time_are_all_served(settings):
    with serving_here(settings):
        made = []
        threads = [threading.Thread(target=lambda: made.append(sign_one(settings))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == len(journal_of(settings)) == 8


def test_too_many_signatures_a_second_are_for_later(settings):
    from assay.signer.service import Rate

    with serving_here(settings) as server:
        object.__setattr__(server.signer, "rate", Rate(per_second=1e-9, burst=1))
        sign_one(settings)
        with pytest.raises(UnavailableError, match="signatures a second"):
            sign_one(settings)


def test_what_answers_is_not_believed_when_it_is_no_signer(settings):
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"key": 5}')

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        client = SignerClient(f"http://127.0.0.1:{server.server_address[1]}", TOKEN)
        chain = Chain(settings)
        with pytest.raises(UnavailableError, match="answers without key"):
            client.sign_record(chain.dossier, 1, chain.next_event())
        with pytest.raises(UnavailableError, match="answers 501"):
            client.check()
        chain.anchors.engine.dispose()


def test_nobody_there_is_unavailable(settings):
    for address in (settings.signer, "http://127.0.0.1:9"):
        with pytest.raises(UnavailableError, match="does not answer"):
            SignerClient.of(replace(settings, signer=address, signer_token=TOKEN)).check()
