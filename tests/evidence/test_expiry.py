"""Rows go when their time is over, unless something needs them; every dossier knows, and nobody takes it for a loss."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from tests.evidence.whole import apart
from tests.pipeline.moving import later, to_the_last_stage
from tests.pipeline.support import POLICY, approve, data, gateway, make_folder, make_run, walk

from assay.core import UserError
from assay.evidence import expiry
from assay.evidence.audit import audit
from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.evidence.verify import verify
from assay.pipeline import promotion, steps
from assay.registry.dossier import Dossier, EvidenceError
from assay.registry.lineage import close_run

pytestmark = pytest.mark.stack
OVER = datetime.now(UTC).date() + timedelta(days=4)
SMALL = {**POLICY["gates"], "contract": {"on_inconclusive": "review"}}  # too few rows to tell a shift from none


@pytest.fixture
def run(mlflow_server, tmp_path):
    """A run that is yet to begin, of data that may be kept for three days."""
    settings = apart(mlflow_server, tmp_path)
    return make_run(settings, make_folder(tmp_path, data={**POLICY["data"], "keep_days": 3}, gates=SMALL))


def expire(run, **asked):
    return expiry.expire(run.settings, run.folder.policy.model, today=OVER, by="night", **asked)


def model_of(run):
    return run.folder.policy.model


def snapshot_of(run):
    return replace(run).dossier.events("snapshot")[0].facts["snapshot"]


def rows_of(run):
    return list(Path(run.settings.snapshots, model_of(run)).rglob("*.parquet"))


def checked(run, version=1):
    return verify(archive(run.settings), model_of(run), version, patience=0)


def told(run):
    return [each.deviation.message for each in audit(archive(run.settings)).seen if each.deviation.kind == "snapshot"]


def finished(run):
    """A registered version whose run has come to its end."""
    walk(run)
    close_run(replace(run).dossier, succeeded=False)
    return run


def promoted(run):
    """A version that serves."""
    walk(run)
    approve(replace(run, pinned=False))
    with gateway(run.settings, model_of(run)) as (reached, says):
        moving = replace(run, settings=reached, pinned=False)
        moving.__dict__["says"] = says
        to_the_last_stage(moving)
        promotion.move(later(moving))
    return run


def test_a_run_at_work_is_left_in_peace_and_one_that_ended_keeps_nothing(run):
    walk(run, "snapshot")
    for also in (False, True):
        (kept,) = expire(run, also_serving=also).kept
        assert "a run is at work with it" in kept.needs[0].reason
    walk(run, "data_validation", "training", "performance_gate", "fairness_gate", "robustness_gate", "registration")
    assert expire(run, also_serving=True).deleted == ()
    close_run(replace(run).dossier, succeeded=False)
    (deleted,) = expire(run).deleted
    assert (deleted.snapshot, deleted.by, rows_of(run)) == (snapshot_of(run), "night", [])
    (event,) = replace(run).dossier.events("expiry")
    assert (event.by, event.at, event.facts) == ("night", deleted.at, deleted.facts())
    found = checked(run)
    assert found.sound, found.findings
    assert [note for note in found.notes if "its rows were deleted on" in note and "no verdict" in note]
    assert told(run) == []
    with pytest.raises(EvidenceError, match=r"its rows were deleted on .* as data\.keep_days asked"):
        replay(archive(run.settings), model_of(run), 1)
    assert expire(run) == expiry.Expired(deleted=(), kept=(), strays=())


def test_what_the_champion_was_made_from_goes_only_when_that_is_asked_for(run):
    promoted(run)
    (kept,) = expire(run).kept
    assert kept.needs[0].reason.startswith("the champion, version 1, was made from it")
    assert rows_of(run)
    (deleted,) = expire(run, also_serving=True).deleted
    assert checked(run).sound
    second = make_run(run.settings, run.folder.path, run_key=f"retrain_{model_of(run)}/second")
    pq.write_table(data(seed=1), run.folder.path / "data.parquet")
    walk(second)
    facts = replace(second).dossier.events("snapshot")[0].facts
    assert (facts["reference"], deleted.sentence in facts["reference_lost"]) == (None, True)
    checks = {check.name: check for check in replace(second).dossier.verdicts()[0].checks}
    assert (str(checks["shift"].outcome), checks["shift"].severity) == ("INCONCLUSIVE", "warning")
    assert deleted.sentence in checks["shift"].reason
    found = replay(archive(run.settings), model_of(run), 2)
    assert found.agrees, found.to_dict()


def test_what_is_wrong_with_how_rows_went_is_found(run, monkeypatch):
    finished(run)
    _vanished(run)
    _overdue(run, monkeypatch)
    _killed(run, monkeypatch)
    _forged(run)


def _vanished(run):
    assert told(run) == []
    (rows,) = rows_of(run)
    away = rows.rename(rows.with_suffix(".away"))
    (lost,) = told(run)
    assert "is missing, and no tombstone says that it was deleted" in lost
    away.rename(rows)
    _lost_its_manifest(run, rows)


def _lost_its_manifest(run, rows):
    """Rows without a manifest that a dossier knows are no remains of a killed taking: they are wanted back."""
    (manifest,) = Path(run.settings.snapshots).rglob("manifests/*.json")
    whole = manifest.read_bytes()
    stray = rows.with_name(f"{model_of(run)}-0123456789abcdef-00000.parquet")
    stray.write_bytes(b"")
    other = manifest.with_name(f"{model_of(run)}-fedcba9876543210.json")
    other.write_bytes(whole.replace(manifest.stem.encode(), other.stem.encode()).replace(b"-00000.", b"-00001."))
    manifest.unlink()
    planned = expiry.plan(run.settings, today=OVER - timedelta(days=2))
    manifest.write_bytes(whole)
    other.unlink()
    stray.unlink()
    assert planned.strays == (str(stray),)


def _overdue(run, monkeypatch):
    assert told(run) == []
    with monkeypatch.context() as patched:
        patched.setattr("assay.evidence.audit.snapshots._GRACE", timedelta(days=-6))  # six days from now
        (late,) = told(run)
    assert late.startswith(f"{snapshot_of(run)}: its rows might be kept until")


def _killed(run, monkeypatch):
    """Between the files and the dossier: it is found, and ended by doing it again."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Dossier, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            expire(run)
        patched.setattr("assay.evidence.audit.snapshots.LAG", timedelta())
        (unrecorded,) = told(run)
    assert "the dossier of version 1 does not record it" in unrecorded
    (finding,) = checked(run).findings
    assert "the dossier records no deletion" in finding.message
    assert expiry.plan(run.settings, today=OVER).begun
    (ended,) = expire(run).deleted
    assert ended.by == "night"
    assert checked(run).sound
    assert len(replace(run).dossier.events("expiry")) == 1
    assert expire(run).deleted == ()
    dossier = replace(run).dossier
    dossier.tag({"assay.head": "0:0"})  # as a kill between the record and its tags leaves it
    (shown,) = expire(run).deleted
    assert (shown, checked(run).sound) == (ended, True)


