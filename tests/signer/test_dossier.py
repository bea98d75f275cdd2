"""A task's dossier in MLflow, written through the signer: races, crashes and refusals as a task meets them."""

import threading
from dataclasses import replace

import pytest
from tests.registry.support import SUBJECT, candidate_of, event, fresh_name, verdict
from tests.registry.test_signing import stock
from tests.signer.support import Chain, installation, journal_of, process, serving_here

from assay.core import UnavailableError, UserError
from assay.registry.archive import Archive
from assay.registry.artifacts import fetch_folder
from assay.registry.candidates import log_candidate, read_candidate
from assay.registry.keys import Keyring, rotate_keys
from assay.registry.private_keys import KeyFiles
from assay.registry.signer_client import NotNextError, RefusedError
from assay.rollout import AnchorTable, open_database

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),  # MLflow's own code
    pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto:DeprecationWarning"),  # protobuf's
]


@pytest.fixture
def settings(mlflow_server, tmp_path):
    return installation(tmp_path, tracking_uri=mlflow_server.tracking_uri)


@pytest.fixture
def dossier(settings):
    engine = open_database(settings.operations_db)
    yield Archive(settings, AnchorTable(engine)).open(model=fresh_name(), run_key="retrain/1")
    engine.dispose()


def test_a_run_s_records_and_model_are_signed_elsewhere(settings, dossier, tmp_path):
    with serving_here(settings):
        for record in (lambda: dossier.record(event()), lambda: dossier.append(verdict("contract", model=None))):
            record()
        candidate = log_candidate(settings, dossier, **candidate_of(dossier))
        dossier.append(verdict(about=replace(SUBJECT, model=candidate.digest)))
    assert [each["kind"] for each in journal_of(settings)] == [
        "event snapshot", "verdict contract", "model", "verdict performance",
    ]  # fmt: skip
    assert [record.kind for record in dossier.records()] == ["snapshot", "contract", "performance"]
    read = read_candidate(settings, candidate)
    for name, content in fetch_folder(settings, candidate.folder).items():
        file = tmp_path / "downloaded" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    verified = stock(tmp_path / "downloaded", pem=Keyring.open(settings.keys).model_public_keys[read.key])
    assert (verified.returncode, verified.stdout.strip()) == (0, "Verification succeeded"), verified.stderr


def test_writers_at_once_all_get_their_place(settings, dossier):
    done = []
    with serving_here(settings):
        threads = [
            threading.Thread(target=lambda name=name: done.append(dossier.record(event(operation=name))))
            for name in ("a", "b", "c", "a", "d", "a")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(done) == 6
    assert sorted(each.operation for each in dossier.events()) == ["a", "b", "c", "d"]


def test_a_writer_who_reads_before_another_writes_reads_again(settings, dossier, monkeypatch):
    """The signer, asked for a place that was taken meanwhile, refuses; the writer goes on from there."""
    with serving_here(settings):
        seen = dossier.anchors.of(dossier.run_id)
        dossier.record(event(operation="first"))
        real, stale = type(dossier.anchors).of, [seen]

        def read(table, name):
            return stale.pop() if stale and table is dossier.anchors else real(table, name)

        monkeypatch.setattr(type(dossier.anchors), "of", read)
        dossier.record(event(operation="second"))
        stale.append(seen)
        repeated = dossier.record(event(operation="first"))
    assert [each.operation for each in dossier.events()] == ["first", "second"]
    assert repeated == dossier.events()[0]


def test_a_signer_of_another_database_is_said_and_not_asked_again(settings, dossier, tmp_path):
    other = replace(settings, operations_db=installation(tmp_path / "other").operations_db)
    with serving_here(settings):
        dossier.record(event())
    with serving_here(other), pytest.raises(NotNextError, match="record 2 does not follow record 0"):
        dossier.append(verdict())
    assert len(dossier.records()) == 1


def test_a_signer_that_is_down_leaves_nothing_half_written_and_the_task_is_repeated(settings, dossier):
    with pytest.raises(UnavailableError, match="does not answer"):
        dossier.record(event())
    with pytest.raises(UnavailableError, match="does not answer"):
        log_candidate(settings, dossier, **candidate_of(dossier))
    assert dossier.records() == []
    with process(settings):
        dossier.record(event())
    assert len(dossier.records()) == 1


def test_a_model_of_a_run_without_a_contract_is_refused(settings, dossier):
    with serving_here(settings):
        dossier.record(event())
        with pytest.raises(RefusedError, match="has no anchored verdict of contract"):
            log_candidate(settings, dossier, **candidate_of(dossier))


def test_no_record_is_lost_while_keys_are_rotated(settings, dossier):
    """Every anchored record counts at its anchor: by the old key before the rotation, by the new one after it."""
    private, failed = KeyFiles(settings.home / "private"), []

    def write(name):
        try:
            for number in range(8):
                dossier.record(event(operation=f"{name} {number}"))
        except Exception as error:
            failed.append(error)

    with serving_here(settings):
        threads = [threading.Thread(target=write, args=[name]) for name in "ab"]
        for thread in threads:
            thread.start()
        for count in (3, 8):
            while len(dossier.anchors.of(dossier.run_id)) < count and not failed:
                pass
            rotate_keys(settings.keys, after=dossier.anchors.last().seq, private=private)
        for thread in threads:
            thread.join()
    assert failed == []
    sealed, doubts = dossier.check()
    assert (len(sealed), doubts) == (16, [])
    assert len({each.signature.key for each in sealed}) >= 2


def test_a_task_has_no_key_to_sign_a_waiver_with(settings):
    from tests.evidence.waiving import proposal

    with serving_here(settings), pytest.raises(UserError, match=r"signing\.pem: cannot be read: there is no such key"):
        proposal().signed(Chain(settings).keyring, "ann")
