"""Who may see a page, and what it says when there is nothing to show."""

import json
from dataclasses import replace

import pytest
from fastapi import HTTPException
from fastapi.routing import APIRoute
from tests.governance import sample
from tests.governance.client import TestClient
from tests.governance.reading import MODEL, reader
from tests.pipeline.conftest import NOISE

from assay.governance.app import create_app

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


@pytest.mark.parametrize(
    "path", ["/dossiers/" + "0" * 32, "/dossiers/x", "/nothing", "/models/unheard_of", "/models/A"]
)
def test_what_is_not_there_is_a_sentence(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such" in answer.text or "There is no model" in answer.text
    assert "Traceback" not in answer.text


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
        f"/dossiers/{dossier.run_id}/verdicts/3",
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
        "/dossiers/{run_id}/verdicts/{number}",
        "/models",
        "/models/{model}",
        "/models/{model}.json",
        "/models/{model}/versions/{version}/card",
    }
    with TestClient(app) as client:
        for route in app.routes:
            assert isinstance(route, APIRoute)
            assert nobody in [each.call for each in route.dependant.dependencies]
            answer = client.get(route.path.format(run_id="a" * 32, digest="b" * 64, number=3, model=MODEL, version=1))
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
