"""An audit finds what other hands changed, says it once however often it looks, and sets images back on command."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.evidence.whole import changed, flipped, make_whole, rewritten
from tests.pipeline.moving import bad, to_the_last_stage, traffic
from tests.pipeline.support import approve, gateway, make_folder, make_run, walk

from assay.core import UnavailableError, UserError
from assay.evidence.audit import aliases, audit, close_incident, versions, whole
from assay.evidence.opening import archive, model_lock, rollouts
from assay.evidence.verify import verify
from assay.pipeline import promotion
from assay.pipeline.run import GateFailed
from assay.registry.archive import Archive
from assay.rollout.anchors import AnchorTable
from assay.rollout.exclusive import exclusive
from assay.rollout.history import Served
from assay.rollout.incidents import Incidents

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("audited")
    return replace(
        mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}", snapshots=str(home / "snapshots")
    )


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """A version that is a canary in shadow; each test leaves MLflow as it was."""
    return make_whole(settings, tmp_path_factory.mktemp("models"))


@pytest.fixture
def model(run):
    return run.folder.policy.model


@pytest.fixture
def client(run):
    return run.dossier.client


@pytest.fixture
def incidents(run):
    return Incidents(rollouts(run.settings).engine)


@pytest.fixture(autouse=True)
def nothing_lags(monkeypatch):
    """The version is minutes young; most tests are about what is wrong for longer."""
    lag(monkeypatch, timedelta(0))


def lag(monkeypatch, time):
    for module in (aliases, versions):
        monkeypatch.setattr(module, "LAG", time)


def look(run, **asked):
    return audit(archive(run.settings), run.folder.policy.model, **asked)


def told(found):
    return [each.incident.message for each in found.seen]


def mark(run):
    tags = run.dossier.client.get_model_version(run.folder.policy.model, "1").tags
    return tags.get("assay.incident")


def restored(run):
    return [event.facts for event in replace(run).dossier.events("restoration")]


@contextmanager
def shown(client, model, alias, version):
    """An alias as other hands set it; as it was when the block ends."""
    was = client.get_registered_model(model).aliases.get(alias)
    set_alias(client, model, alias, version)
    try:
        yield
    finally:
        set_alias(client, model, alias, was)


def set_alias(client, model, alias, version):
    if version is None:
        client.delete_registered_model_alias(model, alias)
    else:
        client.set_registered_model_alias(model, alias, str(version))


def test_an_untouched_model_is_clean(run, model):
    found = look(run)
    assert (told(found), found.clean, found.closed, found.open) == ([], True, (), ())
    assert (found.models, found.versions, found.files_of, found.shipped) == ((model,), 1, 1, None)
    assert json.loads(json.dumps(found.to_dict()))["clean"] is True
    assert mark(run) is None


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

    mended = look(run, restore="auditor")
    assert mended.clean
    assert all(each.restored for each in mended.seen)
    assert client.get_registered_model(model).aliases == {"canary": "1"}
    assert [(each["alias"], each["was"], each["now"]) for each in restored(run)] == [
        ("best", 1, None),
        ("canary", None, 1),
        ("champion", 1, None),
    ]
    assert [each["incident"] for each in restored(run)] == [each.incident.id for each in first.seen]
    assert {event.by for event in replace(run).dossier.events("restoration")} == {"auditor"}
    assert incidents.open(model) == []
    assert mark(run) is None
    assert told(look(run)) == []
    assert verify(archive(run.settings), model, 1, patience=0).sound


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


def test_what_the_pipeline_is_about_to_publish_is_not_tampering(run, client, model, monkeypatch):
    lag(monkeypatch, timedelta(minutes=5))
    with shown(client, model, "canary", None):  # the row has moved a minute ago, the alias not yet
        assert told(look(run)) == []
        with shown(client, model, "champion", 1):
            assert told(look(run)) == ["@champion names version 1; by the rollouts it names nothing"]
        lag(monkeypatch, timedelta(0))
        assert told(look(run)) == ["@canary names nothing; by the rollouts it names version 1"]
    assert look(run).clean


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


def test_a_dossier_whose_run_is_gone_is_told_as_that(run, model):
    with rewritten(run.settings.home / "mlflow.db", "DELETE FROM runs WHERE run_uuid = ?", run.dossier.run_id):
        said = told(look(run))
    assert any(f"the run {run.dossier.run_id} is gone from MLflow" in each for each in said)
    assert not any("made by other hands" in each for each in said)
    assert look(run).clean


def test_anchors_are_checked_and_shipped_and_a_refusal_is_an_incident(run, tmp_path):
    shipping = replace(run.settings, anchors_file=tmp_path / "elsewhere" / "anchors.jsonl")
    opened = Archive(shipping, AnchorTable(rollouts(run.settings).engine))
    count = AnchorTable(rollouts(run.settings).engine).last().seq
    assert [audit(opened).shipped for _ in range(2)] == [count, 0]
    lines = shipping.anchors_file.read_bytes().splitlines(keepends=True)
    shipping.anchors_file.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    (seen,) = audit(opened).seen
    assert (seen.incident.kind, seen.incident.model) == ("anchors", whole.EVERY_MODEL)
    assert f"{shipping.anchors_file}: line 1: is not the table's anchor" in seen.incident.message
    shipping.anchors_file.write_bytes(b"".join(lines))
    assert [each.id for each in audit(opened).closed] == [seen.incident.id]
    database = run.settings.operations_db.removeprefix("sqlite:///")
    with rewritten(database, "UPDATE anchor SET at = 'x' WHERE seq = 2"):
        kinds = [each.incident.key for each in audit(opened).seen]
        assert kinds[:2] == ["audit:anchors:table", "audit:anchors:shipped"]
    assert audit(opened).clean


def test_aliases_are_compared_while_nobody_else_moves_them(run, model, monkeypatch):
    compare = whole.audit_aliases

    def held(*asked):
        with pytest.raises(UnavailableError), exclusive(rollouts(run.settings).engine, model_lock(model), seconds=0):
            pass
        return compare(*asked)

    monkeypatch.setattr(whole, "audit_aliases", held)
    assert look(run).clean


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
