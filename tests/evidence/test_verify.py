"""A verification names every place that is not as it was recorded, and finds nothing in a version that is."""

import json
import random
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, insert
from tests.evidence.whole import added, changed, flipped, make_whole, missing, rewritten

from assay.core import Event, UnavailableError, UserError, sha256_file
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify import verify, whole
from assay.evidence.verify.report import MEANING
from assay.registry.archive import Archive
from assay.registry.dossier import EvidenceError
from assay.registry.keys import create_keys, rotate_keys
from assay.registry.sealed import Sealed, file_name
from assay.rollout.anchors import AnchorTable
from assay.rollout.database import writing
from assay.rollout.shipping import ship
from assay.rollout.tables import ANCHOR

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("verified")
    return replace(
        mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}", snapshots=str(home / "snapshots")
    )


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """A version with every kind of record; each test leaves it as it was."""
    return make_whole(settings, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(run):
    return run.folder.policy.model


@pytest.fixture(scope="module")
def files(settings, run):
    """The folder of the run's files on the server's disk."""
    return settings.home / "artifacts" / run.dossier.location


@pytest.fixture(scope="module")
def candidate(settings, run):
    return settings.home / "artifacts" / run.candidate.folder


def checked(run, **asked):
    return verify(archive(run.settings), run.folder.policy.model, 1, **{"patience": 0, **asked})


def found(run, **asked):
    return [str(each) for each in checked(run, **asked).findings]


def missed(run, tampered):
    """The changes, all made at once, of which no finding names the place; pairs of a context and the words to say."""
    with ExitStack() as stack:
        for change, _ in tampered:
            stack.enter_context(change)
        said = found(run)
    return [words for _, words in tampered if not any(all(word in each for word in words) for each in said)]


def missed_alone(run, tampered, chance, times=4):
    """The same of some of them, each the only change there is."""
    return [each for change in chance.sample(tampered, times) for each in missed(run, [change])]


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


def at(place):
    return lambda content: flipped(content, place)


def test_any_byte_of_any_record_counts(run, files):
    chance = random.Random(7)
    places = {
        "first": lambda _: 0,
        "last": lambda content: len(content) - 1,
        "signature": lambda content: content.rindex(b'"signature":"') + 13 + chance.randrange(86),
        "key": lambda content: content.index(b'"key":"') + 7 + chance.randrange(16),
        "any": lambda content: chance.randrange(len(content)),
        "other": lambda content: chance.randrange(len(content)),
    }
    stored = sorted((files / "dossier").glob("*.json"))
    for place in places.values():
        tampered = [(changed(file, at(place(file.read_bytes()))), [f"dossier/{file.name}: "]) for file in stored]
        assert missed(run, tampered) == []
    tampered = [(changed(file, at(place(file.read_bytes()))), [f"dossier/{file.name}: "]) for file in stored]
    assert missed_alone(run, tampered, chance) == []
    assert missed(run, [(missing(file), [f"dossier/{file.name}: is missing"]) for file in stored]) == []
    assert found(run) == []


def tags(client, run, model):
    """Each thing that has tags: what it has, and how to set and to delete one."""
    candidate = run.candidate.model_id
    run_id = run.dossier.run_id
    yield (
        f"run {run_id}", client.get_run(run_id).data.tags,
        lambda key, value: client.set_tag(run_id, key, value), lambda key: client.delete_tag(run_id, key),
    )  # fmt: skip
    yield (
        f"candidate {candidate}", client.get_logged_model(candidate).tags,
        lambda key, value: client.set_logged_model_tags(candidate, {key: value}),
        lambda key: client.delete_logged_model_tag(candidate, key),
    )  # fmt: skip
    yield (
        f"{model} version 1", client.get_model_version(model, "1").tags,
        lambda key, value: client.set_model_version_tag(model, "1", key, value),
        lambda key: client.delete_model_version_tag(model, "1", key),
    )  # fmt: skip


@contextmanager
def tagged(key, value, was, put, drop):
    put(key, value) if value is not None else drop(key)
    try:
        yield
    finally:
        put(key, was) if was is not None else drop(key)


def changed_tags(run, model):
    for where, present, put, drop in tags(run.dossier.client, run, model):
        for key, value in present.items():
            if key.startswith("assay."):
                other = value[:-1] + ("x" if value[-1:] != "x" else "y")
                yield tagged(key, other, value, put, drop), [where, f"tag {key}: is ", "recorded"]


def deleted_tags(run, model):
    for where, present, put, drop in tags(run.dossier.client, run, model):
        for key, value in present.items():
            if key.startswith("assay."):
                yield tagged(key, None, value, put, drop), [where, f"tag {key}: is missing"]


def test_any_tag_counts(run, model):
    extra = [
        (tagged(key, "1", None, put, drop), [where, f"tag {key}: is '1', and was never recorded"])
        for where, _, put, drop in tags(run.dossier.client, run, model)
        for key in ("assay.verdict.security", "assay.incident")
    ]
    assert missed(run, extra) == []
    assert missed(run, list(changed_tags(run, model))) == []
    assert missed(run, list(deleted_tags(run, model))) == []
    every = [*changed_tags(run, model), *deleted_tags(run, model)]
    assert len(every) > 60
    assert missed_alone(run, every, random.Random(19), times=6) == []
    assert found(run) == []


def test_any_byte_of_the_model_counts(run, candidate):
    chance = random.Random(11)
    every = [file for file in candidate.rglob("*") if file.is_file()]
    assert {file.name for file in every} >= {"model.onnx", "model.sig", "MLmodel", "model.skops"}

    def named(file):
        return file.relative_to(candidate).as_posix()

    def turned():
        return [(changed(f, at(chance.randrange(f.stat().st_size))), [f"{named(f)}: has SHA-256"]) for f in every]

    extra = [candidate / "hook.py", candidate / "reference" / "other.skops"]
    assert missed(run, turned()) == []
    assert missed_alone(run, turned(), chance) == []
    assert missed(run, [(changed(f, lambda whole: whole[:-1]), [f"{named(f)}: has SHA-256"]) for f in every]) == []
    assert missed(run, [(missing(file), [f"{named(file)}: is missing"]) for file in every]) == []
    assert missed(run, [(added(file), [f"{named(file)}: was added"]) for file in extra]) == []


def test_any_byte_of_the_copies_and_of_the_card_counts(run, files):
    chance = random.Random(13)
    every = [file for folder in ("inputs", "card") for file in sorted((files / folder).iterdir())]

    def named(file):
        return f"{file.parent.name}/{file.name}"

    def turned():
        return [(changed(f, at(chance.randrange(f.stat().st_size))), [f"{named(f)}: has SHA-256"]) for f in every]

    assert missed(run, turned()) == []
    assert missed_alone(run, turned(), chance) == []
    assert missed(run, [(missing(file), [f"{named(file)}: is missing"]) for file in every]) == []
    extra = [files / "inputs" / "more.md", files / "card" / "more.md"]
    assert missed(run, [(added(file), [f"{named(file)}: was added"]) for file in extra]) == []
    broken = changed(files / "inputs" / "assay.zip", lambda _: b"PK")
    assert missed(run, [(broken, ["inputs/assay.zip: is not an archive"])]) == []


def test_any_byte_of_the_data_counts(run, model):
    chance = random.Random(17)
    folder = Path(run.settings.snapshots) / model
    (manifest,) = (folder / "manifests").glob("*.json")
    parquet = folder / json.loads(manifest.read_bytes())["files"][0]["path"]
    for file in (manifest, parquet):
        for place in [0, *(chance.randrange(file.stat().st_size) for _ in range(4))]:
            assert missed(run, [(changed(file, at(place)), [f"{file}: has SHA-256"])]) == []
        assert missed(run, [(missing(file), [f"{file}: is missing"])]) == []
    assert missed(run, [(changed(manifest, lambda _: b"[]"), [f"{manifest}: is not a manifest"])]) == []


def test_data_and_manifest_changed_together_are_found(run, model):
    folder = Path(run.settings.snapshots) / model
    (manifest,) = (folder / "manifests").glob("*.json")
    told = json.loads(manifest.read_bytes())
    parquet = folder / told["files"][0]["path"]
    table = pq.read_table(parquet)
    x = table["x"].to_pylist()
    with changed(parquet, lambda whole: whole), changed(manifest, lambda whole: whole):
        pq.write_table(table.set_column(table.column_names.index("x"), "x", [[x[0] + 1e-9, *x[1:]]]), parquet)
        told["files"][0]["sha256"] = sha256_file(parquet)
        manifest.write_text(json.dumps(told, indent=2))
        said = found(run)
        assert any(each.startswith(f"{manifest}: has SHA-256") for each in said)
        assert any(each.startswith(f"{parquet.parent}: holds rows with the digest") for each in said)


def test_what_mlflow_shows_otherwise_than_recorded_is_named(run, model):
    database, run_id = run.settings.home / "mlflow.db", run.dossier.run_id
    candidate = run.candidate.model_id

    def sql(statement, *values):
        return rewritten(database, statement, *values)

    where = "run_uuid = ?"
    tampered = [
        (sql(f"UPDATE params SET value = '9' WHERE {where} AND key = 'seed'", run_id), ["parameter seed: is '9'"]),
        (sql(f"UPDATE latest_metrics SET value = 9 WHERE {where}", run_id), ["metric holdout_rows: is '9'"]),
        (sql("UPDATE model_versions SET source = 'models:/m-0' WHERE name = ?", model), ["source: is 'models:/m-0'"]),
        (sql("UPDATE model_versions SET run_id = 'r' WHERE name = ?", model), ["run_id: is 'r'"]),
        (sql("UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE name = ?", model), ["was deleted"]),
        (sql(f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {where}", run_id), [f"run {run_id}", "was deleted"]),
        (
            sql("UPDATE logged_models SET source_run_id = 'r' WHERE model_id = ?", candidate),
            [f"candidate {candidate}: run_id: is 'r'"],
        ),
        (
            sql("UPDATE logged_models SET lifecycle_stage = 'deleted' WHERE model_id = ?", candidate),
            [f"candidate {candidate}", "was deleted"],
        ),
    ]
    assert [each for change in tampered for each in missed(run, [change])] == []


def test_rows_of_the_operations_database_changed_by_hand_are_named(run):
    database = run.settings.operations_db.removeprefix("sqlite:///")
    last = AnchorTable(rollouts(run.settings).engine).last()
    changes = {
        "seq": last.seq + 1, "dossier": "other", "model": "other", "number": 99, "kind": "other", "operation": "other",
        "digest": "0" * 64, "at": "no time", "chain": "0" * 64,
    }  # fmt: skip
    tampered = [
        (rewritten(database, f"UPDATE anchor SET {column} = ? WHERE seq = 4", value), ["anchor table: anchor 4 "])
        for column, value in changes.items()
    ]
    tampered += [
        (rewritten(database, "DELETE FROM anchor WHERE seq = 4"), ["anchor 4 is missing"]),
        (rewritten(database, "UPDATE move SET evidence = '{}'"), ["move", "evidence_sha256"]),
        (rewritten(database, "UPDATE move SET to_stage = 'champion'"), ["move", "to_stage: is 'champion'"]),
        (rewritten(database, "DELETE FROM move"), ["move", "is recorded, but not in the operations database"]),
        (
            rewritten(database, "UPDATE rollout SET canary = replace(canary, 'model.onnx', 'other.onnx')"),
            ["rollout", "path: is", "other.onnx"],
        ),
    ]
    assert [each for change in tampered for each in missed(run, [change])] == []
    assert found(run) == []


def rewritten_chain(run, keyring, kind="request", **words):
    """The chain with other words in one of its events, signed anew throughout; what each file is to hold."""
    previous, files = None, {}
    for number, record in enumerate(replace(run).dossier.records(), 1):
        if isinstance(record, Event):
            facts = {**record.facts, **((words or {"reason": "ordered"}) if record.event == kind else {})}
            made = replace(record, facts=_renamed(facts, files), previous=previous)
        else:
            made = replace(record, previous=previous)
        files[record.digest] = (number, made, Sealed.make(run.dossier.run_id, number, made, keyring).to_bytes())
        previous = made.digest
    return list(files.values())


def _renamed(value, files):
    """The same facts, naming the rewritten records."""
    if isinstance(value, dict):
        return {key: _renamed(each, files) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, files) for each in value]
    return files[value][1].digest if isinstance(value, str) and value in files else value


@contextmanager
def stored(files, chain):
    """Those files in the place of the chain's."""
    folder = files / "dossier"
    whole = {file: file.read_bytes() for file in folder.iterdir()}
    for file in whole:
        file.unlink()
    for number, record, content in chain:
        (files / file_name(number, record.kind, record.digest)).write_bytes(content)
    try:
        yield
    finally:
        for file in folder.iterdir():
            file.unlink()
        for file, content in whole.items():
            file.write_bytes(content)


def test_a_chain_rewritten_as_a_whole_is_found_by_its_anchors(run, files, tmp_path):
    stolen = archive(run.settings).keyring
    for keyring in (create_keys(tmp_path / "fresh"), stolen):
        with stored(files, rewritten_chain(run, keyring)):
            report = checked(run)
        assert not report.sound
        assert any("dossier/0001-request-" in str(each) and "is missing" in str(each) for each in report.findings)
        assert len(report.notes) == len(run.dossier.anchors.of(run.dossier.run_id))


def test_a_record_signed_by_a_key_that_nobody_trusts_is_found(run, files, tmp_path):
    stranger = create_keys(tmp_path / "keys")
    for file in sorted((files / "dossier").glob("*.json")):
        sealed = Sealed.read(file.read_bytes())
        forged = Sealed.make(sealed.dossier, sealed.number, sealed.record, stranger).to_bytes()
        with changed(file, lambda _, forged=forged: forged):
            assert any(f"dossier/{file.name}: was signed by the unknown key" in each for each in found(run))


@contextmanager
def rewritten_anchors(run, chain):
    """Anchors for the chain, chained anew: what somebody with both the key and the database can do."""
    engine = rollouts(run.settings).engine
    digests = {(run.dossier.run_id, number): record.digest for number, record, _ in chain}
    whole = list(AnchorTable(engine).all())
    with writing(engine) as connection:
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.execute(delete(ANCHOR))
        last = None
        for anchor in whole:
            made = replace(anchor, digest=digests.get((anchor.dossier, anchor.number), anchor.digest))
            last = made.chained(last)
            connection.execute(insert(ANCHOR).values(replace(made, chain=last).to_dict()))
    try:
        yield
    finally:
        with writing(engine) as connection:
            connection.execute(delete(ANCHOR))
            connection.execute(insert(ANCHOR), [each.to_dict() for each in whole])
            for _, sql in triggers:
                connection.exec_driver_sql(sql)


def test_chain_and_anchors_rewritten_with_the_right_key_are_found_by_the_shipped_file_alone(run, files, tmp_path):
    shipped = tmp_path / "elsewhere" / "anchors.jsonl"
    ship(AnchorTable(rollouts(run.settings).engine), shipped)
    chain = rewritten_chain(run, archive(run.settings).keyring, kind="alias")
    was = run.dossier.tags()["assay.head"]
    number, record, _ = chain[-1]
    with stored(files, chain), rewritten_anchors(run, chain):
        run.dossier.tag({"assay.head": f"{number}:{record.digest}"})
        assert found(run) == []
        told = found(run, shipped=shipped)
        run.dossier.tag({"assay.head": was})
    assert told
    assert all(each.startswith(f"{shipped}: line {number}: is not the table's anchor of record") for each in told)
    assert checked(run, shipped=shipped).sound


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("registration", {"verdicts": {"performance": "0" * 64}}, "names a verdict of performance that was not given"),
        ("registration", {"policy_sha256": "0" * 64}, "says policy_sha256"),
        ("registration", {"sha256": "0" * 64}, "says sha256"),
        ("approval_request", {"head": "0" * 64}, "asks about a head that there was not"),
        ("waiver", {"reason": "because"}, "reviewer's signature: has a signature that the key"),
        ("waiver", {"owner": "somebody"}, "is not signed by its owner somebody"),
        ("waiver", {"verdict": "0" * 64}, "waives a verdict that was not given before"),
        ("snapshot", {"snapshot": "toy-0"}, "is about the snapshot"),
        ("request", {"policy_sha256": "0" * 64}, "is about the policy"),
        ("rollout", {"evidence_sha256": "0" * 64}, "evidence_sha256: is"),
        ("training", {"key": "0" * 16}, "was signed by the key"),
        ("training", {"sha256": "0" * 64}, "which this run did not train"),
    ],
)
def test_records_of_the_right_key_that_do_not_stand_on_each_other_are_found(run, files, kind, words, said):
    chain = rewritten_chain(run, archive(run.settings).keyring, kind, **words)
    with stored(files, chain), rewritten_anchors(run, chain):
        assert any(said in each for each in found(run))


