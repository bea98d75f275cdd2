"""A rollout from its beginning to its end: moved on logged evidence, recorded once, shown in MLflow."""

from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.pipeline.moving import bad, book, later, passed, to_the_last_stage, traffic
from tests.pipeline.support import answer, approve, gates_of, gateway, make_folder, make_run, train_by_hand, walk

from assay.core import Outcome, UnavailableError
from assay.evidence.audit import audit
from assay.evidence.opening import archive, rollouts
from assay.evidence.retirement import retire
from assay.pipeline import approval, promotion, steps
from assay.pipeline.run import GateFailed
from assay.registry import versions
from assay.registry.artifacts import TamperedError
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack


@pytest.fixture
def registered(settings, tmp_path):
    """How to make a run of a model that has a registered and approved version."""
    folder = make_folder(tmp_path)

    def make(seed=1, approved=True):
        run = make_run(settings, folder, run_key=f"retrain/{uuid4().hex}", seed=seed)
        walk(run, "snapshot")
        train_by_hand(run, bias=float(seed))
        run = replace(run)
        for gate in ("contract", *steps.GATES):
            passed(run, gate)
        walk(run, "registration")
        if approved:
            approve(replace(run, pinned=False))
        return replace(run)

    return make


@pytest.fixture
def run(registered, settings):
    """An approved version, and a gateway that serves nothing yet."""
    made = registered()
    with gateway(settings, made.folder.policy.model) as (reached, says):
        made = replace(made, settings=reached, pinned=False)
        made.__dict__["says"] = says
        yield made


def alias(run, name):
    """The version that an alias names; None when it names none."""
    aliases = run.dossier.client.get_registered_model(run.folder.policy.model).aliases
    found = aliases.get(name)
    return None if found is None else int(found)


def test_a_version_without_approval_gets_no_traffic(registered, settings):
    unapproved = registered(approved=False)
    with pytest.raises(EvidenceError, match="approval: no verdict"):
        promotion.begin(later(unapproved))
    assert rollouts(settings).current(unapproved.folder.policy.model) is None


def test_a_retired_version_is_neither_asked_about_nor_approved_nor_promoted(run):
    model = run.folder.policy.model
    retirement = retire(run.settings, model, run.version, reason="wrong label", by="root")
    assert retirement.facts["version"] == run.version
    said = f"version {run.version} was retired by root: wrong label"
    with pytest.raises(EvidenceError, match=said):
        approval.question(later(run), "model_owner")
    with pytest.raises(EvidenceError, match=said):
        approval.take_answer(later(run), "model_owner", answer("reviewer"))
    with pytest.raises(EvidenceError, match=said):
        promotion.begin(later(run))
    assert book(run).current(model) is None


def test_without_a_gateway_no_rollout_begins(run):
    down = replace(run, settings=replace(run.settings, gateway_url="http://127.0.0.1:9"))
    with pytest.raises(UnavailableError, match=r"the gateway at http://127\.0\.0\.1:9 did not answer /healthz"):
        promotion.begin(down)
    stranger = replace(run, settings=replace(run.settings, gateway_token="wrong"))
    with pytest.raises(UnavailableError, match="401"):
        promotion.begin(stranger)
    assert book(run).current(run.folder.policy.model) is None
    assert alias(run, "canary") is None


def test_beginning_again_is_the_same_rollout(run):
    first, second = promotion.begin(later(run)), promotion.begin(later(run))
    assert first == second
    assert (first.state, first.run_key) == ("shadow", run.run_key)
    assert first.canary.digest == run.candidate.digest
    assert first.canary.entity_column == "id"
    assert alias(run, "canary") == first.version
    (begun,) = book(run).history(run.folder.policy.model)
    assert begun.evidence["dossier"] == run.dossier.run_id
    assert [(each["role"], each["who"]) for each in begun.evidence["approved_by"]] == [("model_owner", "reviewer")]


def test_an_approval_that_grew_old_during_the_rollout_does_not_end_it(run, monkeypatch):
    row = promotion.begin(later(run))
    monkeypatch.setattr(promotion, "utc_now", lambda: "2099-01-01T00:00:00.000Z")
    assert promotion.begin(later(run)) == row


