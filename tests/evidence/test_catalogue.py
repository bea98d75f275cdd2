"""The catalogue against a real MLflow server: what became of each version, and what may go when."""

from dataclasses import replace
from datetime import date

import pytest
from tests.evidence.catalogued import answered, begun, changed, promoted, registered
from tests.registry.support import fresh_name

from assay.core import Outcome, UserError
from assay.evidence.account import years_after
from assay.evidence.catalogue import catalogue, entry
from assay.evidence.opening import archive, rollouts
from assay.evidence.retirement import delete, plan_deletion, retire
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    """The shared server, with an operations database of this module's own."""
    home = tmp_path_factory.mktemp("operations")
    return replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")


@pytest.fixture
def model():
    return fresh_name()


def states(settings, model):
    return {each.version: each.state for each in catalogue(settings, model)}


def test_a_version_s_way_through_the_states(settings, model):
    book = rollouts(settings)
    versions = [registered(settings, model)[0] for _ in range(3)]
    assert versions == [1, 2, 3]
    assert set(states(settings, model).values()) == {"never rolled out"}
    row = begun(book, model, 1)
    assert entry(settings, model, 1).reason == "in shadow"
    row = book.advance(row.id, row.epoch)
    found = entry(settings, model, 1)
    assert (found.state, found.reason) == ("canary", "serves 50 % of the traffic")
    book.promote(row.id, book.advance(row.id, row.epoch).epoch)
    found = entry(settings, model, 1)
    assert (found.state, found.reason) == ("champion", "serves 100 % of the traffic")
    assert found.since == book.current(model).updated_at
    promoted(book, begun(book, model, 2))
    assert states(settings, model) == {1: "previous", 2: "champion", 3: "never rolled out"}
    third = begun(book, model, 3)
    third = book.advance(third.id, third.epoch)
    assert entry(settings, model, 2).reason == "serves 50 % of the traffic"
    book.roll_back(third.id, third.epoch, reason="callers report timeouts")
    assert states(settings, model) == {1: "previous", 2: "champion", 3: "rolled back"}
    assert entry(settings, model, 3).reason == "callers report timeouts"
    promoted(book, begun(book, model, 3))
    first = entry(settings, model, 1)
    assert states(settings, model) == {1: "superseded", 2: "previous", 3: "champion"}
    assert (first.reason, first.since) == ("version 2 took its place", entry_since(book, model, 2))


def entry_since(book, model, version):
    """When a version became champion, by the moves themselves."""
    rollout = [move for move in book.history(model) if move.action == "promote"][version - 1]
    return rollout.at


def test_a_version_that_a_person_refused(settings, model):
    version, dossier = registered(settings, model)
    answered(dossier, Outcome.PASS)
    refusal = answered(dossier, Outcome.FAIL, gate="risk_approval")
    found = entry(settings, model, version)
    assert (found.state, found.reason, found.since) == ("refused", "the gap is too wide", refusal.started_at)
    answered(dossier, Outcome.PASS, gate="risk_approval")
    assert entry(settings, model, version).state == "never rolled out"


@pytest.mark.parametrize(("tier", "until"), [("low", "2029-02-28"), ("medium", "2033-02-28"), ("high", "2038-03-01")])
def test_evidence_is_kept_as_long_as_the_stored_policy_s_tier_asks(settings, model, tier, until):
    at = "2028-02-29T23:59:59.000Z" if tier == "high" else "2028-02-28T10:00:00.000Z"
    version, dossier = registered(settings, model, tier=tier, at=at)
    found = entry(settings, model, version)
    assert (found.kept_until, found.registered_at, found.dossier) == (until, at, dossier.run_id)


def test_an_anniversary_is_never_before_the_day():
    assert years_after(date(2028, 2, 29), 4) == date(2032, 2, 29)
    assert years_after(date(2028, 2, 29), 1) == date(2029, 3, 1)


def test_an_unknown_model_or_version_names_those_there_are(settings, model):
    registered(settings, model)
    with pytest.raises(UserError, match=f'did you mean "{model}"'):
        catalogue(settings, model[:-1])
    with pytest.raises(UserError, match="known: 1"):
        entry(settings, model, 2)


def test_a_version_by_other_hands_is_unknown_and_hides_no_other(settings, model):
    _, dossier = registered(settings, model)
    client = dossier.client
    candidate = dossier.events("registration")[0].facts["candidate"]
    client.create_model_version(model, source=f"models:/{candidate}", model_id=candidate)
    found = catalogue(settings, model)
    assert [each.state for each in found] == ["never rolled out", "unknown"]
    assert "did not register it" in found[1].doubt
    with pytest.raises(EvidenceError):
        retire(settings, model, 2, reason="r", by="ann")
    with pytest.raises(EvidenceError):
        delete(settings, model, 2, today=date(2999, 1, 1))
    assert archive(settings).versions(model) == [1, 2]