def _forged(run):
    (stone,) = Path(run.settings.snapshots).rglob("expired/*.json")
    stone.write_text(stone.read_text().replace('"by": "night"', '"by": "nobody"'))
    assert "says something else of the deletion" in checked(run).findings[0].message
    stone.unlink()
    assert [each for each in checked(run).findings if "is missing" in each.message]
    assert [each for each in told(run) if "no tombstone says that it was deleted" in each]


def test_the_same_rows_taken_anew_do_not_bring_back_those_of_an_earlier_run(run):
    finished(run)
    expire(run)
    second = finished(make_run(run.settings, run.folder.path, run_key=f"retrain_{model_of(run)}/second"))
    assert snapshot_of(second) == snapshot_of(run)
    assert checked(run).sound
    assert checked(second, 2).sound
    with pytest.raises(EvidenceError, match="the same rows were taken anew since, under terms of their own"):
        replay(archive(run.settings), model_of(run), 1)
    assert replay(archive(run.settings), model_of(run), 2).agrees


def test_rows_deleted_while_a_run_opens_them_are_refused_before_it_goes_on(run, monkeypatch):
    finished(run)
    again = make_run(
        run.settings, run.folder.path, run_key=f"retrain_{model_of(run)}/second", snapshot=snapshot_of(run)
    )
    take = steps._take_snapshot

    def overtaken(asked):
        taken = take(asked)
        expire(run)
        return taken

    monkeypatch.setattr(steps, "_take_snapshot", overtaken)
    with pytest.raises(UserError, match="its rows were deleted on"):
        walk(again, "snapshot")
    assert replace(again).dossier.events("snapshot") == []


def test_a_run_records_its_own_taking_of_rows_that_were_taken_before(run):
    finished(run)
    changed = {**POLICY["data"], "keep_days": 30, "purpose": "marketing"}
    folder = run.folder.path
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump({**yaml.safe_load(policy.read_text()), "data": changed}))
    second = finished(make_run(run.settings, folder, run_key=f"retrain_{model_of(run)}/second"))
    one, other = (replace(each).dossier.events("snapshot")[0].facts for each in (run, second))
    assert (one["snapshot"], one["manifest_sha256"]) == (other["snapshot"], other["manifest_sha256"])
    assert (one["purpose"], other["purpose"], other["taking"]["purpose"]) == ("", "marketing", "marketing")
    assert other["taking"]["extracted_at"] > one["taking"]["extracted_at"]
    assert other["taking"]["keep_until"] > one["taking"]["keep_until"]
    assert expire(run).deleted == ()
    assert checked(run).sound
    assert checked(second, 2).sound
    (file,) = Path(run.settings.snapshots).rglob("takings/*/*.json")
    file.write_text(file.read_text().replace('"marketing"', '"research"'))
    assert checked(run).sound
    (finding,) = checked(second, 2).findings
    assert "none of the snapshot's takings is the recorded one" in finding.message
