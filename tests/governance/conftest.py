"""The pages of one installation, as Airflow mounts them."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.evidence.catalogued import begun, policy_of, promoted, registered
from tests.governance import sample
from tests.governance.client import TestClient
from tests.governance.reading import CARD, MODEL, Page, reader

from assay.core import Outcome, sha256_bytes
from assay.evidence.opening import rollouts
from assay.evidence.waivers import propose
from assay.governance.app import create_app
from assay.governance.mount import LazyApp
from assay.policy import parse_policy
from assay.registry.keys import add_person
from assay.rollout import Incidents, Waivers


@pytest.fixture(scope="session")
def settings(mlflow_server):
    folder = mlflow_server.models / MODEL
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_bytes(sample.POLICY)
    (folder / "contract.json").write_text("{}")
    (folder / "train.py").write_text("")
    return mlflow_server


@pytest.fixture(scope="session")
def dossier(settings):
    officer = settings.home / "officer.pem"
    add_person(settings.keys, "officer", officer)
    dossier, about = sample.begin(settings, "manual__2026-01-05T10:00:00+00:00")
    dossier.append(sample.verdict("contract", sample.contract(), sample.subject(about.policy_sha256, model=None)))
    sample.trained(dossier, about)
    dossier.append(sample.verdict("performance", sample.performance(), about))
    dossier.append(sample.verdict("fairness", sample.one("fairness", Outcome.ERROR, "the disk is full"), about))
    failed = dossier.append(sample.verdict("fairness", sample.fairness(), about, sample.groups()))
    sample.waive(dossier, failed, failed.checks[2], officer=officer)
    sample.waive(dossier, failed, failed.checks[0], expires=date(2026, 1, 31))
    sample.record(dossier, "registration", {"version": 1, "candidate": "m-1", "sha256": about.model})
    head = dossier.head()
    for role, gate, who in (("model_owner", "approval", "reviewer"), ("risk_officer", "risk_approval", "officer")):
        facts = {"role": role, "head": head, "version": 1, "verdicts": {}}
        sample.record(dossier, "approval_request", facts, f"approval_request:{role}:{head}")
        dossier.append(sample.verdict(gate, sample.approved(role, who), about))
    return dossier


@pytest.fixture(scope="session")
def client(settings):
    pages = LazyApp(lambda: create_app(authorize=reader, settings=settings))
    orchestrator = Starlette(routes=[Mount("/assay", app=pages)])  # as Airflow mounts it, at an address with a path
    with TestClient(
        orchestrator, base_url="http://host/base/assay/", root_path="/base", raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture(scope="session")
def page(client, dossier):
    answer = client.get(f"/dossiers/{dossier.run_id}")
    assert answer.status_code == 200
    return Page(answer.text)


@pytest.fixture(scope="session")
def served(settings):
    """A model with a champion, a version that was rolled back, a card, incidents and waivers."""
    (settings.models / "whole").mkdir()
    (settings.models / "whole" / "policy.yaml").write_bytes(policy_of("whole", "low"))
    for name in ("contract.json", "train.py", "toy.csv"):
        (settings.models / "whole" / name).write_text("{}")
    dossiers = [registered(settings, "whole")[1] for _ in range(2)]
    dossiers[0].store("card/1/model_card.html", CARD)
    files = {"card/1/model_card.html": sha256_bytes(CARD)}
    sample.record(dossiers[0], "card", {"version": 1, "number": 1, "files": files}, "card:1")
    book = rollouts(settings)
    promoted(book, begun(book, "whole", 1))
    second = begun(book, "whole", 2)
    book.roll_back(second.id, second.epoch, reason=f"worse {sample.HOSTILE}")
    incidents = Incidents(book.engine)
    for key in ("old", "new"):
        incidents.raise_(
            key=key, model="whole", version=1, kind="alias", message=f"the {key} one {sample.HOSTILE}", mend="restore"
        )
    incidents.close("old", by="officer", reason="restored")
    policy, today = parse_policy(policy_of("whole", "low"), "p"), datetime.now(UTC).date()
    for last in (today, today - timedelta(days=3)):
        waiver = propose(
            policy, check="performance/auc", reason=sample.HOSTILE, expires=last.isoformat(), owner="ann", today=last
        ).signed(dossiers[0].keyring, "ann")
        Waivers(book.engine).add(waiver.id, "whole", json.dumps(waiver.document()))
        Waivers(book.engine).sign(waiver.id, json.dumps(asdict(waiver.signatures[0])))
    return dossiers
