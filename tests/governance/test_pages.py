"""The pages against a real MLflow server, read as a browser would read them."""

import json
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest
from fastapi import HTTPException
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.governance import sample
from tests.governance.client import TestClient

from assay.core import Outcome, canonical_json, record_from_dict, sha256_bytes
from assay.governance.app import create_app
from assay.governance.mount import LazyApp
from assay.policy import Rollout
from assay.registry.keys import add_person
from assay.registry.sealed import file_name
from assay.rollout import ModelRef, Rollouts, create_tables, open_database

pytestmark = pytest.mark.stack

MODEL = "toy"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.pieces, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "action", "data", "srcset") if name in found]

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] in ("style", "script"):
            return
        self.text += data
        self.pieces.append(data)

    @property
    def said(self):
        """What is written, cells and lines kept apart by one space."""
        return " ".join(" ".join(self.pieces).split())


def reader():
    return lambda model: model != "secret"


@pytest.fixture(scope="module")
def settings(mlflow_server):
    folder = mlflow_server.models / MODEL
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_bytes(sample.POLICY)
    (folder / "contract.json").write_text("{}")
    (folder / "train.py").write_text("")
    return mlflow_server


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def client(settings):
    pages = LazyApp(lambda: create_app(authorize=reader, settings=settings))
    orchestrator = Starlette(routes=[Mount("/assay", app=pages)])  # as Airflow mounts it, at an address with a path
    with TestClient(
        orchestrator, base_url="http://host/base/assay/", root_path="/base", raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture(scope="module")
def page(client, dossier):
    answer = client.get(f"/dossiers/{dossier.run_id}")
    assert answer.status_code == 200
    return Page(answer.text)


def test_every_gate_and_every_task_is_a_fragment_of_the_page(page):
    gates = {"contract", "performance", "fairness", "robustness", "approval", "risk_approval", "canary"}
    tasks = {
        "snapshot", "data_validation", "training", "performance_gate", "fairness_gate", "robustness_gate",
        "registration", "approval", "canary_promotion",
    }  # fmt: skip
    assert gates | tasks <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "fairness-1" in page.ids


def test_the_page_says_what_was_judged_and_what_came_of_it(page, dossier):
    for said in ("toy, version 1", "credit & risk", "high", "engineer", "toy-0123456789abcdef", "c" * 64, "d" * 64):
        assert said in page.text
    assert "1 of 5 checks pass" in page.text
    assert "12 checks that pass" in page.text
    for verdict in dossier.verdicts():
        assert verdict.digest in page.text


def test_every_measured_interval_is_drawn_and_described(page):
    drawn = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    intervals = [check for check in (*sample.performance(), *sample.fairness()) if check.interval]
    assert len(drawn) == len(intervals)
    assert any("estimate 0.9254, interval 0.921 to 0.9297" in label for label in drawn)


def test_markup_in_evidence_stays_text(page):
    assert page.text.count(sample.HOSTILE) >= 5  # the run's reason, a check's, a waiver's and a group's name
    assert [tag for tag, _ in page.tags].count("script") == 1  # our own
    assert "img" not in [tag for tag, _ in page.tags]


def test_nothing_is_loaded_from_elsewhere(client, dossier, page):
    assert all(link.startswith(("#", "/base/")) for link in page.links)
    policy = client.get(f"/dossiers/{dossier.run_id}").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any("style" in attrs or any(name.startswith("on") for name in attrs) for _, attrs in page.tags)


def test_links_lead_to_the_records_and_back_to_airflow(client, page, dossier):
    records = {link for link in page.links if link.endswith(".json")}
    assert len(records) == len(dossier.records())
    for link in records:
        answer = client.get(link.removeprefix("/base/assay"))
        assert sha256_bytes(answer.content) == link.rpartition("/")[2].removesuffix(".json")
        assert answer.content == canonical_json(answer.json())
    assert "/base/dags/retrain_toy/runs/manual__2026-01-05T10%3A00%3A00%2B00%3A00" in page.links


def test_a_verdict_about_something_else_is_marked(client, settings):
    dossier, about = sample.begin(settings, "moved")
    sample.trained(dossier, about)
    dossier.append(sample.verdict("performance", sample.performance(), replace(about, snapshot="toy-ffffffffffffffff")))
    said = Page(client.get(f"/dossiers/{dossier.run_id}").text).text
    assert "Judged on another snapshot than this run's present one: toy-ffffffffffffffff" in said


def test_a_changed_policy_is_marked(client, settings):
    dossier, _ = sample.begin(settings, "policy")
    dossier.store("inputs/policy.yaml", sample.POLICY.replace(b"credit", b"debit"))
    assert "not the one recorded" in Page(client.get(f"/dossiers/{dossier.run_id}").text).text


def changed(dossier, number):
    """Store a record with another outcome under its own name, as somebody with access to the files could."""
    anchor = dossier.anchors.of(dossier.run_id)[number - 1]
    name = file_name(number, anchor.kind, anchor.digest)
    dossier.store(name, dossier.read(name).replace(b'"outcome":"FAIL"', b'"outcome":"PASS"'))


def test_a_broken_chain_shows_no_verdict_but_which_records_hold(client, settings):
    dossier, about = sample.begin(settings, "broken")
    verdict = dossier.append(sample.verdict("fairness", sample.fairness(), about))
    sample.trained(dossier, about)
    changed(dossier, 3)
    answer = client.get(f"/dossiers/{dossier.run_id}")
    assert answer.status_code == 409
    said = Page(answer.text).said
    assert "This dossier is broken" in said
    assert "was changed after it was written" in said
    assert "3 of 4 records are, to the byte, what was signed and anchored" in said
    doubted = [attrs["id"] for tag, attrs in Page(answer.text).tags if attrs.get("class") == "doubted"]
    assert doubted == ["record-3"]
    assert "FAIL" not in said
    assert "tpr_difference" not in said
    for path in (f"records/{verdict.digest}.json", f"records/{dossier.anchors.of(dossier.run_id)[0].digest}.json"):
        assert client.get(f"/dossiers/{dossier.run_id}/{path}").status_code == 409
    twin = client.get(f"/dossiers/{dossier.run_id}.json")
    assert twin.status_code == 409
    assert [each["holds"] for each in twin.json()["records"]] == [True, True, False, True]
    assert twin.json()["records"][2]["record"] is None


def test_the_json_twin_holds_the_chain(client, dossier):
    twin = client.get(f"/dossiers/{dossier.run_id}.json").json()
    assert twin["holds"] is True
    assert [record_from_dict(each["record"]) for each in twin["records"]] == dossier.records()
    assert {each["key"] for each in twin["records"]} <= set(dossier.keyring.trusted)


def test_every_record_of_the_chain_is_shown_with_its_facts(page, dossier):
    said = page.said
    records = dossier.records()
    assert {f"record-{number}" for number in range(1, len(records) + 1)} <= set(page.ids)
    for told in (
        f"{len(records)} records. Every digest, every link and every signature holds",
        "Fixed the data as toy-0123456789abcdef: 48,842 rows of toy.csv.",
        "Trained the candidate m-1 with seed 7 on 34,189 rows, 14,653 held out.",
        "Registered as version 1.",
        "environment / numpy 2.3.5",
    ):
        assert told in said


def test_a_waiver_is_shown_wherever_its_check_is(page, dossier):
    said = " ".join(page.text.split())
    assert "2 checks went on by a waiver." in said
    expires = dossier.events("waiver")[0].facts["expires"]
    in_force = f"WAIVED until {expires} by reviewer (signed by reviewer, officer): few rows"
    assert said.count(in_force) == 2  # at the top, and at the check
    assert said.count("WAIVER NOT IN FORCE until 2026-01-31 by reviewer: few rows") == 2
    assert "expired on 2026-01-31; waits for 1 more person to sign it with a key of their own" in said


def test_an_approval_names_the_record_it_was_given_for(page, dossier):
    said = page.said
    number = [record.kind for record in dossier.records()].index("registration") + 1
    for role, who in (("model owner", "reviewer"), ("risk officer", "officer")):
        assert f"PASS {role} {who} 2026-01-06 09:30 UTC the gap is known record {number}" in said


@pytest.mark.parametrize(
    "path", ["/dossiers/" + "0" * 32, "/dossiers/x", "/nothing", "/models/unheard_of", "/models/A"]
)
def test_what_is_not_there_is_a_sentence(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such" in answer.text or "There is no model" in answer.text
    assert "Traceback" not in answer.text


def test_a_model_shows_what_serves_and_how_it_came_to_that(client, settings, dossier):
    engine = open_database(settings.operations_db)
    create_tables(engine)
    ref = ModelRef(model=MODEL, version=1, digest="c" * 64, path="p", entity_column="id")
    key = "retrain_toy/manual__2026-01-05T10:00:00+00:00"
    Rollouts(engine).begin(ref=ref, run_key=key, policy=Rollout(max_brier=0.2))
    engine.dispose()
    listed = Page(client.get("/models").text)
    assert "/base/assay/models/toy" in listed.links
    assert "version 1 in shadow" in listed.said
    shown = Page(client.get("/models/toy").text)
    assert f"/base/assay/dossiers/{dossier.run_id}#fairness" in shown.links
    assert f"/base/assay/dossiers/{dossier.run_id}#canary" in shown.links
    as_json = client.get("/models/toy.json").json()
    assert as_json["deployment"]["canary"]["version"] == 1
    outcomes = {run["run_id"]: run["outcomes"] for run in as_json["runs"]}
    gates = {"contract": "PASS", "performance": "PASS", "fairness": "FAIL", "approval": "PASS", "risk_approval": "PASS"}
    assert outcomes[dossier.run_id] == gates
    assert [move["action"] for move in as_json["moves"]] == ["begin"]


def test_whoever_may_not_read_a_model_sees_nothing_of_it(client, settings):
    dossier, about = sample.begin(settings, "hidden", model="secret")
    verdict = dossier.append(sample.verdict("performance", sample.performance(), about))
    (settings.models / "secret").mkdir()
    (settings.models / "secret" / "policy.yaml").write_bytes(sample.POLICY)
    assert "secret" not in client.get("/models").text
    for path in (
        "/models/secret",
        "/models/secret.json",
        f"/dossiers/{dossier.run_id}",
        f"/dossiers/{dossier.run_id}.json",
        f"/dossiers/{dossier.run_id}/records/{verdict.digest}.json",
    ):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "engineer" not in answer.text
        assert verdict.digest not in answer.text.replace(path, "")


def test_every_route_asks_who_is_there(settings):
    def nobody():
        raise HTTPException(401)

    app = create_app(authorize=nobody, settings=settings)
    assert {route.path for route in app.routes} == {
        "/dossiers/{run_id}",
        "/dossiers/{run_id}.json",
        "/dossiers/{run_id}/records/{digest}.json",
        "/models",
        "/models/{model}",
        "/models/{model}.json",
    }
    with TestClient(app) as client:
        for route in app.routes:
            assert isinstance(route, APIRoute)
            assert nobody in [each.call for each in route.dependant.dependencies]
            answer = client.get(route.path.format(run_id="a" * 32, digest="b" * 64, model=MODEL))
            assert answer.status_code == 401
            assert "Sign in" in answer.text


def test_mlflow_that_is_down_is_a_sentence(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = replace(settings, tracking_uri="http://127.0.0.1:9")
    with TestClient(create_app(authorize=reader, settings=gone)) as client:
        for path in ("/dossiers/" + "a" * 32, "/models/toy", "/models/toy.json"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "The evidence cannot be read now" in answer.text
            assert "Traceback" not in answer.text
        assert client.get("/models").status_code == 200  # it needs no MLflow


def test_a_page_that_fails_shows_no_trace(client, monkeypatch):
    monkeypatch.setattr("assay.governance.app.list_models", lambda *_: json.loads("{"))
    answer = client.get("/models")
    assert answer.status_code == 500
    assert "JSONDecodeError" not in answer.text
