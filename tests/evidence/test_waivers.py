"""Waivers: what counts, and everything that must not."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evidence.waiving import TODAY, check, doubts, keys_of_two, policy, proposal, verdict

from assay.core import UserError, canonical_json
from assay.evidence.waivers import Signed, Waiver, propose, waived, waiver_event
from assay.policy import TIERS
from assay.registry.keys import PLATFORM, Keyring, create_keys, rotate_keys


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return keys_of_two(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keyring(folder):
    return Keyring.open(folder)


@pytest.mark.parametrize("tier", ["low", "medium", "high"])
def test_a_waiver_counts_through_its_last_day_and_no_longer_than_its_tier_allows(keyring, tier):
    most = TIERS[tier].waiver_days
    waiver = (
        proposal(tier=tier, days=most).signed(keyring, "ann").signed(keyring, "bob", key=keyring.folder / "bob.pem")
    )
    last = TODAY + timedelta(days=most)
    assert [doubts(waiver, keyring, tier, day) for day in (TODAY, last)] == [[], []]
    assert doubts(waiver, keyring, tier, last + timedelta(days=1)) == [f"expired on {last}"]
    with pytest.raises(UserError, match=f"the {most} days that the risk tier allows"):
        proposal(tier=tier, days=most + 1)


def test_a_waiver_of_another_tier_s_length_does_not_count(keyring):
    waiver = proposal(tier="low", days=180).signed(keyring, "ann")
    assert "longer than the 90 days of its risk tier" in doubts(waiver, keyring, "medium")[0]


def test_everything_wrong_is_said_at_once():
    with pytest.raises(UserError) as raised:
        propose(policy(), check="fairness", reason=" ", expires="2026-13-01", owner=PLATFORM, today=TODAY)
    assert [each.path for each in raised.value.problems] == ["--check", "--reason", "--owner", "--expires"]


@pytest.mark.parametrize(
    "address", ["", "fairness", "fairness/", "fairness/x/", "approval/approval", "canary/auc", "/x"]
)
def test_what_names_no_waivable_check_is_refused(address):
    with pytest.raises(UserError, match="names no check"):
        proposal(check=address)


def test_the_share_set_aside_is_changed_in_the_policy_and_not_waived():
    with pytest.raises(UserError, match=r"cannot be waived \(raise gates\.contract\.max_quarantined"):
        proposal(check="contract/quarantine")
    made = replace(proposal(check="contract/pii"), check="quarantine")  # as somebody may write it into the database
    assert not made.covers("contract", check(name="quarantine"))
    assert replace(made, check="pii").covers("contract", check(name="pii"))
    assert replace(made, gate="fairness").covers("fairness", check(name="quarantine"))


def test_a_day_that_has_passed_is_refused_and_today_is_not():
    with pytest.raises(UserError, match="is in the past"):
        proposal(days=-1)
    assert proposal(days=0).expires == TODAY.isoformat()


def test_a_waiver_survives_storage(keyring):
    waiver = proposal().signed(keyring, "ann")
    again = Waiver.from_dict(json.loads(canonical_json({**waiver.to_dict(), "verdict": "v"})))
    assert again == waiver
    assert again.id == waiver.id == proposal_id(waiver)


def proposal_id(waiver):
    return replace(waiver, signatures=()).id


@given(
    st.sampled_from(["model", "gate", "check", "attribute", "reason", "owner", "made_at", "expires"]),
    st.text(min_size=1, max_size=8),
)
def test_a_signature_covers_every_word(keyring, name, other):
    waiver = proposal().signed(keyring, "ann")
    changed = replace(waiver, **{name: other})
    if getattr(waiver, name) != other:
        assert doubts(changed, keyring)
        assert changed.id != waiver.id


@pytest.mark.parametrize("name", ["name", "at", "key", "value"])
def test_a_signature_covers_who_and_when(keyring, name):
    waiver = proposal().signed(keyring, "ann")
    signature = replace(waiver.signatures[0], **{name: "bob"})
    assert doubts(replace(waiver, signatures=(signature,)), keyring)


def test_a_waiver_without_signature_or_without_its_owner_s_does_not_count(keyring):
    waiver = proposal()
    assert doubts(waiver, keyring) == ["is not signed by its owner ann"]
    assert doubts(waiver.signed(keyring, "bob"), keyring) == ["is not signed by its owner ann"]


def test_a_waiver_from_the_future_does_not_count(keyring):
    """Else it could be dated so that it lasts longer than its tier allows."""
    waiver = proposal(today=TODAY + timedelta(days=300), days=180).signed(keyring, "ann")
    assert "is dated in the future" in doubts(waiver, keyring)[0]
    assert doubts(proposal(today=TODAY + timedelta(days=1)).signed(keyring, "ann"), keyring) == []


def test_a_waiver_without_dates_is_a_doubt_and_no_crash(keyring):
    for name in ("made_at", "expires"):
        assert "names no dates" in doubts(replace(proposal(), **{name: "soon"}), keyring)[0]


class TestTheSecondPerson:
    def test_must_have_a_key_of_their_own(self, keyring):
        one = proposal(tier="high").signed(keyring, "ann")
        waits = ["waits for 1 more person to sign it with a key of their own"]
        assert doubts(one, keyring, "high") == waits
        assert doubts(one.signed(keyring, "bob"), keyring, "high") == waits
        assert doubts(one.signed(keyring, "bob", key=keyring.folder / "bob.pem"), keyring, "high") == []

    def test_is_not_the_owner_with_another_key(self, keyring):
        one = proposal(tier="high").signed(keyring, "ann")
        with pytest.raises(UserError, match="has signed this waiver already"):
            one.signed(keyring, "ann", key=keyring.folder / "ann.pem")

    def test_signs_for_nobody_else(self, keyring):
        one = proposal(tier="high").signed(keyring, "ann")
        with pytest.raises(UserError, match="is the key of ann"):
            one.signed(keyring, "bob", key=keyring.folder / "ann.pem")

    def test_cannot_be_made_up_from_a_signature_of_the_installation(self, keyring):
        one = proposal(tier="high").signed(keyring, "ann").signed(keyring, "bob")
        personal = next(key.id for key in keyring.trusted.values() if key.owner == "bob")
        forged = replace(one, signatures=(one.signatures[0], replace(one.signatures[1], key=personal)))
        assert any("did not make" in each for each in doubts(forged, keyring, "high"))

    def test_does_not_sign_in_the_owner_s_name(self, keyring):
        forged = proposal(tier="high")
        for name in ("ann", "bob"):  # as by hand, past the command line
            message = canonical_json({"waiver": forged.document(), "name": name, "at": "2026-03-03T00:00:00Z"})
            made = keyring.sign(message, key=keyring.folder / "bob.pem")
            signature = Signed(name=name, at="2026-03-03T00:00:00Z", key=made.key, value=made.value)
            forged = replace(forged, signatures=(*forged.signatures, signature))
        assert doubts(forged, keyring, "high") == ["ann's signature: is the key of bob"]

    def test_cannot_be_the_same_signature_twice(self, keyring):
        one = proposal(tier="high").signed(keyring, "ann", key=keyring.folder / "ann.pem")
        twice = replace(one, signatures=one.signatures * 2)
        assert doubts(twice, keyring, "high") == ["waits for 1 more person to sign it with a key of their own"]


def test_a_key_that_was_rotated_out_signs_no_waiver(tmp_path):
    create_keys(tmp_path)
    waiver = proposal().signed(Keyring.open(tmp_path), "ann")
    assert "was rotated out" in doubts(waiver, rotate_keys(tmp_path, after=0))[0]


def test_a_waiver_that_a_dossier_recorded_before_its_key_was_rotated_out_goes_on_counting(tmp_path):
    create_keys(tmp_path)
    judged = verdict(check())
    waiver = proposal().signed(Keyring.open(tmp_path), "ann")
    event = waiver_event(judged, judged.checks[0], waiver, by="run")
    rotated = rotate_keys(tmp_path, after=7)
    for seq, counts in [(7, {judged.digest}), (8, set())]:
        found = waived([judged, event], rotated, TIERS["low"], today=TODAY, anchored={event.digest: seq})
        assert found[0] == counts


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\u2060\u2003", "..."])
def test_a_reason_and_an_owner_must_say_something(blank):
    with pytest.raises(UserError) as error:
        proposal(reason=blank, owner=blank)
    assert [each.path for each in error.value.problems] == ["--reason", "--owner"]


def test_an_unknown_key_signs_nothing(keyring, tmp_path):
    create_keys(tmp_path)
    waiver = proposal().signed(Keyring.open(tmp_path), "ann")
    assert "unknown key" in doubts(waiver, keyring)[0]
