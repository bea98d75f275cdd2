"""A verification finds nothing in a version that is as it was recorded, and refuses what it cannot verify."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.evidence.verify.support import checked

from assay.core import UnavailableError, UserError
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify import verify, whole
from assay.evidence.verify.report import MEANING
from assay.registry.archive import Archive
from assay.registry.dossier import EvidenceError
from assay.rollout.anchors import AnchorTable
from assay.rollout.shipping import ship

pytestmark = pytest.mark.stack


def test_an_untouched_version_verifies(run, tmp_path):
    ship(AnchorTable(rollouts(run.settings).engine), tmp_path / "anchors.jsonl")
    report = checked(run, shipped=tmp_path / "anchors.jsonl")
    assert [str(each) for each in report.findings] == []
    assert report.sound
    assert [check.name for check in report.checks] == list(MEANING)
    assert report.notes == ()
    assert report.head == run.dossier.head()
    kinds = {record.kind for record in replace(run).dossier.records()}
    assert kinds >= {"request", "snapshot", "training", "waiver", "registration", "card", "rollout", "alias"}
    assert json.loads(json.dumps(report.to_dict()))["sound"] is True


def test_a_version_that_there_is_not_is_told(run, model):
    with pytest.raises(UserError, match="no such version"):
        verify(archive(run.settings), model, 99)
    with pytest.raises(UserError, match="no version of this model is registered"):
        verify(archive(run.settings), "no_such_model", 1)


def test_a_version_made_by_other_hands_is_told(run, model):
    client, of = run.dossier.client, run.candidate.model_id
    made = client.create_model_version(model, f"models:/{of}", run.dossier.run_id, model_id=of)
    try:
        with pytest.raises(EvidenceError, match=f"{model} version {made.version}: no dossier registers it"):
            verify(archive(run.settings), model, int(made.version))
    finally:
        client.delete_model_version(model, made.version)


def test_without_a_server_nothing_is_verified(run, model):
    away = Archive(replace(run.settings, tracking_uri="http://127.0.0.1:9"), archive(run.settings).anchors)
    with pytest.raises(UnavailableError):
        verify(away, model, 1)


def test_progress_is_told(run):
    told = []
    checked(run, progress=lambda *step: told.append(step))
    assert {what for what, _, _ in told} == {"bytes of the snapshot", "rows of the snapshot"}
    assert all(0 < done <= total for _, done, total in told)


def test_a_writer_between_a_record_and_its_tags_is_waited_for(run, monkeypatch):
    head = run.dossier.tags()["assay.head"]
    run.dossier.tag({"assay.head": "0:not yet"})
    monkeypatch.setattr(whole, "_FRESH", timedelta(hours=1))
    monkeypatch.setattr("time.sleep", lambda _: run.dossier.tag({"assay.head": head}))
    assert checked(run, patience=5).sound
