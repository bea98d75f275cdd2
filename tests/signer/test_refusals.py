"""Only what is well formed and continues the anchored head is signed; everything else is refused and says why."""

import json
from dataclasses import replace

import pytest
from tests.evidence.waiving import proposal
from tests.signer.support import Chain, ask, journal_of

from assay.core import Outcome
from assay.registry.keys import PLATFORM, record_message
from assay.registry.signer_client import NotNextError, RefusedError
from assay.registry.signing import read_signature

FILES = {"model.onnx": "1" * 64, "reference/model.skops": "2" * 64}


def test_what_continues_the_head_is_signed_and_counts(chain, served):
    for make in (lambda: chain.next_event("training"), lambda: chain.next_verdict("performance")):
        record = make()
        made = chain.add(record)
        number = len(chain.anchors.of(chain.dossier))
        message = record_message(chain.dossier, number, record.digest)
        assert chain.keyring.doubt(message, made, owner=PLATFORM) == ""
        assert journal_of(served)[-1] == journal_of(served)[-1] | {
            "kind": f"{'event' if record.kind == 'training' else 'verdict'} {record.kind}",
            "dossier": chain.dossier, "number": number, "digest": record.digest, "key": made.key,
        }  # fmt: skip


def test_the_same_place_may_be_signed_twice_until_it_is_anchored(chain):
    first, second = chain.next_event(), chain.next_event()
    for record in (first, second):
        assert ask(chain.settings, "/v1/records", chain.request(record))[0] == 200
    chain.add(second)
    assert ask(chain.settings, "/v1/records", chain.request(first))[0] == 409


def changed(record, **fields):
    return {**record.to_dict(), **fields}


MALFORMED = {
    "no JSON": lambda c, r: b"{",
    "not an object": lambda c, r: [],
    "deep": lambda c, r: b"[" * 100_000,
    "another encoding": lambda c, r: json.dumps(c.request(r)).encode("utf-16")[2:] + b"\xff",
    "a field too many": lambda c, r: c.request(r) | {"force": True},
    "a field too few": lambda c, r: {k: v for k, v in c.request(r).items() if k != "digest"},
    "a field twice": lambda c, r: json.dumps(c.request(r)).encode()[:-1] + b', "number": 3}',
    "a field of the record twice": lambda c, r: (
        json.dumps(c.request(r)).encode().replace(b'"by":', b'"by": "x", "by":')
    ),
    "number as text": lambda c, r: c.request(r, number="3"),
    "number as truth": lambda c, r: c.request(r, number=True),
    "number zero": lambda c, r: c.request(r, number=0),
    "dossier no run": lambda c, r: c.request(r, dossier="../x"),
    "dossier no text": lambda c, r: c.request(r, dossier=7),
    "digest of another": lambda c, r: c.request(r, digest="0" * 64),
    "no record": lambda c, r: c.request(r, record="snapshot"),
    "a record that is empty": lambda c, r: c.request(r, record={}),
    "by is a number": lambda c, r: c.request(r, record=changed(r, by=5)),
    "facts are a list": lambda c, r: c.request(r, record=changed(r, facts=[])),
    "previous is a number": lambda c, r: c.request(r, record=changed(r, previous=1)),
    "one more field": lambda c, r: c.request(r, record=changed(r, note="x")),
    "NaN": lambda c, r: json.dumps(c.request(r, record=changed(r, facts={"a": float("nan")}))).encode(),
    "an integer that no double holds": lambda c, r: c.request(r, record=changed(r, facts={"a": 2**60 + 1})),
    "a kind that is a path": lambda c, r: c.request(replace(r, event="../x")),
    "a kind without a name": lambda c, r: c.request(replace(r, event="")),
    "no operation": lambda c, r: c.request(replace(r, operation="")),
    "an operation without end": lambda c, r: c.request(replace(r, operation="x" * 1025)),
}


@pytest.mark.parametrize("how", MALFORMED)
def test_a_malformed_event_is_refused(chain, how):
    signed = len(journal_of(chain.settings))
    status, answer = ask(chain.settings, "/v1/records", MALFORMED[how](chain, chain.next_event()))
    assert (status, list(answer)) == (422, ["error"])
    assert "\n" not in answer["error"]
    assert len(journal_of(chain.settings)) == signed


def in_check(verdict, **fields):
    raw = verdict.to_dict()
    raw["checks"][0].update(fields)
    return raw


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: {**v.to_dict(), "outcome": "FINE"},
        lambda v: {**v.to_dict(), "attempt": "1"},
        lambda v: {**v.to_dict(), "attempt": 1.5},
        lambda v: {**v.to_dict(), "checks": {}},
        lambda v: {**v.to_dict(), "budget": None},
        lambda v: {**v.to_dict(), "seconds": "1"},
        lambda v: {name: value for name, value in v.to_dict().items() if name != "model"},
        lambda v: in_check(v, outcome="pass"),
        lambda v: in_check(v, severity="whatever"),
        lambda v: in_check(v, interval=[0.5]),
        lambda v: in_check(v, interval=[0.5, 1.0, 1.5]),
        lambda v: in_check(v, estimate=True),
        lambda v: in_check(v, note="x"),
    ],
)
def test_a_malformed_verdict_is_refused(chain, spoil):
    verdict = chain.next_verdict("performance")
    status, answer = ask(chain.settings, "/v1/records", chain.request(verdict, record=spoil(verdict)))
    assert status == 422, answer


