"""The chain of verdicts on a real server: what is written can be read, and what was changed is found."""

import json
import shutil
import time
from dataclasses import replace

import pytest
from tests.registry.support import SUBJECT, FailingClient, artifacts_of, failing, fresh_dossier, fresh_name, verdict

from assay.core import Outcome, Subject, UnavailableError, canonical_json, sha256_bytes
from assay.registry.client import connect
from assay.registry.dossier import HEAD, EvidenceError, find_dossier, load_dossier, open_dossier
from assay.registry.summaries import list_dossiers, summarise

pytestmark = pytest.mark.stack


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server, **{"assay.requester": "engineer"})


def records(settings, dossier):
    return sorted((artifacts_of(settings, dossier) / "dossier").iterdir())


def test_opening_twice_gives_one_dossier(mlflow_server):
    name = fresh_name()
    key = "retrain_toy/manual__2026-01-01T00:00:00+00:00 'quoted' \"twice\" `back` ü"
    first = open_dossier(mlflow_server, model=name, run_key=key, facts={"assay.requester": "engineer"})
    second = open_dossier(mlflow_server, model=name, run_key=key, facts={"assay.requester": "somebody else"})
    assert first.run_id == second.run_id == find_dossier(mlflow_server, model=name, run_key=key).run_id
    assert first.tags()["assay.requester"] == "engineer"
    other = open_dossier(mlflow_server, model=name, run_key=key + "2", facts={})
    assert other.run_id != first.run_id
    loaded = load_dossier(mlflow_server, run_id=first.run_id)
    assert (loaded.model, loaded.run_id) == (name, first.run_id)
    assert [each.run_key for each in list_dossiers(mlflow_server, model=name)] == [key + "2", key]


def test_what_is_no_dossier_is_said_to_be_none(mlflow_server, dossier):
    with pytest.raises(EvidenceError, match="a/b: has no dossier, the task snapshot has not run"):
        find_dossier(mlflow_server, model=dossier.model, run_key="a/b")
    with pytest.raises(EvidenceError, match="has no dossier"):
        find_dossier(mlflow_server, model=fresh_name(), run_key="a/b")
    with pytest.raises(EvidenceError, match="no such run"):
        load_dossier(mlflow_server, run_id="0" * 32)
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    stranger = dossier.client.create_run(experiment).info.run_id
    with pytest.raises(EvidenceError, match="is not a run of Assay"):
        load_dossier(mlflow_server, run_id=stranger)


def test_verdicts_are_chained_in_the_order_of_writing(mlflow_server, dossier):
    assert dossier.verdicts() == []
    first = dossier.append(verdict("contract", model=None))
    second = dossier.append(verdict("performance", Outcome.FAIL))
    third = dossier.append(verdict("performance"))
    assert [(v.gate, v.attempt) for v in (first, second, third)] == [
        ("contract", 1), ("performance", 1), ("performance", 2),
    ]  # fmt: skip
    assert (first.previous, second.previous, third.previous) == (None, first.digest, second.digest)
    assert dossier.verdicts() == [first, second, third]
    tags = dossier.tags()
    assert tags[HEAD] == f"3:{third.digest}"
    assert tags["assay.verdict.performance"] == f"PASS {third.digest}"
    assert summarise(dossier).outcomes == {"contract": "PASS", "performance": "PASS"}


def test_the_file_is_canonical_and_its_digest_is_the_verdict_s(mlflow_server, dossier):
    kept = [dossier.append(verdict("contract", model=None)), dossier.append(verdict())]
    for number, (file, each) in enumerate(zip(records(mlflow_server, dossier), kept, strict=True), start=1):
        content = file.read_bytes()
        assert content == canonical_json(json.loads(content)) == canonical_json(each.to_dict())
        assert sha256_bytes(content) == each.digest
        assert file.name == f"{number:04d}-{each.gate}-{each.digest}.json"


def changed(files):
    files[1].write_bytes(files[1].read_bytes().replace(b'"FAIL"', b'"PASS"'))


def renamed(files):
    """Changed with its name, as one who knows the form would."""
    content = files[1].read_bytes().replace(b'"FAIL"', b'"PASS"')
    files[1].unlink()
    files[1].with_name(f"0002-performance-{sha256_bytes(content)}.json").write_bytes(content)


def head_renamed(files):
    content = files[2].read_bytes().replace(b'"PASS"', b'"FAIL"')
    files[2].unlink()
    files[2].with_name(f"0003-fairness-{sha256_bytes(content)}.json").write_bytes(content)


def emptied(files):
    files[1].write_bytes(b"")


def removed(files):
    files[1].unlink()


def head_removed(files):
    files[2].unlink()


