"""Whatever is changed, taken away, moved or signed by others is refused and named; nothing else is."""

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.registry.support import SUBJECT, artifacts_of, event, fresh_dossier, verdict

from assay.core import Anchor, Outcome, canonical_json, record_from_dict
from assay.registry.dossier import EvidenceError
from assay.registry.keys import Keyring, create_keys, rotate_keys
from assay.registry.sealed import Sealed, check_chain, file_name

stack = pytest.mark.stack


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    return create_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def dossier(mlflow_server):
    found = fresh_dossier(mlflow_server)
    found.append(verdict("contract", model=None))
    found.append(verdict("performance", Outcome.FAIL))
    found.record(event("training"))
    return found


def sealed_again(content, dossier, **changes):
    """A record's file written anew, rightly signed, by one who has the key but not the anchors."""
    stored = json.loads(content)
    record = record_from_dict({**stored["record"], **changes})
    made = Sealed.make(stored["dossier"], stored["number"], record, dossier.keyring)
    return made.to_bytes()


def changed(files, _):
    files[1].write_bytes(files[1].read_bytes().replace(b'"FAIL"', b'"PASS"'))


def changed_and_signed(files, dossier):
    files[1].write_bytes(sealed_again(files[1].read_bytes(), dossier, outcome="PASS"))


def spaced(files, _):
    files[1].write_bytes(files[1].read_bytes() + b"\n")


def emptied(files, _):
    files[1].write_bytes(b"")


def cut(files, _):
    files[1].write_bytes(files[1].read_bytes()[:-20])


def removed(files, _):
    files[1].unlink()


def renamed(files, dossier):
    """Changed, signed and moved with its name, as one who knows the form would."""
    content = sealed_again(files[1].read_bytes(), dossier, outcome="PASS")
    digest = record_from_dict(json.loads(content)["record"]).digest
    files[1].unlink()
    files[1].with_name(f"0002-performance-{digest}.json").write_bytes(content)


def swapped(files, _):
    first, second = files[0].read_bytes(), files[1].read_bytes()
    files[0].write_bytes(second)
    files[1].write_bytes(first)


def resigned_by_a_stranger(files, dossier):
    stranger = create_keys(files[0].parent / "stranger")
    stored = json.loads(files[1].read_bytes())
    made = Sealed.make(stored["dossier"], stored["number"], record_from_dict(stored["record"]), stranger)
    files[1].write_bytes(made.to_bytes())


def with_the_signature_of_another_record(files, _):
    stored, other = json.loads(files[1].read_bytes()), json.loads(files[0].read_bytes())
    files[1].write_bytes(canonical_json({**stored, "signature": other["signature"]}))


def unsigned(files, _):
    stored = json.loads(files[1].read_bytes())
    files[1].write_bytes(canonical_json({**stored, "signature": ""}))


def moved_from_another_dossier(files, dossier):
    """The same record in another dossier has the same digest, but not the same signature."""
    stored = json.loads(files[1].read_bytes())
    made = Sealed.make("0" * 32, stored["number"], record_from_dict(stored["record"]), dossier.keyring)
    files[1].write_bytes(made.to_bytes())


def moved_within(files, dossier):
    stored = json.loads(files[1].read_bytes())
    made = Sealed.make(stored["dossier"], 3, record_from_dict(stored["record"]), dossier.keyring)
    files[1].write_bytes(made.to_bytes())


SECOND = r"0002-performance-[0-9a-f]{64}\.json: "
TAMPERING = {
    changed: SECOND + "was changed after it was written: it has the digest",
    changed_and_signed: SECOND + "was changed after it was written: it has the digest",
    spaced: SECOND + "was changed after it was written: is not in its canonical form",
    emptied: SECOND + "was changed after it was written",
    cut: SECOND + "was changed after it was written",
    removed: SECOND + "is missing",
    renamed: SECOND + "is missing",
    swapped: r"0001-contract-[0-9a-f]{64}\.json: was changed after it was written",
    resigned_by_a_stranger: SECOND + "was signed by the unknown key [0-9a-f]{16}",
    with_the_signature_of_another_record: SECOND + "has a signature that the key [0-9a-f]{16} did not make",
    unsigned: SECOND + "has a signature that the key [0-9a-f]{16} did not make",
    moved_from_another_dossier: SECOND + "was written as record 2 of the dossier 0{32}",
    moved_within: SECOND + "was written as record 3 of the dossier",
}


@stack
@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda each: each.__name__)
def test_tampering_on_the_server_s_disk_is_found_and_named(mlflow_server, dossier, tamper):
    folder = artifacts_of(mlflow_server, dossier) / "dossier"
    tamper(sorted(folder.iterdir()), dossier)
    for use in (dossier.records, dossier.verdicts, dossier.events, lambda: dossier.require(["contract"], SUBJECT)):
        with pytest.raises(EvidenceError, match=TAMPERING[tamper]):
            use()
    sealed, doubts = dossier.check()
    assert len(doubts) == (2 if tamper is swapped else 1)
    assert {each.number for each in sealed} >= ({3} if tamper is swapped else {1, 3})  # the others are what they were


@stack
def test_every_record_that_is_gone_is_named(mlflow_server, dossier):
    shutil.rmtree(artifacts_of(mlflow_server, dossier) / "dossier")
    sealed, doubts = dossier.check()
    assert sealed == []
    assert [doubt.partition("-")[0] for doubt in doubts] == ["dossier/0001", "dossier/0002", "dossier/0003"]
    assert all(doubt.endswith(".json: is missing") for doubt in doubts)