def test_what_lost_its_ground_during_the_rollout_is_not_promoted(run):
    to_the_last_stage(run)
    passed(later(run), "performance")
    with pytest.raises(EvidenceError, match="approval: its verdict is older than that of performance"):
        promotion.move(later(run))
    assert alias(run, "champion") is None
    assert book(run).current(run.folder.policy.model).champion is None


def test_every_move_and_every_alias_is_recorded_once_whoever_moved(run):
    version = to_the_last_stage(run)
    promotion.move(later(run))
    promotion.move(later(run))  # a cleared task
    moves = [event.facts for event in run.dossier.events("rollout")]
    assert [(each["action"], each["to_stage"]) for each in moves] == [
        ("begin", "shadow"), ("advance", "canary 50 %"), ("advance", "canary 100 %"), ("promote", "champion"),
    ]  # fmt: skip
    assert {each["version"] for each in moves} == {version}
    aliases = [(event.facts["alias"], event.facts["version"]) for event in run.dossier.events("alias")]
    assert aliases == [("canary", version), ("canary", None), ("champion", version)]


def test_a_model_that_is_no_longer_what_was_gated_meets_no_alias(run):
    stored = run.settings.home / "artifacts" / run.candidate.path
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1])
    with pytest.raises(TamperedError, match=r"model\.onnx"):
        promotion.begin(later(run))
    assert alias(run, "canary") is None
    assert book(run).current(run.folder.policy.model) is None
    stored.write_bytes(whole)
    to_the_last_stage(run)
    stored.write_bytes(whole + b" ")
    with pytest.raises(TamperedError, match=r"model\.onnx"):
        promotion.move(later(run))
    assert alias(run, "champion") is None


def test_no_evidence_moves_nothing(run):
    row = promotion.begin(later(run))
    assert [promotion.move(later(run)) for _ in range(3)] == [None, None, None]
    assert book(run).get(row.id) == row


def test_good_evidence_makes_a_champion(run):
    version = to_the_last_stage(run)
    ended = promotion.move(later(run))
    verdict = run.dossier.verdicts()[-1]
    assert ended == {"champion": version, "verdict": verdict.digest}
    assert (verdict.gate, verdict.outcome, verdict.model) == ("canary", Outcome.PASS, run.candidate.digest)
    assert [check.name for check in verdict.checks] == ["rollout", "brier", "error_rate"]
    assert book(run).current(run.folder.policy.model).champion.version == version
    assert (alias(run, "champion"), alias(run, "canary"), alias(run, "previous")) == (version, None, None)
    tags = run.dossier.client.get_model_version(run.folder.policy.model, str(version)).tags
    assert tags["assay.rollout"] == "champion"
    assert run.dossier.client.get_run(run.dossier.run_id).info.status == "FINISHED"
    assert promotion.move(later(run)) == ended  # a cleared task says the same again
    assert gates_of(run).count(("canary", "PASS")) == 1


def test_the_next_champion_remembers_the_one_before(run, registered):
    first = to_the_last_stage(run)
    promotion.move(later(run))
    following = replace(registered(seed=2), settings=run.settings, pinned=False)
    following.__dict__["says"] = run.says
    second = to_the_last_stage(following)
    assert promotion.move(later(following))["champion"] == second != first
    assert (alias(run, "champion"), alias(run, "previous")) == (second, first)
    names = [check.name for check in following.dossier.verdicts()[-1].checks]
    assert names == ["rollout", "brier_against_champion", "error_rate"]
    assert promotion.move(later(run))["champion"] == first  # a task cleared long after
    assert (alias(run, "champion"), alias(run, "previous")) == (second, first)


def test_bad_evidence_rolls_back_and_leaves_the_champion_alone(run):
    model = run.folder.policy.model
    versions.set_alias(run.dossier, "champion", 1)
    row = promotion.begin(later(run))
    traffic(run, bad, rows=400)
    for _ in range(2):  # and again when the task is cleared
        with pytest.raises(GateFailed, match="canary gate: FAIL"):
            promotion.move(later(run))
        assert book(run).get(row.id).state == "rolled_back"
        assert book(run).current(model).champion is None
    (verdict,) = [each for each in run.dossier.verdicts() if each.gate == "canary"]
    assert verdict.outcome is Outcome.FAIL
    assert verdict.checks[0].reason.startswith("brier: ")
    assert alias(run, "champion") == 1


