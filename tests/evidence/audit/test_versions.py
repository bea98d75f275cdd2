"""Versions, tags, files and dossiers that other hands changed are told."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.evidence.audit.support import lag, look, mark, told
from tests.evidence.whole import changed, flipped, rewritten

from assay.evidence.audit import versions, whole
from assay.evidence.opening import archive
from assay.evidence.verify import verify

pytestmark = pytest.mark.stack


def test_tags_changed_by_other_hands_are_set_back(run, client, model):
    run_id, candidate = run.dossier.run_id, run.candidate.model_id
    before = (
        client.get_run(run_id).data.tags, client.get_logged_model(candidate).tags,
        client.get_model_version(model, "1").tags,
    )  # fmt: skip
    client.set_tag(run_id, "assay.reason", "ordered")
    client.delete_tag(run_id, "assay.run_key")
    client.set_logged_model_tags(candidate, {"assay.verdict.performance": "PASS " + "0" * 64})
    client.delete_model_version_tag(model, "1", "assay.dossier")
    client.set_model_version_tag(model, "1", "assay.verdict.security", "PASS")
    client.set_model_version_tag(model, "1", "assay.incident", "7")
    client.set_model_version_tag(model, "1", "team", "their own")
    found = look(run)
    places = [
        f"run {run_id}: the tag assay.reason is 'ordered', recorded 'new | data'",
        f"run {run_id}: the tag assay.run_key is missing",
        f"candidate {candidate}: the tag assay.verdict.performance is 'PASS 000",
        "version 1: the tag assay.dossier is missing",
        "version 1: the tag assay.incident is '7', and was never recorded",
        "version 1: the tag assay.verdict.security is 'PASS', and was never recorded",
    ]
    assert [message.startswith(place) for message, place in zip(told(found), places, strict=True)] == [True] * 6
    client.delete_tag(run_id, "assay.head")  # what is recorded first, a restoration too, must not come out wrong
    assert look(run, restore="auditor").clean
    assert told(look(run)) == []
    after = (
        client.get_run(run_id).data.tags, client.get_logged_model(candidate).tags,
        client.get_model_version(model, "1").tags,
    )  # fmt: skip
    client.delete_model_version_tag(model, "1", "team")
    assert after[0] == {**before[0], "assay.head": after[0]["assay.head"]}
    assert after[1:] == (before[1], {**before[2], "team": "their own"})
    assert verify(archive(run.settings), model, 1, patience=0).sound


def test_tags_of_the_latest_records_may_lag_and_others_may_not(run, client, model, monkeypatch):
    run_id = run.dossier.run_id
    last = replace(run).dossier.records()
    head = client.get_run(run_id).data.tags["assay.head"]
    client.set_tag(run_id, "assay.head", f"{len(last) - 1}:{last[-2].digest}")
    lag(monkeypatch, timedelta(hours=1))
    assert told(look(run)) == []
    client.set_tag(run_id, "assay.head", "3:other")
    assert [each for each in told(look(run)) if "assay.head" in each]
    client.set_tag(run_id, "assay.head", head)
    assert look(run).clean


def test_versions_of_other_hands_are_told(run, client, model, monkeypatch):
    of = run.candidate.model_id
    made = client.create_model_version(model, f"models:/{of}", run.dossier.run_id, model_id=of)
    message = f"version {made.version} was made by other hands: no dossier registers it"
    assert told(look(run)) == [message]
    lag(monkeypatch, timedelta(minutes=5))
    assert told(look(run)) == [message]  # a registration says at once whose it is
    client.set_model_version_tag(model, made.version, "assay.dossier", run.dossier.run_id)
    assert told(look(run)) == []
    client.delete_model_version(model, made.version)
    assert look(run).clean


def test_versions_that_are_gone_or_lead_elsewhere_are_told(run, model, monkeypatch):
    database, columns = run.settings.home / "mlflow.db", "name = ?"
    with rewritten(database, f"UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE {columns}", model):
        said = told(look(run))
        assert said[0] == f"version 1 was deleted from MLflow; the dossier {run.dossier.run_id} registered it"
        monkeypatch.setattr(versions, "kept_until", lambda *_: (date(2020, 1, 1), ""))
        assert not any("was deleted" in each for each in told(look(run)))
    with rewritten(database, f"UPDATE model_versions SET source = 'models:/m-0' WHERE {columns}", model):
        assert any("source: is 'models:/m-0'" in each for each in told(look(run)))
    statement = "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?"
    with rewritten(database, statement, run.dossier.run_id):
        (seen,) = look(run).seen
        assert seen.incident.message == f"the run {run.dossier.run_id} was deleted from MLflow"
    assert look(run).clean


def test_files_of_what_serves_are_compared_and_of_others_on_demand(run, model, monkeypatch):
    onnx = run.settings.home / "artifacts" / run.candidate.path
    with changed(onnx, lambda content: flipped(content, 100)):
        (seen,) = look(run).seen
        assert (seen.incident.kind, seen.incident.version) == ("file", 1)
        assert f"{run.candidate.path}: has SHA-256" in seen.incident.message
        assert mark(run) == str(seen.incident.id)
        monkeypatch.setattr(whole, "_serving", lambda *_: set())
        cheap = look(run)
        assert (cheap.seen, cheap.closed) == ((), ())  # not looked at is not mended
        assert [each.id for each in cheap.open] == [seen.incident.id]
        (again,) = look(run, deep=True).seen
        assert again.incident.id == seen.incident.id
    (closed,) = look(run, deep=True).closed
    assert closed.id == seen.incident.id


def test_a_dossier_that_was_changed_is_told_and_its_tags_are_not_compared(run, client, model):
    folder = run.settings.home / "artifacts" / run.dossier.location / "dossier"
    (record,) = folder.glob("0005-*.json")
    client.set_tag(run.dossier.run_id, "assay.reason", "ordered")
    with changed(record, lambda content: content.replace(b'"outcome":"FAIL"', b'"outcome":"PASS"')):
        (seen,) = look(run, restore="auditor").seen
    assert (seen.incident.kind, seen.restored) == ("dossier", False)
    assert f"dossier/{record.name}: was changed after it was written" in seen.incident.message
    found = look(run, restore="auditor")
    assert [each.incident.kind for each in found.seen] == ["tag"]
    assert [each.kind for each in found.closed] == ["dossier"]


def test_a_dossier_whose_run_is_gone_is_told_as_that(run, model):
    with rewritten(run.settings.home / "mlflow.db", "DELETE FROM runs WHERE run_uuid = ?", run.dossier.run_id):
        said = told(look(run))
    assert any(f"the run {run.dossier.run_id} is gone from MLflow" in each for each in said)
    assert not any("made by other hands" in each for each in said)
    assert look(run).clean


def test_anchors_that_were_cut_short_are_told_and_no_tag_is_set_back(run, client):
    database = run.settings.operations_db.removeprefix("sqlite:///")
    dossier = replace(run).dossier
    head, last = dossier.tags()["assay.head"], dossier.anchors.of(dossier.run_id)[-1]
    for first in (last.seq, last.seq - 1):
        with rewritten(database, f"DELETE FROM anchor WHERE seq >= {first}"):
            (seen,) = [each for each in look(run, restore="auditor").seen if each.incident.kind == "anchors"]
            assert f"{last.number - (last.seq - first):04d}-" in seen.incident.message
            assert "was anchored once, and no anchor names it any more" in seen.incident.message
            assert client.get_run(run.dossier.run_id).data.tags["assay.head"] == head
            report = verify(archive(run.settings), run.folder.policy.model, 1)
            assert next(each.name for each in report.checks if each.findings) == "records"
    assert look(run).clean
