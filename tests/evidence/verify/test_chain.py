"""Every change of the chain is named: of its records, its anchors, its moves, and of what they stand on."""

import json
import random
from dataclasses import replace

import pytest
from tests.evidence.verify.forged import rewritten_anchors, rewritten_chain, stored
from tests.evidence.verify.support import at, checked, found, missed, missed_alone
from tests.evidence.whole import added, changed, missing, rewritten

from assay.evidence.opening import archive, rollouts
from assay.evidence.verify import verify
from assay.registry.archive import Archive
from assay.registry.keys import create_keys, rotate_keys
from assay.registry.sealed import Sealed
from assay.rollout.anchors import AnchorTable
from assay.rollout.shipping import ship

pytestmark = pytest.mark.stack


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
