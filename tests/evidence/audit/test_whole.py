"""An audit from its first look to its last incident: what is wrong is said once however often it looks."""

import json
from dataclasses import replace

import pytest
from tests.evidence.audit.support import look, mark, shown, told
from tests.evidence.whole import rewritten
from tests.pipeline.moving import bad, to_the_last_stage, traffic
from tests.pipeline.support import approve, gateway, make_folder, make_run, walk

from assay.core import UnavailableError, UserError
from assay.evidence.audit import anchors, audit, close_incident
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify import verify
from assay.pipeline import promotion
from assay.pipeline.run import GateFailed
from assay.registry.archive import Archive
from assay.rollout.anchors import AnchorTable

pytestmark = pytest.mark.stack


def test_an_untouched_model_is_clean(run, model):
    found = look(run)
    assert (told(found), found.clean, found.closed, found.open) == ([], True, (), ())
    assert (found.models, found.versions, found.files_of, found.shipped) == ((model,), 1, 1, None)
    assert json.loads(json.dumps(found.to_dict()))["clean"] is True
    assert mark(run) is None


def test_an_incident_whose_cause_is_gone_is_closed_and_others_are_not(run, client, model, incidents):
    incidents.raise_(
        key=f"gateway:{model}:1", model=model, version=1, kind="refused", message="was refused", mend="look"
    )
    with shown(client, model, "champion", 1):
        (seen,) = look(run).seen
        assert mark(run).count(",") == 1
    found = look(run)
    assert [(each.id, each.closed_because) for each in found.closed] == [(seen.incident.id, "its cause is gone")]
    (other,) = found.open
    assert (other.kind, mark(run)) == ("refused", str(other.id))
    with pytest.raises(UserError, match="no incident 999 is open") as raised:
        close_incident(archive(run.settings), 999, by="auditor", reason=" ")
    assert [each.path for each in raised.value.problems] == ["--close", "--reason"]
    closed = close_incident(archive(run.settings), other.id, by="auditor", reason="a full disk")
    assert (closed.closed_by, closed.closed_because) == ("auditor", "a full disk")
    assert (incidents.open(model), mark(run)) == ([], None)


def test_anchors_are_checked_and_shipped_and_a_refusal_is_an_incident(run, tmp_path):
    shipping = replace(run.settings, anchors_file=tmp_path / "elsewhere" / "anchors.jsonl")
    opened = Archive(shipping, AnchorTable(rollouts(run.settings).engine))
    count = AnchorTable(rollouts(run.settings).engine).last().seq
    assert [audit(opened).shipped for _ in range(2)] == [count, 0]
    lines = shipping.anchors_file.read_bytes().splitlines(keepends=True)
    shipping.anchors_file.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    (seen,) = audit(opened).seen
    assert (seen.incident.kind, seen.incident.model) == ("anchors", anchors.EVERY_MODEL)
    assert f"{shipping.anchors_file}: line 1: is not the table's anchor" in seen.incident.message
    shipping.anchors_file.write_bytes(b"".join(lines))
    assert [each.id for each in audit(opened).closed] == [seen.incident.id]
    database = run.settings.operations_db.removeprefix("sqlite:///")
    with rewritten(database, "UPDATE anchor SET at = 'x' WHERE seq = 2"):
        kinds = [each.incident.key for each in audit(opened).seen]
        assert kinds[:2] == ["audit:anchors:table", "audit:anchors:shipped"]
    assert audit(opened).clean


def test_an_unknown_model_and_a_server_that_is_down_are_told(run, model):
    with pytest.raises(UserError, match="no such model"):
        audit(archive(run.settings), f"{model}x")
    away = Archive(replace(run.settings, tracking_uri="http://127.0.0.1:9"), AnchorTable(rollouts(run.settings).engine))
    with pytest.raises(UnavailableError):
        audit(away, model)


def test_a_whole_life_leaves_nothing_to_find(settings, tmp_path):
    folder = make_folder(tmp_path)
    model = folder.name
    with gateway(settings, model) as (reached, says):
        for seed in (1, 2, 3):
            run = make_run(settings, folder, run_key=f"retrain/{model}/{seed}", seed=seed)
            walk(run)
            approve(replace(run, pinned=False))
            run = replace(run, settings=reached, pinned=False)
            run.__dict__["says"] = says
            if seed < 3:
                to_the_last_stage(run)
                promotion.move(replace(run))
            else:
                promotion.begin(replace(run))
                traffic(run, bad, rows=400)
                with pytest.raises(GateFailed):
                    promotion.move(replace(run))
            found = audit(archive(settings), model, deep=True)
            assert (told(found), found.versions, found.files_of) == ([], seed, seed)
    assert run.dossier.client.get_registered_model(model).aliases == {"champion": "2", "previous": "1"}
    walk(make_run(settings, folder, run_key=f"retrain/{model}/1", seed=1), "fairness_gate")  # a task cleared long after
    assert told(audit(archive(settings), model)) == []
    for version in (1, 2, 3):
        report = verify(archive(settings), model, version, patience=0)
        assert ([str(each) for each in report.findings], report.notes) == ([], ())