@stack
def test_a_file_that_no_anchor_names_is_no_evidence(mlflow_server, dossier):
    whole = dossier.records()
    folder = artifacts_of(mlflow_server, dossier) / "dossier"
    (folder / "note.txt").write_text("looks good to me")
    record = verdict("fairness").numbered(attempt=1, previous=whole[-1].digest)
    forged = Sealed.make(dossier.run_id, 4, record, dossier.keyring)
    for content in (forged.to_bytes(), b"", forged.to_bytes()[:10]):
        (folder / f"0004-fairness-{record.digest}.json").write_bytes(content)
        assert dossier.records() == whole
    kept = dossier.append(verdict("fairness"))
    assert dossier.records() == [*whole, kept]


@stack
def test_anchors_of_another_dossier_vouch_for_nothing_here(mlflow_server, dossier):
    other = fresh_dossier(mlflow_server)
    with pytest.raises(EvidenceError, match=r"0001-contract-.*: is missing") as raised:
        Borrowed(dossier, other.run_id).records()
    assert len(raised.value.reasons) == 3
    copied = artifacts_of(mlflow_server, dossier) / "dossier"
    shutil.copytree(copied, artifacts_of(mlflow_server, other) / "dossier")
    with pytest.raises(EvidenceError, match=f"was written as record 1 of the dossier {dossier.run_id}"):
        Borrowed(dossier, other.run_id, location=other.location).records()
    assert other.records() == []  # files that were copied over are no evidence


def Borrowed(dossier, run_id, location=None):  # noqa: N802
    """Another dossier's run that is held to this one's anchors."""

    class Anchors:
        def of(self, _):
            return dossier.anchors.of(dossier.run_id)

    return replace(dossier, run_id=run_id, location=location or f"{dossier.location}/none", anchors=Anchors())


def chain_of(keyring, records, dossier="d" * 32):
    """Records in order, their anchors and their files."""
    anchors, files, previous = [], [], None
    for number, record in enumerate(records, start=1):
        placed = record.after(previous)
        anchors.append(
            Anchor(
                seq=number, dossier=dossier, model="toy", number=number, kind=placed.kind, operation=placed.operation,
                digest=placed.digest, at=placed.at, chain="",
            )
        )  # fmt: skip
        files.append(Sealed.make(dossier, number, placed, keyring).to_bytes())
        previous = placed.digest
    return anchors, files


def checked(keyring, anchors, files, dossier="d" * 32):
    return check_chain(dossier, anchors, files, keyring)


@pytest.fixture(scope="module")
def chain(keyring):
    return chain_of(keyring, [event("rollout", str(number), n=number, text="ü") for number in range(5)])


def test_a_whole_chain_is_read_back_as_it_was_written(keyring, chain):
    sealed, doubts = checked(keyring, *chain)
    assert doubts == []
    assert [each.to_bytes() for each in sealed] == chain[1]
    assert [Sealed.read(content) for content in chain[1]] == sealed
    assert checked(keyring, [], []) == ([], [])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_any_record_can_be_changed_unseen(keyring, chain, data):
    anchors, files = chain
    which = data.draw(st.integers(0, len(files) - 1))
    at = data.draw(st.integers(0, len(files[which]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != files[which][at]))
    spoilt = [*files]
    spoilt[which] = files[which][:at] + bytes([byte]) + files[which][at + 1 :]
    _, doubts = checked(keyring, anchors, spoilt)
    name = file_name(anchors[which].number, anchors[which].kind, anchors[which].digest)
    assert [doubt.startswith(name) for doubt in doubts] == [True]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), kept=st.integers(0, 5))
def test_no_record_can_be_dropped_moved_or_exchanged_unseen(keyring, chain, order, kept):
    anchors, files = chain
    for contents in (
        [files[place] for place in order],
        [content if place < kept else None for place, content in enumerate(files)],
    ):
        _, doubts = checked(keyring, anchors, contents)
        assert len(doubts) == sum(given != meant for given, meant in zip(contents, files, strict=True))


def test_anchors_with_a_gap_are_refused(keyring, chain):
    anchors, files = chain
    _, doubts = checked(keyring, anchors[:1] + anchors[2:], files[:1] + files[2:])
    assert doubts[0].endswith("is anchored as record 3, but stands in place 2 of its dossier")
    assert len(doubts) == 3


def test_a_record_that_does_not_continue_the_one_before_is_refused(keyring):
    anchors, files = chain_of(keyring, [event("rollout", "1")])
    stray = event("rollout", "2").after("0" * 64)
    anchors.append(replace(anchors[0], seq=2, number=2, digest=stray.digest))
    files.append(Sealed.make("d" * 32, 2, stray, keyring).to_bytes())
    sealed, doubts = checked(keyring, anchors, files)
    assert [doubt.partition(": ")[2] for doubt in doubts] == ["does not continue the record before it"]
    assert len(sealed) == 1


def test_a_rotated_key_counts_up_to_its_last_anchor(tmp_path):
    before = create_keys(tmp_path)
    anchors, files = chain_of(before, [event("rollout", str(number)) for number in range(3)])
    rotate_keys(tmp_path, after=3)
    assert checked(Keyring.open(tmp_path), anchors, files)[1] == []
    late = [replace(anchors[0], seq=1), replace(anchors[1], seq=2), replace(anchors[2], seq=4)]
    (doubt,) = checked(Keyring.open(tmp_path), late, files)[1]
    (old,) = before.trusted.keys() - before.model_public_keys.keys()
    assert doubt.endswith(f"was signed by the key {old} after that was rotated out, at anchor 3")


NOT_RECORDS = [b"", b"{}", b"[]", b"null", b"1", b"\xff", b'{"record": 1}', b'{"record": {"event": "x"}}', b"nan"]


@pytest.mark.parametrize("content", NOT_RECORDS)
def test_what_is_no_record_is_said_to_be_none(content):
    with pytest.raises(ValueError, match=r"."):
        Sealed.read(content)
