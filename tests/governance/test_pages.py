"""The pages against a real MLflow server, read as a browser would read them."""

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import pytest
from fastapi import HTTPException
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.evidence.catalogued import begun, policy_of, promoted, registered
from tests.governance import sample
from tests.governance.client import TestClient
from tests.pipeline.conftest import NOISE

from assay.core import Outcome, canonical_json, record_from_dict, sha256_bytes
from assay.evidence.opening import rollouts
from assay.evidence.waivers import propose
from assay.governance.app import create_app
from assay.governance.mount import LazyApp
from assay.policy import Rollout, parse_policy
from assay.registry.keys import add_person
from assay.registry.sealed import file_name
from assay.rollout import Incidents, ModelRef, Rollouts, Waivers, create_tables, open_database

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]

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
    assert "2 checks went on by a waiver. 1 of 2 waivers is not in force today." in said
    expires = dossier.events("waiver")[0].facts["expires"]
    in_force = f"WAIVED until {expires} by reviewer (signed by reviewer, officer): few rows"
    assert said.count(in_force) == 2  # at the top, and at the check
    assert "Fairness FAIL waived" in said  # in the chain
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


CARD = b"<!doctype html><style>p {color: red}</style><p>The card</p><script>alert(1)</script>"


@pytest.fixture(scope="module")
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


def test_a_model_s_page_begins_with_what_is_wrong(client, served):
    page = Page(client.get("/models/whole").text)
    said = page.said
    assert said.index("Open incidents") < said.index("the new one") < said.index("Serves now")
    assert said.index("Closed incidents") < said.index("the old one")
    assert page.text.count(sample.HOSTILE) >= 5
    assert [tag for tag, _ in page.tags].count("script") == 1


def test_a_model_s_page_draws_its_traffic_and_tells_it_in_a_table(client, served):
    page = Page(client.get("/models/whole").text)
    (label,) = [attrs["aria-label"] for tag, attrs in page.tags if attrs.get("class") == "traffic"]
    assert label.endswith("now version 1 with 100 %.")
    assert "2 canary, in shadow 0 %" in page.said
    assert "1 champion 100 %" in page.said


def test_a_model_s_page_lists_versions_waivers_and_cards(client, served):
    page = Page(client.get("/models/whole").text)
    assert "/base/assay/models/whole/versions/1/card" in page.links
    assert "/base/assay/models/whole/versions/2/card" not in page.links
    assert "1 champion" in page.said
    assert "2 rolled back" in page.said
    assert "2027-01-05 dossier" in page.said
    assert "1 in force, 2 in all." in page.said
    assert page.said.index("IN FORCE") < page.said.index("not in force: expired on")
    twin = client.get("/models/whole.json").json()
    assert [each["state"] for each in twin["versions"]] == ["rolled back", "champion"]
    assert [bool(each["doubts"]) for each in twin["waivers"]] == [False, True]
    assert [each["key"] for each in twin["incidents"]] == ["new", "old"]
    assert [(each["version"], each["share"]) for each in twin["served"] if each["to"] is None] == [(1, 100)]


def test_the_runs_have_a_column_for_each_gate_that_the_risk_tier_asks_for(client, served):
    assert "Risk approval" not in Page(client.get("/models/whole").text).said
    assert "Risk approval" in Page(client.get("/models/toy").text).said


def test_a_card_is_served_as_it_was_made_in_a_sandbox(client, served):
    answer = client.get("/models/whole/versions/1/card")
    assert answer.content == CARD
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy.split("; ")
    assert "script" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(
    ("path", "said"), [("whole/versions/2", "No model card"), ("whole/versions/9", "no version 9")]
)
def test_a_card_that_is_not_there_is_a_sentence(client, served, path, said):
    answer = client.get(f"/models/{path}/card")
    assert answer.status_code == 404
    assert said in Page(answer.text).said


def test_a_card_that_was_changed_is_not_shown(client, served):
    try:
        served[0].store("card/1/model_card.html", CARD + b" ")
        answer = client.get("/models/whole/versions/1/card")
        assert answer.status_code == 409
        assert "was changed after it was made" in Page(answer.text).said
        assert "The card" not in answer.text
    finally:
        served[0].store("card/1/model_card.html", CARD)


def test_a_waiver_that_is_none_is_said_on_the_page(client, settings, served):
    Waivers(rollouts(settings).engine).add("x", "toy", "{")
    answer = client.get("/models/toy")
    assert answer.status_code == 200
    assert "is not what was signed" in Page(answer.text).said


def test_whoever_may_not_read_a_model_sees_nothing_of_it(client, settings):
    dossier, about = sample.begin(settings, "hidden", model="secret")
    verdict = dossier.append(sample.verdict("performance", sample.performance(), about))
    (settings.models / "secret").mkdir()
    (settings.models / "secret" / "policy.yaml").write_bytes(sample.POLICY)
    assert "secret" not in client.get("/models").text
    for path in (
        "/models/secret",
        "/models/secret.json",
        "/models/secret/versions/1/card",
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
        "/models/{model}/versions/{version}/card",
    }
    with TestClient(app) as client:
        for route in app.routes:
            assert isinstance(route, APIRoute)
            assert nobody in [each.call for each in route.dependant.dependencies]
            answer = client.get(route.path.format(run_id="a" * 32, digest="b" * 64, model=MODEL, version=1))
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
