"""The page of one verdict in its dossier, and a dossier whose model was mitigated."""

from dataclasses import replace

import pytest
from tests.governance import sample
from tests.governance.reading import Page
from tests.governance.verdict.made import check
from tests.pipeline.conftest import NOISE

from assay.core import Budget, Limit, Outcome, Verdict

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]


def numbers(dossier, gate):
    """Where a gate's verdicts stand in the chain."""
    chain = enumerate(dossier.records(), start=1)
    return [number for number, each in chain if isinstance(each, Verdict) and each.gate == gate]


def test_a_dossier_leads_to_each_of_its_verdicts_and_back(client, dossier):
    shown = Page(client.get(f"/dossiers/{dossier.run_id}").text)
    for gate in ("contract", "performance", "fairness", "approval"):
        for number in numbers(dossier, gate):
            path = f"/dossiers/{dossier.run_id}/verdicts/{number}"
            assert f"/base/assay{path}" in shown.links
            back = [link for link in Page(client.get(path).text).links if "#" in link]
            assert back[0].partition("#")[2] in shown.ids


def test_a_verdict_s_page_is_the_page_of_the_file_with_its_place_and_its_waivers(client, dossier):
    number = numbers(dossier, "fairness")[-1]
    answer = client.get(f"/dossiers/{dossier.run_id}/verdicts/{number}")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert "Fairness gate FAIL It fails: 1 of the 4 checks that decide lies wholly beyond its limit." in page.said
    assert f"record {number} of the dossier {dossier.run_id}" in page.said
    assert page.said.count("WAIVED until") == 1
    assert "2 checks went on by a waiver." in page.said
    assert dossier.records()[number - 1].digest in page.text
    assert "style-src 'sha256-" in answer.headers["content-security-policy"]
    assert [tag for tag, _ in page.tags].count("script") == 1  # our own


@pytest.mark.parametrize("number", [1, 999, 0, "x"])
def test_what_is_no_verdict_is_a_sentence(client, dossier, number):
    answer = client.get(f"/dossiers/{dossier.run_id}/verdicts/{number}")
    assert answer.status_code == 404
    assert "There is no" in answer.text


def test_a_broken_dossier_shows_none_of_its_verdicts(client, settings):
    dossier, about = sample.begin(settings, "broken-verdict")
    dossier.append(sample.verdict("fairness", sample.fairness(), about))
    sample.changed(dossier, 3)
    answer = client.get(f"/dossiers/{dossier.run_id}/verdicts/3")
    assert answer.status_code == 409
    assert "tpr_difference" not in answer.text


FIRST, SECOND = "1" * 64, "2" * 64


@pytest.fixture(scope="module")
def mitigated(settings):
    """The model as trained fails; what mitigation made of it passes, and says what was gained and paid."""
    dossier, about = sample.begin(settings, "mitigated")
    first, second = replace(about, model=FIRST), replace(about, model=SECOND)
    sample.trained(dossier, first)
    performance = sample.verdict("performance", sample.performance(), first)
    dossier.append(performance)
    dossier.append(_judged(first, [check()], 1))
    facts = {
        "candidate": "m-2", "path": "p", "sha256": SECOND, "seed": 7, "training_rows": 34189, "holdout_rows": 14653,
        "mitigates": FIRST,
    }  # fmt: skip
    sample.record(dossier, "training", facts, "training:2")
    made = {"from": FIRST, "to": SECOND, "method": "reweighing", "attributes": ["sex"], "weights": {"sex=F": 1.4}}
    sample.record(dossier, "mitigation", made, "mitigation:1")
    dossier.append(sample.verdict("performance", sample.performance(), second))
    gained = check(
        "tpr_difference_gained", Outcome.PASS, estimate=0.24, interval=(0.2, 0.28), limit=None, severity="info"
    )
    paid = check(
        "accuracy_paid", Outcome.PASS, metric="accuracy", attribute=None, groups=None, estimate=0.004,
        interval=(0.001, 0.007), limit=Limit(max=0.02),
    )  # fmt: skip
    after = check(outcome=Outcome.PASS, estimate=0.06, interval=(0.03, 0.09))
    dossier.append(_judged(second, [after, gained, paid], 2))
    sample.record(dossier, "registration", {"version": 9, "candidate": "m-2", "sha256": SECOND})
    return dossier


def _judged(about, checks, attempt):
    budget = Budget(attempt=attempt, confidence=0.95, level=1 - 0.03 / attempt**2)
    return replace(sample.verdict("fairness", checks, about, sample.groups()), budget=budget)


def test_both_attempts_are_told_apart_by_their_model(client, mitigated):
    page = Page(client.get(f"/dossiers/{mitigated.run_id}").text)
    said = page.said
    assert (
        "Made the model 222222222222 from 111111111111, which the fairness gate had refused, by reweighing on sex."
        in said
    )
    assert said.count("About the model as trained, 111111111111") == 2
    assert said.count("About the model after mitigation by reweighing, 222222222222") == 2
    assert "111111111111 ; number 1 of the models that this gate measured on these data" in said
    assert "222222222222 ; number 2 of the models" in said
    assert "Judged on another model" not in said
    assert "weights / sex=F 1.4" in said


def test_every_task_of_a_mitigated_run_has_its_place(client, mitigated):
    page = Page(client.get(f"/dossiers/{mitigated.run_id}").text)
    tasks = ("fairness_gate", "performance_gate", "mitigation", "mitigated_performance_gate", "mitigated_fairness_gate")
    assert [page.ids.count(task) for task in tasks] == [1] * len(tasks)
    assert page.ids.index("fairness_gate") < page.ids.index("mitigated_fairness_gate")
    assert len(page.ids) == len(set(page.ids))


def test_what_was_gained_and_paid_is_drawn(client, mitigated):
    number = numbers(mitigated, "fairness")[-1]
    said = Page(client.get(f"/dossiers/{mitigated.run_id}/verdicts/{number}").text).said
    assert "True positive rate difference: what the mitigation gained" in said
    assert "Accuracy: what the mitigation cost" in said
    assert "It judged the model after mitigation by reweighing, 222222222222 ." in said
    assert "on this one it spent 0.75 percentage points" in said
