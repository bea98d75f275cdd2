"""The chain on a real server: what is written can be read, once, in one order, whatever breaks on the way."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.registry.children import program
from tests.registry.support import (
    artifacts_of,
    event,
    fresh_dossier,
    made_candidate,
    made_version,
    requests_to_mlflow,
    verdict,
)
from tests.registry.writers import EACH, PROCESSES

from assay.core import Outcome, UnavailableError, UserError, canonical_json, sha256_bytes
from assay.registry import dossier as module
from assay.registry.client import connect
from assay.registry.dossier import EvidenceError
from assay.registry.images import HEAD, run_tags
from assay.registry.keys import Keyring, add_person, create_keys, rotate_keys
from assay.registry.summaries import summarise

pytestmark = pytest.mark.stack
WRITERS = Path(__file__).with_name("writers.py")


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server)


def assert_whole(dossier):
    """The chain has no gap, nothing is in it twice, and the tags are its image."""
    records, anchors = dossier.records(), dossier.anchors.of(dossier.run_id)
    assert [anchor.digest for anchor in anchors] == [record.digest for record in records]
    assert [anchor.number for anchor in anchors] == list(range(1, len(records) + 1))
    assert [record.previous for record in records] == [None, *(record.digest for record in records)][: len(records)]
    operations = [anchor.operation for anchor in anchors if anchor.operation is not None]
    assert len(operations) == len(set(operations))
    for gate in {each.gate for each in dossier.verdicts()}:
        attempts = [each.attempt for each in dossier.verdicts() if each.gate == gate]
        assert attempts == list(range(1, len(attempts) + 1))
    assert run_tags(records).items() <= dossier.tags().items()


def test_records_are_chained_in_the_order_of_writing(dossier):
    assert (dossier.records(), dossier.head()) == ([], None)
    first = dossier.append(verdict("contract", model=None))
    second = dossier.record(event("training"))
    third = dossier.append(verdict("performance", Outcome.FAIL))
    fourth = dossier.append(verdict("performance"))
    assert dossier.records() == [first, second, third, fourth]
    assert dossier.verdicts() == [first, third, fourth]
    assert (dossier.events(), dossier.events("training"), dossier.events("alias")) == ([second], [second], [])
    assert [(each.gate, each.attempt) for each in dossier.verdicts()] == [
        ("contract", 1), ("performance", 1), ("performance", 2),
    ]  # fmt: skip
    assert dossier.head() == fourth.digest
    tags = dossier.tags()
    assert tags[HEAD] == f"4:{fourth.digest}"
    assert tags["assay.verdict.performance"] == f"PASS {fourth.digest}"
    assert summarise(dossier).outcomes == {"contract": "PASS", "performance": "PASS"}
    assert_whole(dossier)


def test_the_file_is_canonical_and_signed_over_the_record_at_its_place(mlflow_server, dossier):
    kept = [dossier.append(verdict("contract", model=None)), dossier.record(event("training"))]
    files = sorted((artifacts_of(mlflow_server, dossier) / "dossier").iterdir())
    for number, (file, each) in enumerate(zip(files, kept, strict=True), start=1):
        content = file.read_bytes()
        stored = json.loads(content)
        assert content == canonical_json(stored)
        assert stored["record"] == json.loads(canonical_json(each.to_dict()))
        assert sha256_bytes(canonical_json(stored["record"])) == each.digest
        assert (stored["dossier"], stored["number"]) == (dossier.run_id, number)
        assert stored["key"] in dossier.keyring.trusted
        assert file.name == f"{number:04d}-{each.kind}-{each.digest}.json"


def test_an_operation_is_recorded_once(dossier):
    first = dossier.record(event("rollout", "1:begin"))
    dossier.append(verdict())
    again = dossier.record(event("rollout", "1:begin", to_stage="elsewhere"))
    assert again == first
    other = dossier.record(event("rollout", "1:advance"))
    assert [each.operation for each in dossier.events("rollout")] == ["1:begin", "1:advance"]
    assert other.previous == dossier.verdicts()[0].digest
    assert_whole(dossier)


def test_order_is_the_chain_s_when_the_clock_goes_back(dossier):
    times = ["2026-03-01T10:00:00Z", "2026-02-01T10:00:00Z", "1999-12-31T23:59:59Z", "2026-03-01T10:00:00Z"]
    for number, at in enumerate(times):
        dossier.record(event("rollout", str(number), at=at))
    assert [each.at for each in dossier.events()] == times
    assert [each.operation for each in dossier.events()] == ["0", "1", "2", "3"]
    assert_whole(dossier)


def test_a_record_costs_at_most_three_round_trips(dossier):
    candidate, version = made_candidate(dossier), made_version(dossier)
    writes = {
        "verdict": lambda: dossier.append(verdict("contract", model=None)),
        "verdict on a candidate": lambda: dossier.append(verdict(), candidate=candidate),
        "verdict on a version": lambda: dossier.append(verdict("canary"), version=version),
        "event": lambda: dossier.record(event("training")),
        "event on a version": lambda: dossier.record(event("rollout"), version=version),
    }
    cost = {}
    for name, write in writes.items():
        with requests_to_mlflow() as sent:
            write()
        cost[name] = len(sent.seen)
    assert cost == {
        "verdict": 2, "verdict on a candidate": 3, "verdict on a version": 3, "event": 2, "event on a version": 3,
    }  # fmt: skip


def test_a_record_is_shown_on_what_it_is_about(dossier):
    candidate, version = made_candidate(dossier), made_version(dossier)
    kept = dossier.append(verdict(), candidate=candidate)
    tags = dossier.client.get_logged_model(candidate).tags
    assert tags["assay.verdict.performance"] == f"PASS {kept.digest}"
    kept = dossier.append(verdict("canary"), version=version)
    dossier.record(event("rollout", to_stage="champion"), version=version)
    tags = dossier.client.get_model_version(dossier.model, str(version)).tags
    assert (tags["assay.verdict.canary"], tags["assay.rollout"]) == (f"PASS {kept.digest}", "champion")


@contextmanager
def dying_at(monkeypatch, point):
    """The process ends at a fault point: nothing after it is done."""

    def fault_point(name):
        if name == point:
            raise KeyboardInterrupt(name)

    with monkeypatch.context() as patched:
        patched.setattr(module, "fault_point", fault_point)
        yield


@pytest.mark.parametrize(("point", "stands"), [("stored", 0), ("anchored", 1), ("tagged", 1)])
def test_a_verdict_counts_once_it_is_anchored(dossier, monkeypatch, point, stands):
    first = dossier.append(verdict("contract", model=None))
    with dying_at(monkeypatch, f"performance.{point}"), pytest.raises(KeyboardInterrupt):
        dossier.append(verdict())
    assert len(dossier.records()) == 1 + stands
    kept = dossier.append(verdict())
    assert kept.attempt == 1 + stands
    assert dossier.records()[0] == first
    assert_whole(dossier)


@pytest.mark.parametrize(("point", "stands"), [("stored", 0), ("anchored", 1), ("tagged", 1)])
def test_an_event_is_recorded_once_wherever_its_writer_died(dossier, monkeypatch, point, stands):
    version = made_version(dossier)
    dossier.record(event("training"))
    with dying_at(monkeypatch, f"rollout.{point}"), pytest.raises(KeyboardInterrupt):
        dossier.record(event("rollout", "1:begin"), version=version)
    assert len(dossier.records()) == 1 + stands
    dossier.record(event("rollout", "1:begin"), version=version)
    assert [each.operation for each in dossier.events()] == ["training", "1:begin"]
    assert dossier.client.get_model_version(dossier.model, str(version)).tags["assay.rollout"] == "shadow"
    assert_whole(dossier)


def test_an_operation_repeated_late_does_not_turn_the_tags_back(dossier):
    version = made_version(dossier)
    dossier.record(event("rollout", "1:begin"), version=version)
    dossier.record(event("rollout", "1:promote", to_stage="champion"), version=version)
    dossier.record(event("rollout", "1:begin"), version=version)
    assert dossier.client.get_model_version(dossier.model, str(version)).tags["assay.rollout"] == "champion"
    assert_whole(dossier)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_is_told_and_the_next_attempt_is_whole(dossier, lost):
    version = made_version(dossier)
    dossier.record(event("training"))
    for write, kind in (
        (lambda: dossier.append(verdict(), version=version), "performance"),
        (lambda: dossier.record(event("rollout"), version=version), "rollout"),
    ):
        with requests_to_mlflow(lose=lost), pytest.raises(UnavailableError, match="lost"):
            write()
        kept = write()
        kinds = [record.kind for record in dossier.records()]
        assert kinds.count(kind) == (1 if kind == "rollout" or lost == 1 else 2)  # a verdict is another attempt
        tags = dossier.client.get_model_version(dossier.model, str(version)).tags
        assert run_tags([kept]).items() - {(HEAD, f"1:{kept.digest}")} <= tags.items()
        assert_whole(dossier)


def test_threads_that_write_to_one_dossier_lose_and_double_nothing(dossier):
    def write(writer):
        for number in range(EACH):
            dossier.append(verdict(f"gate_{writer}"))
            dossier.record(event("rollout", f"move {number}"))

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(write, range(PROCESSES)))
    assert_all_written(dossier)


def test_processes_that_write_to_one_dossier_lose_and_double_nothing(mlflow_server, dossier):
    program(WRITERS, mlflow_server, dossier.run_id)
    assert_all_written(dossier)


def assert_all_written(dossier):
    records = dossier.records()
    assert len(records) == PROCESSES * EACH + EACH
    for writer in range(PROCESSES):
        attempts = [each.attempt for each in dossier.verdicts() if each.gate == f"gate_{writer}"]
        assert attempts == list(range(1, EACH + 1))
    assert sorted(each.operation for each in dossier.events()) == [f"move {number}" for number in range(EACH)]
    dossier.append(verdict())  # whoever comes next finds the end, and makes the tags what the chain says
    assert [anchor.number for anchor in dossier.anchors.of(dossier.run_id)] == list(range(1, len(records) + 2))


def test_files_beside_the_chain_are_kept_as_they_are(dossier):
    content = bytes(range(256))
    dossier.store("inputs/policy.yaml", content)
    dossier.store("reports/a ü.bin", content)
    assert dossier.read("inputs/policy.yaml") == dossier.read("reports/a ü.bin") == content
    assert dossier.holds("inputs/policy.yaml")
    assert not dossier.holds("reports/b.bin")
    assert not dossier.holds("nothing/at/all")
    with pytest.raises(EvidenceError, match=f"nothing/at/all: is missing from the run {dossier.run_id}"):
        dossier.read("nothing/at/all")


def own_keys(dossier, folder):
    create_keys(folder)
    return replace(dossier, keyring=Keyring.open(folder))


def test_keys_that_are_rotated_while_a_task_is_at_work_leave_the_chain_whole(dossier, tmp_path):
    dossier = own_keys(dossier, tmp_path / "keys")
    first = dossier.append(verdict("contract", model=None))
    rotate_keys(tmp_path / "keys", after=dossier.anchors.of(dossier.run_id)[-1].seq)
    second = dossier.append(verdict("performance"))
    assert dossier.records() == [first, second]


def test_a_key_that_is_rotated_out_under_a_file_on_its_way_signs_it_anew(dossier, tmp_path, monkeypatch):
    dossier = own_keys(dossier, tmp_path / "keys")
    first = dossier.append(verdict("contract", model=None))
    last, stored = dossier.anchors.of(dossier.run_id)[-1].seq, []

    def rotate_once(point):
        if point == "performance.stored" and not stored:
            rotate_keys(tmp_path / "keys", after=last)
        stored.append(point)

    monkeypatch.setattr(module, "fault_point", rotate_once)
    second = dossier.append(verdict("performance"))
    assert stored.count("performance.stored") == 2
    assert dossier.records() == [first, second]


def test_without_keys_nothing_is_written(mlflow_server, dossier, tmp_path):
    keyless = replace(dossier, keyring=replace(dossier.keyring, folder=tmp_path / "none"))
    for write in (lambda: keyless.append(verdict()), lambda: keyless.record(event())):
        with pytest.raises(UserError, match="assay keys init"):
            write()
    assert dossier.records() == []
    assert not artifacts_of(mlflow_server, dossier).exists()


def test_a_person_s_key_signs_no_record_and_that_is_said_at_once(mlflow_server, dossier, tmp_path, monkeypatch):
    dossier = own_keys(dossier, tmp_path / "keys")
    add_person(tmp_path / "keys", "reviewer", tmp_path / "reviewer.pem")
    monkeypatch.setenv("ASSAY_SIGNING_KEY", (tmp_path / "reviewer.pem").read_text())
    for write in (lambda: dossier.append(verdict()), lambda: dossier.record(event())):
        with pytest.raises(UserError, match=r"was signed by the key .* of reviewer, not of platform"):
            write()
    assert dossier.records() == []
    assert not artifacts_of(mlflow_server, dossier).exists()


def test_a_server_that_is_down_is_told(mlflow_server, dossier):
    uri = "http://127.0.0.1:9"
    down = replace(dossier, tracking_uri=uri, client=connect(replace(mlflow_server, tracking_uri=uri)))
    for act in (lambda: down.append(verdict()), lambda: down.record(event()), down.tags, lambda: down.tag({"a": "b"})):
        with pytest.raises(UnavailableError, match=r"MLflow .*127\.0\.0\.1"):
            act()
    assert dossier.records() == []
