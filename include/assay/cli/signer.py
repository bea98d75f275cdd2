"""`assay signer`: the process that holds the private keys."""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from assay.core import Problem, Settings, UserError, problem

TOKEN = "ASSAY_SIGNER_TOKEN"  # noqa: S105 (the variable's name)
UIDS = "ASSAY_SIGNER_UIDS"
CERTIFICATE, KEY = "ASSAY_SIGNER_TLS_CERT", "ASSAY_SIGNER_TLS_KEY"
_SHORTEST_TOKEN = 32


def signer(
    sock: Annotated[
        Path | None, typer.Option("--socket", help="Socket to listen on. [default: ASSAY_HOME/run/signer.sock]")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address to listen on instead, for other machines.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="File that logs every signature. [default: signatures.jsonl beside the keys]")
    ] = None,
) -> None:
    """Sign records and models for tasks, which hold no private key.

    A record is signed only when it continues the anchored head of its dossier, which the signer reads in
    ASSAY_OPERATIONS_DB. Waivers are never signed here: a person signs them with a key of their own.

    The private keys are those of ASSAY_SIGNER_KEYS, or of the PKCS#11 token that ASSAY_PKCS11_MODULE names.
    The socket is open to the signer's own user and to the user ids listed in ASSAY_SIGNER_UIDS. Over the
    network callers must show ASSAY_SIGNER_TOKEN; ASSAY_SIGNER_TLS_CERT and ASSAY_SIGNER_TLS_KEY name the
    files for TLS.

    Example: assay signer --listen 0.0.0.0:8020
    """
    from assay.registry.keys import Keyring
    from assay.registry.private_keys import private_keys
    from assay.rollout import AnchorTable, open_database
    from assay.signer.journal import Journal
    from assay.signer.server import TcpServer, UnixServer, serving
    from assay.signer.service import Signer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings.from_environment()
    if sock is not None and listen is not None:
        raise problem("assay signer", "listens either on --socket or on --listen", "leave one out")
    address = None if listen is None else _address(listen)
    token, uids, tls = _token(needed=address is not None), _uids(), _tls()
    keys = private_keys(settings)
    Keyring.open(settings.keys, private=keys)  # before anything listens
    journal = Journal(log or (settings.signer_keys or settings.keys) / "signatures.jsonl")
    anchors = AnchorTable(open_database(settings.operations_db, read_only=True))
    service = Signer(lambda: Keyring.open(settings.keys, private=keys), anchors, journal)
    server: TcpServer | UnixServer
    if address is None:
        server = UnixServer(sock or settings.home / "run" / "signer.sock", service, uids=uids)
    else:
        server = TcpServer(*address, service, token=token, tls=tls)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with serving(server):
        logging.getLogger("assay.signer").info("signs with the keys of %s", keys.place)
        stop.wait()


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise problem("--listen", f"{listen!r} is not an address", "as in 0.0.0.0:8020")
    return host.strip("[]"), int(port)


def _token(*, needed: bool) -> str:
    token = os.environ.get(TOKEN, "")
    if not needed:
        return token
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or any(character.isspace() for character in token):
        mend = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        raise problem(TOKEN, f"must be at least {_SHORTEST_TOKEN} ASCII characters without spaces", mend)
    return token


def _uids() -> list[int]:
    listed = [each.strip() for each in os.environ.get(UIDS, "").split(",") if each.strip()]
    wrong = [each for each in listed if not (each.isascii() and each.isdigit())]
    if wrong:
        raise UserError(UIDS, [Problem(path=UIDS, message=f"{each!r} is not the number of a user") for each in wrong])
    return [int(each) for each in listed]


def _tls() -> tuple[Path, Path] | None:
    certificate, key = os.environ.get(CERTIFICATE), os.environ.get(KEY)
    if bool(certificate) != bool(key):
        raise problem(KEY if certificate else CERTIFICATE, "is not set", "TLS needs both the certificate and its key")
    return (Path(certificate), Path(key)) if certificate and key else None