def test_a_rollback_is_shown_in_mlflow_too(run):
    row = promotion.begin(later(run))
    assert alias(run, "canary") == row.version
    traffic(run, bad, rows=400)
    with pytest.raises(GateFailed):
        promotion.move(later(run))
    assert alias(run, "canary") is None
    tags = run.dossier.client.get_model_version(run.folder.policy.model, str(row.version)).tags
    assert (tags["assay.rollout"], tags["assay.verdict.canary"].split()[0]) == ("rolled_back", "FAIL")
    assert run.dossier.client.get_run(run.dossier.run_id).info.status == "FAILED"


@contextmanager
def failing_once(monkeypatch, name):
    """The function's effect comes about, but the task dies before it is told."""
    real = getattr(versions, name)

    def killed(*args):
        real(*args)
        raise UnavailableError("the worker was killed")

    with monkeypatch.context() as patched:
        patched.setattr(versions, name, killed)
        yield


@pytest.mark.parametrize("point", ["set_alias", "delete_alias"])
def test_a_kill_after_the_promotion_is_made_good_without_a_second_verdict(run, monkeypatch, point):
    version = to_the_last_stage(run)
    with failing_once(monkeypatch, point), pytest.raises(UnavailableError, match="was killed"):
        promotion.move(later(run))
    assert book(run).current(run.folder.policy.model).champion.version == version
    assert promotion.move(later(run))["champion"] == version
    assert gates_of(run).count(("canary", "PASS")) == 1
    assert (alias(run, "champion"), alias(run, "canary")) == (version, None)


def test_no_champion_is_announced_before_the_gateway_serves_it(run, monkeypatch):
    monkeypatch.setattr(promotion, "_GATEWAY_PATIENCE", 0.1)
    before = alias(run, "champion")
    version = to_the_last_stage(run)
    run.says["champion"] = {"version": 99}
    with pytest.raises(UnavailableError, match=f"still serves version 99 of .*, not {version}"):
        promotion.move(later(run))
    assert alias(run, "champion") == before != version
    assert ("canary", "PASS") not in gates_of(run)
    run.says["champion"] = {"version": version}
    assert promotion.move(later(run))["champion"] == version


def test_moving_what_never_began_begins_it(run):
    assert promotion.move(later(run)) is None
    assert book(run).find(run.run_key).state == "shadow"


def test_a_superseded_version_does_not_take_the_other_s_alias(run, registered):
    row = promotion.begin(later(run))
    other = replace(registered(seed=3), settings=run.settings, pinned=False)
    following = promotion.begin(later(other))
    with pytest.raises(GateFailed, match=f"superseded by version {following.version} of run"):
        promotion.move(later(run))
    assert book(run).get(row.id).state == "rolled_back"
    assert alias(run, "canary") == following.version


def test_a_run_that_may_not_go_on_gives_its_traffic_back(run):
    row = promotion.begin(run)
    promotion.abandon(run.settings, run.run_key, "policy_sha256 has changed since this run began")
    ended = book(run).get(row.id)
    assert (ended.state, ended.reason) == ("rolled_back", "policy_sha256 has changed since this run began")
    promotion.abandon(run.settings, run.run_key, "again")
    promotion.abandon(run.settings, "a run that began nothing", "never mind")
    assert book(run).get(row.id) == ended
    assert alias(run, "canary") is None
    moves = [event.facts for event in run.dossier.events("rollout")]
    assert [(each["to_stage"], each["reason"]) for each in moves] == [("shadow", ""), ("rolled_back", ended.reason)]
    assert [event.facts["version"] for event in run.dossier.events("alias")] == [row.version, None]
    assert audit(archive(run.settings), run.folder.policy.model).seen == ()


def test_a_registry_that_is_away_does_not_keep_the_traffic_from_coming_back(run):
    row = promotion.begin(run)
    away = replace(run.settings, tracking_uri="http://127.0.0.1:9")
    promotion.abandon(away, run.run_key, "the policy has changed")
    assert book(run).get(row.id).state == "rolled_back"
    promotion.abandon(run.settings, run.run_key, "shown later")
    assert alias(run, "canary") is None
    assert [event.facts["to_stage"] for event in run.dossier.events("rollout")] == ["shadow", "rolled_back"]
