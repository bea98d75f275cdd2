"""The whole DAG with real parts: Airflow's own task runner, an MLflow server, the gateway, the shipped data."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import jsonschema
import pytest
import yaml
from tests.signer.support import journal_of, process

from assay.core import Outcome
from assay.evidence.opening import archive
from assay.local.traffic import Replay
from assay.registry.client import connect
from assay.rollout import Rollouts, open_database

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "integration-token"
GATES = ["contract", "performance", "fairness", "robustness"]
# The candidate as trained is refused by the fairness gate; what mitigation makes of it comes through.
CHAIN = ["contract", "performance", "fairness", *GATES[1:], "approval", "risk_approval", "canary"]

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def installation(mlflow_server, tmp_path_factory):
    """Settings with a gateway that runs, and a copy of the shipped model that needs fewer labels a stage."""
    home = tmp_path_factory.mktemp("whole")
    shutil.copytree(ROOT / "include" / "models", home / "models")
    policy = home / "models" / "income" / "policy.yaml"
    data = yaml.safe_load(policy.read_text())
    data["rollout"] |= {"min_labels": 100, "stages": [25, 100]}
    policy.write_text(yaml.safe_dump(data))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for folder, names in {"keys": ["trusted.json"], "private": ["signing.pem", "model.pem"]}.items():
        (home / folder).mkdir()
        for name in names:
            shutil.copy(mlflow_server.keys / name, home / folder / name)
    settings = replace(
        mlflow_server,
        home=home,
        keys=home / "keys",
        signer=f"unix:{home / 'run' / 'signer.sock'}",
        models=home / "models",
        snapshots=str(home / "snapshots"),
        operations_db=f"sqlite:///{home / 'operations.db'}",
        gateway_url=f"http://127.0.0.1:{port}",
        gateway_token=TOKEN,
    )
    with process(settings), (home / "gateway.log").open("wb") as log:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "assay", "serve", "--port", str(port)],
            env=environment(settings),
            stdout=log,
            stderr=log,
        )
        try:
            await_healthy(settings.gateway_url, home / "gateway.log")
            yield settings
        finally:
            gateway.terminate()
            gateway.wait(20)


def environment(settings) -> dict[str, str]:
    airflow = settings.home / "airflow"
    airflow.mkdir(exist_ok=True)
    passwords = airflow / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(("reviewer", "officer"), "a-password-of-the-test")))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "ASSAY_", "MLFLOW_"))}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT / "include"),
        "ASSAY_HOME": str(settings.home),
        "ASSAY_MODELS": str(settings.models),
        "ASSAY_KEYS": str(settings.keys),
        "ASSAY_SIGNER": settings.signer,
        "ASSAY_SNAPSHOTS": settings.snapshots,
        "ASSAY_OPERATIONS_DB": settings.operations_db,
        "ASSAY_GATEWAY_URL": settings.gateway_url,
        "ASSAY_GATEWAY_TOKEN": TOKEN,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "OMP_WAIT_POLICY": "passive",
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "reviewer:op,officer:op",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }


def await_healthy(address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/healthz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the gateway did not start:\n{log.read_text()[-2000:]}")


def run_dag(settings, *, option: str = "Approve", name: str, seed: int) -> tuple[dict, dict]:
    """Run `retrain_income` while callers send traffic; how it ended, and what the reviewer was shown."""
    replay = Replay(
        gateway=settings.gateway_url,
        token=TOKEN,
        model="income",
        file=settings.models / "income" / "data" / "live.parquet",
        label="income",
        name=name,
        rate=200,
    )
    command = [sys.executable, str(ROOT / "tests" / "integration" / "_run_dag.py")]
    arguments = [str(ROOT / "dags"), "retrain_income", option, json.dumps({"seed": seed, "reason": name})]
    out = settings.home / f"{name}.log"
    with out.open("wb") as log:
        running = subprocess.Popen([*command, *arguments], env=environment(settings), stdout=log, stderr=log)
        try:
            while running.poll() is None:
                if replay.deployment().get("stage") in ("shadow", "canary"):
                    replay.start()
                time.sleep(0.5)
        finally:
            replay.stop()
            running.kill()
    text = out.read_text(errors="replace")
    assert "ENDED " in text, text[-4000:]
    assert replay.error is None
    asked = [line for line in text.splitlines() if line.startswith("ASKED ")]
    ended = next(line for line in text.splitlines() if line.startswith("ENDED "))
    shown = json.loads(asked[0].removeprefix("ASKED ")) if asked else {}
    return json.loads(ended.removeprefix("ENDED ")), shown


def served(settings) -> dict:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.get(f"{settings.gateway_url}/models/income", headers=headers, trust_env=False).json()


@pytest.fixture(scope="module")
def first(installation):
    """The first run: from data to champion."""
    ended, shown = run_dag(installation, name="first", seed=7)
    return ended, shown


def test_the_first_version_becomes_champion_and_serves(installation, first):
    ended, _ = first
    assert came_through(ended), ended
    assert served(installation)["champion"]["version"] == 1


def came_through(ended: dict) -> bool:
    """Whether every task succeeded but the gate that refused the candidate as trained."""
    others = {state for task, state in ended["tasks"].items() if task != "fairness_gate"}
    return ended["state"] == "success" and others == {"success"} and ended["tasks"]["fairness_gate"] == "failed"


def test_the_reviewer_saw_every_gate(first):
    _, shown = first
    assert shown["subject"] == "Approve income version 1 as model owner?"
    for gate in GATES:
        assert f"| {gate} |" in shown["body"]
    assert "INCONCLUSIVE" in shown["body"]  # of small groups nothing can be told, and the reviewer is told so
    assert "**Mitigated by reweighing**, since the model as trained failed the fairness gate" in shown["body"]
    assert r"asked for by **dag\_test**" in shown["body"]  # who asked; escaped, for it is shown as Markdown


def test_the_dossier_is_one_chain_over_one_set_of_digests(installation, first):
    dossier = archive(installation).find(model="income", run_key=f"retrain_income/{first[0]['run_id']}")
    records, chain = dossier.records(), dossier.verdicts()
    assert [verdict.gate for verdict in chain] == CHAIN
    assert [each.previous for each in records[1:]] == [each.digest for each in records[:-1]]
    kinds = [record.kind for record in records if record.kind not in CHAIN]
    assert kinds[:7] == ["request", "snapshot", "training", "training", "mitigation", "registration", "card"]
    assert kinds[-1] == "alias"
    assert [each.facts["why"] for each in dossier.events("invalid_answer")] == [
        "gave no reason, which risk tier high asks for"
    ] * 2  # in each role, and then the question was still open
    assert len({(v.policy_sha256, v.snapshot, v.code_version) for v in chain}) == 1
    assert chain[0].model is None
    assert chain[1].model == chain[2].model != chain[3].model
    assert len({verdict.model for verdict in chain[3:]}) == 1
    assert chain[6].checks[0].reason.startswith("approved as model owner by reviewer at ")
    assert chain[7].checks[0].reason.startswith("approved as risk officer by officer at ")
    assert chain[2].outcome is Outcome.FAIL
    assert {verdict.outcome for verdict in [*chain[:2], *chain[3:]]} == {Outcome.PASS}
    paid = next(check for check in chain[4].checks if check.name == "accuracy_paid")
    assert paid.outcome is Outcome.PASS


def test_every_record_and_model_was_signed_by_the_signer(installation, first):
    assert [file.name for file in installation.keys.iterdir()] == ["trusted.json"]
    dossier = archive(installation).find(model="income", run_key=f"retrain_income/{first[0]['run_id']}")
    given = [each for each in journal_of(installation) if each["dossier"] == dossier.run_id]
    records = [record.digest for record in dossier.records()]
    assert set(records) <= {each["digest"] for each in given}
    assert [each["kind"] for each in given].count("model") == 2  # as trained, and mitigated


def test_every_verdict_of_the_run_has_the_published_form(installation, first):
    schema = json.loads((ROOT / "docs" / "schema" / "verdict.schema.json").read_text())
    dossier = archive(installation).find(model="income", run_key=f"retrain_income/{first[0]['run_id']}")
    for verdict in dossier.verdicts():
        jsonschema.validate(verdict.to_dict(), schema)


def test_mlflow_shows_the_version_with_its_verdicts_and_alias(installation, first):
    client = connect(installation)
    version = client.get_model_version_by_alias("income", "champion")
    assert version.version in (1, "1")
    for gate in GATES:
        assert version.tags[f"assay.verdict.{gate}"].startswith("PASS ")
    assert version.tags["assay.rollout"] == "champion"
    assert version.tags["assay.candidate_sha256"] == served(installation)["champion"]["digest"]


def test_the_second_version_is_promoted_by_canary_against_the_first(installation, first):
    ended, shown = run_dag(installation, name="second", seed=8)
    assert came_through(ended), ended
    # five limits, two comparisons with the champion, two kinds of slices, a search, speed and size
    assert "| performance | **PASS** | 12 of 12 pass |" in shown["body"]
    assert served(installation)["champion"]["version"] == 2
    moves = Rollouts(open_database(installation.operations_db)).history("income")
    assert [(move.action, move.to_stage) for move in moves[-4:]] == [
        ("begin", "shadow"),
        ("advance", "canary 25 %"),
        ("advance", "canary 100 %"),
        ("promote", "champion"),
    ]
    client = connect(installation)
    assert int(client.get_model_version_by_alias("income", "previous").version) == 1


def test_a_refused_version_never_serves(installation, first):
    before = served(installation)["champion"]["version"]
    ended, _ = run_dag(installation, option="Reject", name="refused", seed=9)
    assert ended["tasks"]["approval"] == "failed"
    assert ended["tasks"]["canary_promotion"] == "upstream_failed"
    assert served(installation)["champion"]["version"] == before
    dossier = archive(installation).find(model="income", run_key=f"retrain_income/{ended['run_id']}")
    assert dossier.verdicts()[-1].gate == "approval"
    assert dossier.verdicts()[-1].outcome is Outcome.FAIL