class TestRetirement:
    def test_is_recorded_once_with_its_reason(self, settings, model):
        version, dossier = registered(settings, model)
        first = retire(settings, model, version, reason=" withdrawn source ", by="ann")
        again = retire(settings, model, version, reason="another", by="bob")
        assert again == first == dossier.events("retirement")[0]
        found = entry(settings, model, version)
        assert (found.state, found.reason, found.since) == ("retired", "withdrawn source", first.at)
        tags = dossier.client.get_model_version(model, str(version)).tags
        assert tags["assay.retired"] == "withdrawn source"

    def test_is_refused_while_the_version_is_in_use(self, settings, model):
        book = rollouts(settings)
        dossiers = [registered(settings, model)[1] for _ in range(3)]
        for version in (1, 2):
            promoted(book, begun(book, model, version))
        begun(book, model, 3)
        for version, state in ((1, "previous"), (2, "champion"), (3, "canary")):
            with pytest.raises(UserError) as raised:
                retire(settings, model, version, reason="", by="ann")
            assert [each.path for each in raised.value.problems] == [f"{model} version {version}", "--reason"]
            assert f"is {state}" in str(raised.value)
            assert dossiers[version - 1].events("retirement") == []

    def test_of_one_of_two_versions_of_a_dossier_leaves_the_other(self, settings, model):
        _, dossier = registered(settings, model)
        registered(settings, model, dossier=dossier)
        retire(settings, model, 2, reason="r", by="ann")
        assert states(settings, model) == {1: "never rolled out", 2: "retired"}
        retire(settings, model, 1, reason="r", by="ann")
        assert states(settings, model) == {1: "retired", 2: "retired"}


class TestDeletion:
    def test_waits_for_the_last_day_of_retention_and_names_it(self, settings, model):
        version, dossier = registered(settings, model, tier="high")
        last = date(2036, 1, 5)
        for today in (date(2026, 1, 6), last):
            with pytest.raises(UserError, match="under retention until 2036-01-05"):
                delete(settings, model, version, today=today)
        assert dossier.records()
        anchors = dossier.anchors.of(dossier.run_id)
        plan = plan_deletion(settings, model, version, today=date(2036, 1, 6))
        assert archive(settings).versions(model) == [version]
        assert delete(settings, model, version, today=date(2036, 1, 6)) == plan
        assert plan.with_run
        assert archive(settings).versions(model) == []
        assert dossier.client.get_run(dossier.run_id).info.lifecycle_stage == "deleted"
        assert dossier.anchors.of(dossier.run_id) == anchors
        assert catalogue(settings, model) == []
        with pytest.raises(UserError, match="no version of this model is registered"):
            delete(settings, model, version, today=date(2036, 1, 6))

    def test_can_be_taken_up_where_a_kill_left_it(self, settings, model):
        version, dossier = registered(settings, model)
        plan = plan_deletion(settings, model, version, today=date(2030, 1, 1))
        dossier.client.delete_logged_model(plan.candidate)
        dossier.client.delete_run(dossier.run_id)
        delete(settings, model, version, today=date(2030, 1, 1))
        assert archive(settings).versions(model) == []

    def test_is_refused_while_the_version_is_in_use(self, settings, model):
        version, _ = registered(settings, model)
        book = rollouts(settings)
        promoted(book, begun(book, model, version))
        with pytest.raises(UserError, match="is champion"):
            delete(settings, model, version, today=date(2999, 1, 1))

    def test_leaves_a_dossier_that_another_version_stands_on(self, settings, model):
        _, dossier = registered(settings, model)
        registered(settings, model, dossier=dossier, at="2027-06-01T00:00:00.000Z")
        assert not delete(settings, model, 1, today=date(2027, 7, 1)).with_run
        assert len(dossier.records()) == 2
        assert states(settings, model) == {2: "never rolled out"}
        assert delete(settings, model, 2, today=date(2029, 1, 1)).with_run

    def test_is_refused_when_the_stored_policy_was_changed(self, settings, model):
        version, dossier = registered(settings, model, tier="high")
        changed(dossier, "inputs/policy.yaml", b"risk_tier: high", b"risk_tier: low")
        assert entry(settings, model, version).kept_until is None
        with pytest.raises(EvidenceError, match="the stored policy is not the one that it was registered under"):
            delete(settings, model, version, today=date(2999, 1, 1))

    def test_is_refused_when_the_registration_was_set_back(self, settings, model):
        version, dossier = registered(settings, model, at="2026-01-05T10:00:00.000Z")
        (anchor,) = dossier.anchors.of(dossier.run_id)
        name = f"dossier/0001-registration-{anchor.digest}.json"
        changed(dossier, name, b"2026-01-05", b"2006-01-05")
        with pytest.raises(EvidenceError, match="was changed after it was written"):
            delete(settings, model, version, today=date(2026, 2, 1))
        assert archive(settings).versions(model) == [version]