def all_removed(files):
    shutil.rmtree(files[0].parent)


def added(files):
    files[0].with_name("note.txt").write_text("looks good to me")


def repeated(files):
    content = files[1].read_bytes()
    files[1].with_name(f"0004-performance-{sha256_bytes(content)}.json").write_bytes(content)


def invented(files):
    content = b'{"gate":"fairness"}'
    files[1].with_name(f"0004-fairness-{sha256_bytes(content)}.json").write_bytes(content)


TAMPERING = {
    changed: "0002-performance-[0-9a-f]{64}.json: was changed after it was written",
    renamed: "0003-fairness-[0-9a-f]{64}.json: does not continue the record before it",
    head_renamed: "does not match its head",
    emptied: "0002-performance-[0-9a-f]{64}.json: was changed after it was written",
    removed: "0003-fairness-[0-9a-f]{64}.json: does not continue the record before it",
    head_removed: "holds 2 records where its head names 3",
    all_removed: "holds 0 records where its head names 3",
    added: "holds a file that is no verdict",
    repeated: "0004-performance-[0-9a-f]{64}.json: does not continue the record before it",
    invented: "holds a file that is no verdict",
}


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda each: each.__name__)
def test_tampering_on_the_server_s_disk_is_found(mlflow_server, dossier, tamper):
    for each in (verdict("contract", model=None), verdict("performance", Outcome.FAIL), verdict("fairness")):
        dossier.append(each)
    tamper(records(mlflow_server, dossier))
    for use in (dossier.verdicts, lambda: dossier.append(verdict()), lambda: dossier.require(["contract"], SUBJECT)):
        with pytest.raises(EvidenceError, match=TAMPERING[tamper]):
            use()


def test_a_record_written_just_before_a_kill_is_continued_from(mlflow_server, dossier):
    first = dossier.append(verdict("contract", model=None))
    orphan = verdict().numbered(attempt=1, previous=first.digest)
    dossier.store(f"dossier/0002-performance-{orphan.digest}.json", canonical_json(orphan.to_dict()))
    assert dossier.verdicts() == [first, orphan]
    again = dossier.append(verdict())
    assert (again.attempt, again.previous) == (2, orphan.digest)
    assert dossier.verdicts() == [first, orphan, again]
    assert dossier.tags()[HEAD] == f"3:{again.digest}"


@pytest.mark.parametrize("left", [0, 10, -1])
def test_a_record_torn_while_it_was_written_is_passed_over(mlflow_server, dossier, left):
    first = dossier.append(verdict("contract", model=None))
    torn = verdict().numbered(attempt=1, previous=first.digest)
    dossier.store(f"dossier/0002-performance-{torn.digest}.json", canonical_json(torn.to_dict())[:left])
    assert dossier.verdicts() == [first]
    second = dossier.append(verdict())
    assert (second.attempt, second.previous) == (1, first.digest)
    third = dossier.append(verdict("fairness"))
    assert dossier.verdicts() == [first, second, third]


def test_a_fault_at_any_call_leaves_a_chain_that_goes_on(mlflow_server):
    whole = fresh_dossier(mlflow_server)
    whole.append(verdict("contract", model=None))
    counting = replace(whole, client=FailingClient(whole.client))
    counting.append(verdict())
    assert counting.client.calls > 3
    for call in range(1, counting.client.calls + 1):
        dossier = fresh_dossier(mlflow_server)
        dossier.append(verdict("contract", model=None))
        with pytest.raises(UnavailableError, match="the answer to"):
            failing(dossier, call).append(verdict())
        kept = dossier.append(verdict())
        chain = dossier.verdicts()
        assert chain[-1] == kept
        assert [each.gate for each in chain] == ["contract"] + ["performance"] * kept.attempt
        assert kept.attempt in (1, 2)  # 2 where only the answer was lost, so that the first stands too
        assert dossier.tags()[HEAD] == f"{len(chain)}:{kept.digest}"


def test_a_verdict_is_tagged_on_the_candidate_too(mlflow_server, dossier):
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    made = dossier.client.create_logged_model(experiment, name=dossier.model, source_run_id=dossier.run_id)
    dossier.tag({"assay.candidate": made.model_id})
    kept = dossier.append(verdict())
    tags = dossier.client.get_logged_model(made.model_id).tags
    assert tags["assay.verdict.performance"] == f"PASS {kept.digest}"


def test_files_beside_the_chain_are_kept_as_they_are(dossier):
    content = bytes(range(256))
    dossier.store("policy.yaml", content)
    dossier.store("reports/a.bin", content)
    assert dossier.read("policy.yaml") == dossier.read("reports/a.bin") == content
    assert dossier.holds("policy.yaml")
    assert dossier.holds("reports/a.bin")
    assert not dossier.holds("reports/b.bin")
    assert not dossier.holds("nothing/at/all")