def test_a_file_that_lags_behind_says_for_how_many_records_it_cannot_speak(run, tmp_path):
    shipped = tmp_path / "anchors.jsonl"
    ship(AnchorTable(rollouts(run.settings).engine), shipped)
    shipped.write_bytes(b"".join(shipped.read_bytes().splitlines(keepends=True)[:-2]))
    report = checked(run, shipped=shipped)
    assert report.sound
    assert [note for note in report.notes if "does not hold 2 records of this dossier yet" in note]


def test_a_write_that_never_ended_is_told_and_is_no_fault(run, files):
    with added(files / "dossier" / f"0099-fairness-{'0' * 64}.json"):
        report = checked(run)
    assert report.sound
    assert any("0099-fairness" in note and "named by no anchor" in note for note in report.notes)


def test_records_of_a_key_that_was_rotated_out_still_count(run, tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    for file in run.settings.keys.iterdir():
        (keys / file.name).write_bytes(file.read_bytes())
    table = AnchorTable(rollouts(run.settings).engine)
    later = Archive(replace(run.settings, keys=keys), table)
    rotate_keys(keys, after=table.last().seq)
    assert verify(later, run.folder.policy.model, 1, patience=0).sound
    early = json.loads((keys / "trusted.json").read_bytes())
    (keys / "trusted.json").write_text(json.dumps([{**key, "until": key["until"] and 3} for key in early]))
    said = verify(Archive(later.settings, table), run.folder.policy.model, 1, patience=0).findings
    assert [each for each in said if each.path.startswith("dossier/0004-") and "rotated out" in each.message]


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
