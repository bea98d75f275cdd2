"""Aliases and rows that other hands moved are told, and aliases set back on command."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.evidence.audit.support import lag, look, mark, restored, shown, told
from tests.evidence.whole import rewritten

from assay.core import UnavailableError
from assay.evidence.audit import aliases, whole
from assay.evidence.opening import archive, model_lock, rollouts
from assay.evidence.verify import verify
from assay.rollout.exclusive import exclusive
from assay.rollout.history import Served

pytestmark = pytest.mark.stack


def test_aliases_moved_by_other_hands_are_told_once_and_set_back(run, client, model, incidents):
    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "best", "1")
    client.delete_registered_model_alias(model, "canary")
    first, second = look(run), look(run)
    assert not first.clean
    assert told(first) == [
        "@best names version 1; by the rollouts it names nothing",
        "@canary names nothing; by the rollouts it names version 1",
        "@champion names version 1; by the rollouts it names nothing",
    ]
    assert [each.incident.id for each in second.seen] == [each.incident.id for each in first.seen]
    assert {each.incident.sightings for each in second.seen} == {2}
    assert [each.incident.first_seen for each in second.seen] == [each.incident.first_seen for each in first.seen]
    assert all("--restore" in each.incident.mend for each in first.seen)
    assert mark(run) == ",".join(str(each.incident.id) for each in first.seen)
    assert verify(archive(run.settings), model, 1, patience=0).sound  # the mark is expected

    before = len(restored(run))
    mended = look(run, restore="auditor")
    assert mended.clean
    assert all(each.restored for each in mended.seen)
    assert client.get_registered_model(model).aliases == {"canary": "1"}
    assert [(each["alias"], each["was"], each["now"]) for each in restored(run)[before:]] == [
        ("best", 1, None),
        ("canary", None, 1),
        ("champion", 1, None),
    ]
    assert [each["incident"] for each in restored(run)[before:]] == [each.incident.id for each in first.seen]
    assert {event.by for event in replace(run).dossier.events("restoration")[before:]} == {"auditor"}
    assert incidents.open(model) == []
    assert mark(run) is None
    assert told(look(run)) == []
    assert verify(archive(run.settings), model, 1, patience=0).sound


def test_a_restoration_that_was_killed_is_done_again_and_recorded_once(run, client, model, monkeypatch):
    client.set_registered_model_alias(model, "champion", "1")
    count = len(restored(run))

    def killed(*_):
        raise UnavailableError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(aliases, "point_alias", killed)
        with pytest.raises(UnavailableError, match="killed"):
            look(run, restore="auditor")
    assert client.get_registered_model(model).aliases == {"canary": "1", "champion": "1"}
    assert look(run, restore="auditor").clean
    assert client.get_registered_model(model).aliases == {"canary": "1"}
    assert len(restored(run)) == count + 1


def test_what_the_pipeline_is_about_to_publish_is_not_tampering(run, client, model, monkeypatch):
    lag(monkeypatch, timedelta(minutes=5))
    with shown(client, model, "canary", None):  # the row has moved a minute ago, the alias not yet
        assert told(look(run)) == []
        with shown(client, model, "champion", 1):
            assert told(look(run)) == ["@champion names version 1; by the rollouts it names nothing"]
        lag(monkeypatch, timedelta(0))
        assert told(look(run)) == ["@canary names nothing; by the rollouts it names version 1"]
    assert look(run).clean


def test_aliases_are_compared_while_nobody_else_moves_them(run, model, monkeypatch):
    compare = whole.audit_aliases

    def held(*asked):
        with pytest.raises(UnavailableError), exclusive(rollouts(run.settings).engine, model_lock(model), seconds=0):
            pass
        return compare(*asked)

    monkeypatch.setattr(whole, "audit_aliases", held)
    assert look(run).clean


def test_a_row_changed_by_hand_is_told(run, model):
    database = run.settings.operations_db.removeprefix("sqlite:///")
    cases = {
        "canary = NULL": "its canary is none, by the moves version 1",
        "champion = canary": "its champion is version 1, by the moves none",
        "canary = replace(canary, 'model.onnx', 'other.onnx')": "it serves version 1 from ",
    }
    for change, message in cases.items():
        with rewritten(database, f"UPDATE deployment SET {change}"):
            assert any(f"row was changed by hand: {message}" in each for each in told(look(run)))
    assert look(run).clean


def test_moves_and_rollouts_rewritten_by_hand_are_told(run):
    database = run.settings.operations_db.removeprefix("sqlite:///")
    cases = {
        "UPDATE move SET evidence = replace(evidence, 'reviewer', 'nobody')": "evidence_sha256: is ",
        "UPDATE move SET at = '2020-01-01T00:00:00.000Z'": "moved_at: is '2020",
        "UPDATE rollout SET state = 'champion'": "state: is 'champion', by the moves 'shadow'",
    }
    for statement, message in cases.items():
        with rewritten(database, statement):
            assert any(message in each for each in told(look(run)))
            assert not verify(archive(run.settings), run.folder.policy.model, 1).sound
    assert look(run).clean


def spell(version, role, since, until=None):
    return Served(
        version=version, digest=None, role=role, share=0, since=f"2026-03-01T{since}Z", action="begin", run_key="",
        until=None if until is None else f"2026-03-01T{until}Z", rollout_id=1, approved_by=(), dossier=None, head=None,
    )  # fmt: skip


def test_what_aliases_should_have_said_follows_from_the_moves():
    story = [
        spell(1, "canary", "10:00:00", "11:00:00"),
        spell(1, "champion", "11:00:00", "13:00:00"),
        spell(2, "canary", "12:00:00", "13:00:00"),
        spell(2, "champion", "13:00:00", "15:00:00"),
        spell(1, "canary", "14:00:00", "15:00:00"),
        spell(1, "champion", "15:00:00"),
    ]
    expected = {
        9: {},
        10: {"canary": 1},
        11: {"champion": 1},
        12: {"champion": 1, "canary": 2},
        13: {"champion": 2, "previous": 1},
        14: {"champion": 2, "previous": 1, "canary": 1},
        15: {"champion": 1, "previous": 2},
    }
    for hour, wanted in expected.items():
        assert aliases.served_aliases(story, datetime(2026, 3, 1, hour, 30, tzinfo=UTC)) == wanted
