"""The pages against a real MLflow server, read as a browser would read them."""

import json
from html.parser import HTMLParser

import pytest
from fastapi import HTTPException
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.governance import sample
from tests.governance.client import TestClient

from assay.core import Outcome, Settings, canonical_json, sha256_bytes
from assay.governance.app import create_app
from assay.governance.mount import LazyApp
from assay.policy import Rollout
from assay.registry.dossier import open_dossier
from assay.rollout import ModelRef, Rollouts, create_tables, open_database

pytestmark = pytest.mark.stack

MODEL = "toy"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src", "action", "data", "srcset") if name in found]

    def handle_data(self, data):
        self.text += data


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


def begin(settings, key, model=MODEL):
    about = sample.subject(sha256_bytes(sample.POLICY))
    facts = {
        "assay.policy_sha256": about.policy_sha256,
        "assay.code_version": about.code_version,
        "assay.snapshot": about.snapshot,
        "assay.candidate_sha256": about.model,
        "assay.seed": "7",
        "assay.requester": "engineer",
        "assay.reason": f"because {sample.HOSTILE}",
        "assay.version": "1",
    }
    dossier = open_dossier(settings, model=model, run_key=f"retrain_{model}/{key}", facts=facts)
    dossier.store("policy.yaml", sample.POLICY)
    return dossier, about


@pytest.fixture(scope="module")
def dossier(settings):
    dossier, about = begin(settings, "manual__2026-01-05T10:00:00+00:00")
    dossier.append(sample.verdict("contract", sample.contract(), sample.subject(about.policy_sha256, model=None)))
    dossier.append(sample.verdict("performance", sample.performance(), about))
    dossier.append(sample.verdict("fairness", sample.one("fairness", Outcome.ERROR, "the disk is full"), about))
    dossier.append(sample.verdict("fairness", sample.fairness(), about, sample.groups()))
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
    gates = {"contract", "performance", "fairness", "robustness", "approval", "canary"}
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
    assert page.text.count(sample.HOSTILE) >= 3  # the run's reason, a check's and a group's name
    assert [tag for tag, _ in page.tags].count("script") == 1  # our own
    assert "img" not in [tag for tag, _ in page.tags]


def test_nothing_is_loaded_from_elsewhere(client, dossier, page):
    assert all(link.startswith(("#", "/base/")) for link in page.links)
    policy = client.get(f"/dossiers/{dossier.run_id}").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any("style" in attrs or any(name.startswith("on") for name in attrs) for _, attrs in page.tags)


def test_links_lead_to_the_records_and_back_to_airflow(client, page):
    records = [link for link in page.links if link.endswith(".json")]
    assert len(records) == 4
    for link in records:
        answer = client.get(link.removeprefix("/base/assay"))
        assert sha256_bytes(answer.content) == link.rpartition("/")[2].removesuffix(".json")
        assert answer.content == canonical_json(answer.json())
    assert "/base/dags/retrain_toy/runs/manual__2026-01-05T10%3A00%3A00%2B00%3A00" in page.links


def test_a_verdict_about_something_else_is_marked(client, settings):
    dossier, about = begin(settings, "moved")
    dossier.append(sample.verdict("performance", sample.performance(), about))
    dossier.tag({"assay.snapshot": "toy-ffffffffffffffff"})
    said = Page(client.get(f"/dossiers/{dossier.run_id}").text).text
    assert "Judged on another snapshot than this run's present one: toy-0123456789abcdef" in said


def test_a_changed_policy_is_marked(client, settings):
    dossier, _ = begin(settings, "policy")
    dossier.store("policy.yaml", sample.POLICY.replace(b"high", b"low"))
    assert "not the one recorded" in Page(client.get(f"/dossiers/{dossier.run_id}").text).text


@pytest.mark.parametrize("name", ["0001-fairness-{digest}.json", "notes.txt"])
def test_a_broken_chain_shows_no_verdict(client, settings, name):
    dossier, about = begin(settings, f"broken {name}")
    verdict = dossier.append(sample.verdict("fairness", sample.fairness(), about))
    changed = canonical_json({**verdict.to_dict(), "outcome": "PASS"})
    dossier.store(f"dossier/{name.format(digest=verdict.digest)}", changed)
    answer = client.get(f"/dossiers/{dossier.run_id}")
    assert answer.status_code == 409
    said = Page(answer.text).text
    assert "This dossier is broken" in said
    assert "tpr_difference" not in said
    assert client.get(f"/dossiers/{dossier.run_id}/verdicts/{verdict.digest}.json").status_code == 409


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
    assert "version 1 in shadow" in " ".join(listed.text.split())
    shown = Page(client.get("/models/toy").text)
    assert f"/base/assay/dossiers/{dossier.run_id}#fairness" in shown.links
    assert f"/base/assay/dossiers/{dossier.run_id}#canary" in shown.links
    as_json = client.get("/models/toy.json").json()
    assert as_json["deployment"]["canary"]["version"] == 1
    outcomes = {run["run_id"]: run["outcomes"] for run in as_json["runs"]}
    assert outcomes[dossier.run_id] == {"contract": "PASS", "performance": "PASS", "fairness": "FAIL"}
    assert [move["action"] for move in as_json["moves"]] == ["begin"]


def test_whoever_may_not_read_a_model_sees_nothing_of_it(client, settings):
    dossier, about = begin(settings, "hidden", model="secret")
    verdict = dossier.append(sample.verdict("performance", sample.performance(), about))
    (settings.models / "secret").mkdir()
    (settings.models / "secret" / "policy.yaml").write_bytes(sample.POLICY)
    assert "secret" not in client.get("/models").text
    for path in (
        "/models/secret",
        "/models/secret.json",
        f"/dossiers/{dossier.run_id}",
        f"/dossiers/{dossier.run_id}/verdicts/{verdict.digest}.json",
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
        "/dossiers/{run_id}/verdicts/{digest}.json",
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
    gone = Settings(
        home=settings.home, models=settings.models, keys=settings.keys, snapshots="", operations_db=settings.operations_db,
        tracking_uri="http://127.0.0.1:9", gateway_url="", gateway_token="",
    )  # fmt: skip
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