GATES = ("contract", "performance", "fairness")


def filled(dossier, **outcomes):
    dossier.append(verdict("contract", outcomes.get("contract", Outcome.PASS), model=None))
    for gate in GATES[1:]:
        dossier.append(verdict(gate, outcomes.get(gate, Outcome.PASS)))


def reasons(dossier, about=SUBJECT, gates=GATES, **kwargs):
    with pytest.raises(EvidenceError) as raised:
        dossier.require(gates, about, **kwargs)
    return raised.value.reasons


def test_all_gates_passed_lets_the_run_on(dossier):
    filled(dossier)
    assert [each.gate for each in dossier.require(GATES, SUBJECT)] == list(GATES)


def test_every_reason_is_listed_at_once(dossier):
    dossier.append(verdict("contract", Outcome.FAIL, model=None))
    dossier.append(verdict("performance", Outcome.ERROR))
    dossier.append(verdict("fairness", snapshot="toy-other", policy_sha256="b" * 64, model="e" * 64))
    assert reasons(dossier, gates=(*GATES, "robustness")) == (
        "contract: its verdict is FAIL",
        "performance: its verdict is ERROR",
        f"fairness: its verdict is about another policy_sha256: {'b' * 64}, not {'a' * 64}",
        "fairness: its verdict is about another snapshot: toy-other, not toy-0123456789abcdef",
        f"fairness: its verdict is about another model: {'e' * 64}, not {'c' * 64}",
        "robustness: no verdict",
    )


def test_inconclusive_goes_on_only_where_a_person_will_look(dossier):
    filled(dossier, performance=Outcome.INCONCLUSIVE, fairness=Outcome.INCONCLUSIVE)
    assert reasons(dossier, reviewed={"fairness"}) == ("performance: its verdict is INCONCLUSIVE",)
    assert len(dossier.require(GATES, SUBJECT, reviewed={"fairness", "performance"})) == 3


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_review_does_not_let_a_failure_on(dossier, outcome):
    filled(dossier, fairness=outcome)
    assert reasons(dossier, reviewed=set(GATES)) == (f"fairness: its verdict is {outcome}",)


@pytest.mark.parametrize(("before", "after"), [(Outcome.PASS, Outcome.FAIL), (Outcome.FAIL, Outcome.PASS)])
def test_the_latest_verdict_counts(dossier, before, after):
    filled(dossier, performance=before)
    dossier.append(verdict("performance", after))
    if after is Outcome.PASS:
        assert dossier.require(GATES[:2], SUBJECT)[1].attempt == 2
    else:
        assert reasons(dossier, gates=GATES[:2]) == ("performance: its verdict is FAIL",)


def test_what_was_judged_on_an_earlier_verdict_has_lost_its_ground(dossier):
    filled(dossier)
    dossier.append(verdict("performance"))
    assert reasons(dossier) == ("fairness: its verdict is older than that of performance",)
    dossier.append(verdict("contract", model=None))
    assert reasons(dossier) == (
        "performance: its verdict is older than that of contract",
        "fairness: its verdict is older than that of contract, performance",
    )
    filled(dossier)
    assert [each.attempt for each in dossier.require(GATES, SUBJECT)] == [3, 3, 2]


def test_only_the_contract_may_be_judged_without_a_model(dossier):
    filled(dossier)
    dossier.append(verdict("fairness", model=None))
    assert reasons(dossier) == (f"fairness: its verdict is about another model: None, not {'c' * 64}",)
    before = Subject(model=None, policy_sha256="a" * 64, snapshot=SUBJECT.snapshot, code_version="x")
    assert dossier.require(["contract"], before)[0].gate == "contract"


def test_a_server_that_is_down_is_told_within_seconds(mlflow_server, dossier):
    down = replace(mlflow_server, tracking_uri="http://127.0.0.1:9")
    for act in (
        lambda: open_dossier(down, model="toy", run_key="a/b", facts={}),
        lambda: replace(dossier, client=connect(down)).append(verdict()),
    ):
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=r"MLflow failed while .*127\.0\.0\.1"):
            act()
        assert time.monotonic() - began < 15  # four on a free machine


def test_evidence_never_goes_to_a_local_folder(mlflow_server, tmp_path):
    local = replace(mlflow_server, tracking_uri=str(tmp_path / "mlruns"))
    with pytest.raises(UnavailableError, match="not the address of an MLflow server"):
        open_dossier(local, model="toy", run_key="a/b", facts={})
    assert list(tmp_path.iterdir()) == []
