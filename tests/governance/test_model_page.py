"""The pages of the models against a real MLflow server."""

import pytest
from tests.governance import sample
from tests.governance.reading import CARD, MODEL, Page
from tests.pipeline.conftest import NOISE

from assay.evidence.opening import rollouts
from assay.policy import Rollout
from assay.rollout import ModelRef, Rollouts, Waivers, create_tables, open_database

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


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
