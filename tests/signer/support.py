"""An installation whose private keys lie apart, its signer in this process or in one of its own, and raw requests."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from assay.core import Check, Event, Judgement, Outcome, Settings, Stopwatch, Subject, UnavailableError, bind
from assay.registry.keys import Keyring, create_keys
from assay.registry.private_keys import KeyFiles
from assay.registry.signer_client import SignerClient, _UnixConnection
from assay.rollout import AnchorTable, create_tables, open_database
from assay.signer.journal import Journal
from assay.signer.server import UnixServer, serving
from assay.signer.service import Signer

INCLUDE = Path(__file__).resolve().parents[2] / "include"
PATIENCE = 60.0
SUBJECT = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="toy-0123456789abcdef", code_version="d" * 64)


def installation(home: Path, *, address: str = "", **changes) -> Settings:
    """Settings of an installation with keys, as a task has them, and an operations database."""
    given = {
        "home": home,
        "models": home / "models",
        "keys": home / "keys",
        "snapshots": str(home / "snapshots"),
        "operations_db": f"sqlite:///{home / 'operations.db'}",
        "tracking_uri": "http://127.0.0.1:9",
        "gateway_url": "http://127.0.0.1:9",
        "gateway_token": "",
        "signer": address or f"unix:{home / 'run' / 'signer.sock'}",
    }
    settings = Settings(**{**given, **changes})
    create_keys(settings.keys, KeyFiles(home / "private"))
    engine = open_database(settings.operations_db)
    create_tables(engine)
    engine.dispose()
    return settings


def own_signer(settings: Settings) -> Signer:
    """A signer in this process."""
    keys = KeyFiles(settings.home / "private")
    anchors = AnchorTable(open_database(settings.operations_db, read_only=True))
    journal = Journal(keys.folder / "signatures.jsonl")
    return Signer(lambda: Keyring.open(settings.keys, private=keys), anchors, journal)


@contextmanager
def serving_here(settings: Settings, **changes):
    """A signer's socket, served by a thread of this process."""
    signer = own_signer(settings)
    try:
        with serving(UnixServer(Path(settings.signer.removeprefix("unix:")), signer, **changes)) as server:
            yield server
    finally:
        signer.journal.close()
        signer.anchors.engine.dispose()


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """The environment of a signer's process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return {
        **inherited,
        "PYTHONPATH": str(INCLUDE),
        "ASSAY_HOME": str(settings.home),
        "ASSAY_KEYS": str(settings.keys),
        "ASSAY_SIGNER_KEYS": str(settings.home / "private"),
        "ASSAY_OPERATIONS_DB": settings.operations_db,
        **more,
    }


@contextmanager
def process(settings: Settings, *arguments: str, **more: str):
    """A signer as a process of its own, which can sign when the block begins."""
    log = settings.home / "signer.log"
    with log.open("ab") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "assay", "signer", *arguments],
            env=environment_of(settings, **more),
            cwd=settings.home,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_for(settings, child, log)
        yield child
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
        child.kill()
        child.wait()


def wait_for(settings: Settings, child, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not can_sign(settings):
        assert child.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def can_sign(settings: Settings) -> bool:
    try:
        SignerClient.of(settings).check()
    except UnavailableError:
        return False
    return True


@dataclass
class Chain:
    """A dossier without MLflow: records are signed, and anchored."""

    settings: Settings
    dossier: str = ""

    def __post_init__(self) -> None:
        self.dossier = self.dossier or uuid4().hex
        self.anchors = AnchorTable(open_database(self.settings.operations_db))
        self.keyring = Keyring.of(self.settings)

    def next_event(self, kind: str = "snapshot", **changes) -> Event:
        known = self.anchors.of(self.dossier)
        made = Event(
            event=kind, operation=uuid4().hex, by="retrain/1", at="2026-01-01T00:00:00.000Z", facts={"snapshot": "x"},
            previous=known[-1].digest if known else None,
        )  # fmt: skip
        return replace(made, **changes)

    def next_verdict(self, gate: str = "contract", checked: Outcome = Outcome.PASS, **changes):
        known = self.anchors.of(self.dossier)
        check = Check(name="check", outcome=checked, reason="because", estimate=1.0, interval=(0.5, 1.5), support=3)
        made = bind(gate, Judgement(outcome=checked, checks=[check]), SUBJECT, Stopwatch())
        attempt = 1 + sum(anchor.kind == gate for anchor in known)
        return replace(
            made.numbered(attempt=attempt, previous=known[-1].digest if known else None),
            **changes,
        )

    def add(self, record):
        """Have a record signed, and anchor it."""
        number = len(self.anchors.of(self.dossier)) + 1
        signature = self.keyring.sign_record(self.dossier, number, record)
        self.anchors.add(
            dossier=self.dossier, model="toy", number=number, kind=record.kind,
            operation=record.operation if isinstance(record, Event) else None, digest=record.digest,
        )  # fmt: skip
        return signature

    def request(self, record, /, **changes) -> dict:
        """What a client sends for a record that comes next."""
        number = len(self.anchors.of(self.dossier)) + 1
        asked = {"dossier": self.dossier, "number": number, "digest": record.digest, "record": record.to_dict()}
        return {**asked, **changes}


def ask(settings: Settings, path: str, body, *, method: str = "POST", headers=None) -> tuple[int, dict]:
    """Send a request as it is; the status and the answer."""
    connection = _UnixConnection(settings.signer.removeprefix("unix:"))
    try:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, body=content, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def journal_of(settings: Settings) -> list[dict]:
    return [json.loads(line) for line in (settings.home / "private" / "signatures.jsonl").read_text().splitlines()]
