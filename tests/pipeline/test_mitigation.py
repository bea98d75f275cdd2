"""An unfair candidate is mitigated, judged again on the same rows, and goes on only if that passes."""

from dataclasses import replace

import pytest
from tests.pipeline.support import gates_of, make_folder, make_run, walk
from tests.pipeline.unfair import BEFORE, MITIGATED, unfair_folder

from assay.core import Outcome
from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.pipeline import approval
from assay.pipeline.run import GateFailed, NotNeeded
from assay.registry.dossier import EvidenceError
from assay.registry.images import candidate_tags

pytestmark = pytest.mark.stack


def begun(settings, root, *, limit=0.22, **changes):
    """A run whose candidate as trained was refused."""
    run = make_run(settings, unfair_folder(root, limit=limit, **changes))
    walk(run, *BEFORE)
    with pytest.raises(GateFailed, match="selection_rate_difference"):
        walk(run, "fairness_gate")
    return run


def trained(run):
    return [event.facts for event in replace(run).dossier.events("training")]


def test_what_mitigation_made_is_audited_again_and_goes_on_to_be_served(settings, tmp_path):
    run = begun(settings, tmp_path)
    handed = walk(run, *MITIGATED, "robustness_gate", "registration", "model_card")
    assert gates_of(run) == [
        ("contract", "PASS"), ("performance", "PASS"), ("fairness", "FAIL"),
        ("performance", "PASS"), ("fairness", "PASS"), ("robustness", "PASS"),
    ]  # fmt: skip
    first, second = trained(run)
    assert (first.get("mitigates"), second["mitigates"]) == (None, first["sha256"])
    dossier = replace(run).dossier
    refused, passed = (each for each in dossier.verdicts() if each.gate == "fairness")
    assert (refused.model, passed.model) == (first["sha256"], second["sha256"])
    assert (refused.attempt, passed.attempt, refused.budget.attempt, passed.budget.attempt) == (1, 2, 1, 2)
    assert passed.budget.level > refused.budget.level
    compared = {check.name: check for check in passed.checks}
    assert compared["selection_rate_difference_gained"].outcome is Outcome.PASS
    low, high = compared["accuracy_paid"].interval
    assert low <= compared["accuracy_paid"].estimate <= high < 0.1
    (event,) = dossier.events("mitigation")
    assert (event.facts["from"], event.facts["to"]) == (first["sha256"], second["sha256"])
    assert (event.facts["method"], event.facts["verdict"]) == ("reweighing", refused.digest)
    assert handed["registration"] == {"version": 1}
    assert dossier.events("registration")[0].facts["sha256"] == second["sha256"]
    assert candidate_tags(dossier.records())["assay.verdict.fairness"].startswith("PASS")


@pytest.fixture(scope="module")
def registered(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("mitigated")
    run = begun(replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}"), home / "models")
    walk(run, *MITIGATED, "robustness_gate", "registration")
    return run


def test_the_mitigated_version_is_replayed_down_to_its_bytes(registered):
    found = replay(archive(registered.settings), registered.folder.policy.model, 1, retrain=True)
    assert found.agrees, found.to_dict()
    assert [each.gate for each in found.gates] == ["contract", "performance", "fairness", "robustness"]


def test_whoever_is_asked_is_told_what_was_gained_and_what_was_paid(registered):
    _, body = approval.question(replace(registered), "model_owner")
    assert "**Mitigated by reweighing**, since the model as trained failed the fairness gate" in body
    assert "selection\\_rate\\_difference\\_gained by sex" in body
    assert "accuracy\\_paid" in body


def test_a_second_failure_ends_the_run(settings, tmp_path):
    run = begun(settings, tmp_path, limit=0.01)
    walk(run, "mitigation", "mitigated_performance_gate")
    with pytest.raises(GateFailed):
        walk(run, "mitigated_fairness_gate")
    for step in ("robustness_gate", "registration"):
        with pytest.raises(EvidenceError, match=r"fairness: its verdict is (FAIL|INCONCLUSIVE)"):
            walk(run, step)


def test_accuracy_has_its_price_limit(settings, tmp_path):
    run = begun(settings, tmp_path, max_accuracy_loss=0.001)
    walk(run, "mitigation", "mitigated_performance_gate")
    with pytest.raises(GateFailed, match="accuracy_paid"):
        walk(run, "mitigated_fairness_gate")


def test_a_fair_candidate_is_not_mitigated(settings, tmp_path):
    settled = {"method": "reweighing", "attributes": ["sex"], "max_accuracy_loss": 0.01}  # nothing was paid here
    run = make_run(settings, make_folder(tmp_path, mitigation=settled))
    walk(run, *BEFORE)
    with pytest.raises(NotNeeded, match="has not judged"):
        walk(run, "mitigation")
    walk(run, "fairness_gate")
    assert gates_of(run)[-1] == ("fairness", "PASS")
    with pytest.raises(NotNeeded, match="said PASS"):
        walk(run, "mitigation")
    with pytest.raises(EvidenceError, match="mitigation: the dossier records none of this candidate"):
        walk(run, "mitigated_performance_gate")
    walk(run, "robustness_gate", "registration")


def test_every_step_may_run_again_in_any_order_of_clearing(settings, tmp_path):
    run = begun(settings, tmp_path)
    walk(run, *MITIGATED)
    walk(run, *MITIGATED)
    assert len(trained(run)) == 2
    with pytest.raises(GateFailed):  # what was found unfair stays so, and is judged at the level of its own attempt
        walk(run, "fairness_gate")
    with pytest.raises(EvidenceError, match="fairness: its verdict is FAIL"):
        walk(run, "robustness_gate")
    walk(run, *MITIGATED, "robustness_gate", "registration")
    budgets = [each.budget.attempt for each in replace(run).dossier.verdicts() if each.gate == "fairness"]
    assert budgets == [1, 2, 2, 1, 2]
    assert replace(run).dossier.events("registration")[0].facts["sha256"] == trained(run)[1]["sha256"]


def test_training_again_to_the_same_bytes_takes_nothing_away(settings, tmp_path):
    run = begun(settings, tmp_path)
    walk(run, *MITIGATED)
    walk(run, "training")
    first, second, again = trained(run)
    assert first["sha256"] == again["sha256"]
    assert replace(run).candidate.digest == second["sha256"]
    assert replace(run).about("first").candidate.digest == first["sha256"]
    walk(run, "robustness_gate", "registration")