@pytest.mark.parametrize(
    "checked", [Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR, None], ids=lambda each: str(each or "no check")
)
def test_a_verdict_that_passes_on_checks_that_do_not_is_refused(chain, checked):
    verdict = chain.next_verdict("performance", checked or Outcome.PASS, outcome=Outcome.PASS)
    verdict = verdict if checked else replace(verdict, checks=())
    with pytest.raises(RefusedError, match="its critical checks do not"):
        chain.keyring.sign_record(chain.dossier, 3, verdict)


def test_a_record_in_another_place_is_refused(chain):
    record = chain.next_event()
    for number in (1, 2, 4):
        with pytest.raises(NotNextError, match=f"record {number} does not follow record 2"):
            chain.keyring.sign_record(chain.dossier, number, record)


def test_a_record_on_another_head_is_refused(chain):
    first = chain.anchors.of(chain.dossier)[0].digest
    for previous in (first, "0" * 64, None):
        with pytest.raises(NotNextError, match="the anchored head is"):
            chain.keyring.sign_record(chain.dossier, 3, replace(chain.next_event(), previous=previous))


def test_a_record_of_another_dossier_is_refused(chain, served):
    other = Chain(served)
    with pytest.raises(NotNextError, match="record 3 does not follow record 0"):
        chain.keyring.sign_record(other.dossier, 3, chain.next_event())
    other.add(other.next_event())
    other.add(other.next_verdict())
    with pytest.raises(NotNextError, match="the anchored head is"):
        chain.keyring.sign_record(other.dossier, 3, chain.next_event())
    other.anchors.engine.dispose()


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_attempt_that_does_not_count_on_is_refused(chain, attempt):
    with pytest.raises(RefusedError, match=f"attempt {attempt} of contract does not follow attempt 1"):
        chain.keyring.sign_record(chain.dossier, 3, chain.next_verdict(attempt=attempt))


def test_an_operation_is_signed_once(chain):
    done = chain.anchors.of(chain.dossier)[0].operation
    with pytest.raises(NotNextError, match="is in the dossier already"):
        chain.keyring.sign_record(chain.dossier, 3, chain.next_event(operation=done))


def test_model_files_are_signed_for_a_dossier_whose_data_was_judged(chain, served):
    bundle = chain.keyring.sign_model(chain.dossier, FILES)
    assert read_signature(bundle, chain.keyring.model_public_keys).files == FILES
    assert (journal_of(served)[-1]["kind"], journal_of(served)[-1]["number"]) == ("model", 2)
    unjudged = Chain(served)
    for _ in range(2):
        with pytest.raises(RefusedError, match="has no anchored verdict of contract"):
            chain.keyring.sign_model(unjudged.dossier, FILES)
        unjudged.add(unjudged.next_event())
    unjudged.anchors.engine.dispose()


@pytest.mark.parametrize(
    "files",
    [
        {}, [], "model.onnx", None,
        {"../model.onnx": "1" * 64}, {"/etc/passwd": "1" * 64}, {"a//b": "1" * 64}, {"": "1" * 64}, {".": "1" * 64},
        {"a\\b": "1" * 64}, {"a\nb": "1" * 64}, {"a\0": "1" * 64}, {"a" * 1025: "1" * 64}, {"model.sig": "1" * 64},
        {"a": "1" * 63}, {"a": "A" * 64}, {"a": 1}, {"a": None}, {"a": "1" * 64 + "\n"},
        {str(number): "1" * 64 for number in range(10_001)},
    ],
)  # fmt: skip
def test_a_malformed_list_of_files_is_refused(chain, files):
    status, answer = ask(chain.settings, "/v1/models", {"dossier": chain.dossier, "files": files})
    assert (status, list(answer)) == (422, ["error"])


@pytest.mark.parametrize("path", ["/v1/waivers", "/v1/sign", "/v1/records/", "/", "/v1/keys"])
def test_no_other_kind_is_signed(chain, path):
    status, answer = ask(chain.settings, path, chain.request(chain.next_event()))
    assert status == 404
    assert "is signed here" in answer["error"]


def test_no_waiver_is_signed_whatever_it_is_called(chain):
    """Neither as a request nor as a record: a record's signature covers another message than a waiver's."""
    made = proposal()
    message = {"waiver": made.document(), "name": made.owner, "at": "2026-01-01T00:00:00.000Z"}
    for body in (
        message,
        chain.request(chain.next_event(), record=message),
        {"dossier": chain.dossier, "files": message},
    ):
        for path in ("/v1/records", "/v1/models"):
            assert ask(chain.settings, path, body)[0] == 422
    said = chain.next_event("waiver", facts={**made.to_dict(), "signatures": []})
    signature = chain.keyring.sign_record(chain.dossier, 3, said)
    assert "did not make" in chain.keyring.doubt(made._message(made.owner, message["at"]), signature)
