"""A dossier's page against a real MLflow server."""

import re
from dataclasses import replace

import pytest
from tests.evidence.pictures.drawn import rows, svg
from tests.governance import sample
from tests.governance.reading import Page
from tests.pipeline.conftest import NOISE

from assay.core import canonical_json, record_from_dict, sha256_bytes
from assay.evidence.card import words

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


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


def test_every_measured_interval_is_drawn_and_stands_in_a_table(client, dossier):
    text = client.get(f"/dossiers/{dossier.run_id}").text
    drawn = [row for figure in re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL) for row in rows(svg(figure))]
    measured = [check for check in (*sample.performance(), *sample.fairness()) if check.interval]
    assert sorted(row.estimate for row in drawn if row.interval) == pytest.approx(
        sorted(check.estimate for check in measured), abs=2e-3
    )
    for check in measured:
        assert words.measured(check.estimate, check.interval)[1] in text


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


def test_a_broken_chain_shows_no_verdict_but_which_records_hold(client, settings):
    dossier, about = sample.begin(settings, "broken")
    verdict = dossier.append(sample.verdict("fairness", sample.fairness(), about))
    sample.trained(dossier, about)
    sample.changed(dossier, 3)
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
