"""The keyring: made once, private, rotated without losing what was signed, never trusted by chance."""

import json
import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from assay.core import UserError
from assay.registry.keys import PLATFORM, Keyring, Signature, add_person, create_keys, key_id, rotate_keys

MESSAGE = b"a record"
SIGNING, MODELS = "ASSAY_SIGNING_KEY", "ASSAY_MODEL_SIGNING_KEY"


def pem(private):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def p256():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def keys(tmp_path):
    return create_keys(tmp_path / "keys")


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_keys_are_made_once_and_the_private_ones_are_for_their_owner(keys):
    before = contents(keys.folder)
    assert before.keys() == {"signing.pem", "model.pem", "trusted.json"}
    assert create_keys(keys.folder) == keys
    assert contents(keys.folder) == before
    for name in ("signing.pem", "model.pem"):
        assert (keys.folder / name).stat().st_mode & 0o777 == 0o600
    assert {(each.use, each.owner, each.until) for each in keys.trusted.values()} == {
        ("records", PLATFORM, None),
        ("models", PLATFORM, None),
    }
    assert b"PRIVATE" not in before["trusted.json"]


def test_a_mask_that_lets_everybody_read_changes_nothing(tmp_path):
    old = os.umask(0)
    try:
        keys = create_keys(tmp_path / "keys")
    finally:
        os.umask(old)
    assert (keys.folder / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_lost_is_made_again_and_the_old_one_still_counts(keys):
    signature = keys.sign(MESSAGE)
    (keys.folder / "signing.pem").unlink()
    again = create_keys(keys.folder)
    assert again.doubt(MESSAGE, signature) == ""
    assert again.sign(MESSAGE).key != signature.key


def test_a_signature_counts_for_its_message_alone(keys):
    signature = keys.sign(MESSAGE)
    assert keys.doubt(MESSAGE, signature) == ""
    assert "did not make" in keys.doubt(b"another record", signature)
    assert "did not make" in keys.doubt(MESSAGE, replace(signature, value="bm8="))
    assert "did not make" in keys.doubt(MESSAGE, replace(signature, value="not base64!"))


def test_a_signature_counts_in_the_one_way_that_it_is_written(keys):
    signature = keys.sign(MESSAGE)
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = digits[digits.index(signature.value[-3]) + 1]  # differs in bits that are no part of the 64 bytes
    assert "in another way" in keys.doubt(MESSAGE, replace(signature, value=f"{signature.value[:-3]}{last}=="))


@given(st.data())
def test_any_change_of_a_signature_is_found(tmp_path_factory, data):
    keys = shared(tmp_path_factory)
    value = keys.sign(MESSAGE).value
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda character: character != value[place]))
    changed = value[:place] + other + value[place + 1 :]
    assert keys.doubt(MESSAGE, Signature(key=keys.sign(MESSAGE).key, value=changed))


def shared(tmp_path_factory, *, made=[]):  # noqa: B006 (one keyring for all examples)
    if not made:
        made.append(create_keys(tmp_path_factory.mktemp("shared")))
    return made[0]


def test_a_stranger_s_signature_counts_for_nothing(keys, tmp_path):
    stranger = create_keys(tmp_path / "stranger").sign(MESSAGE)
    assert keys.doubt(MESSAGE, stranger) == f"was signed by the unknown key {stranger.key}"
    (model_key,) = keys.model_public_keys
    assert "unknown key" in keys.doubt(MESSAGE, replace(stranger, key=model_key))


def test_a_rotated_key_counts_up_to_its_last_anchor(keys):
    old = keys.sign(MESSAGE)
    rotated = rotate_keys(keys.folder, after=7)
    new = rotated.sign(MESSAGE)
    assert new.key != old.key
    assert rotated.doubt(MESSAGE, old, seq=7) == ""
    for seq in (8, None):
        assert "was rotated out, at anchor 7" in rotated.doubt(MESSAGE, old, seq=seq)
    assert rotated.doubt(MESSAGE, new, seq=8) == ""
    assert keys.model_public_keys.items() < rotated.model_public_keys.items()
    assert key_id(rotated.own("models").public) not in keys.model_public_keys
    assert rotate_keys(keys.folder, after=9).doubt(MESSAGE, old, seq=8)  # a second rotation gives the first key nothing


@pytest.mark.parametrize("written", [0, 1])
def test_a_rotation_that_was_interrupted_signs_nothing_until_it_is_run_again(keys, monkeypatch, written):
    from assay.registry import private_keys as module

    real, left = module.write_private_key, [None] * written

    def stop(path, private):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        real(path, private)

    monkeypatch.setattr(module, "write_private_key", stop)
    with pytest.raises(KeyboardInterrupt):
        rotate_keys(keys.folder, after=7)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"was rotated out.*assay keys rotate"):
        Keyring.open(keys.folder).own("models")
    again = rotate_keys(keys.folder, after=7)
    assert again.doubt(MESSAGE, again.sign(MESSAGE), seq=8) == ""
    assert again.own("models")
    assert sum(each.until is None for each in again.trusted.values()) == 2


def test_a_person_signs_with_a_key_of_their_own(keys, tmp_path):
    file = tmp_path / "officer's key"  # a name without an ending is a name
    made = add_person(keys.folder, "officer", file)
    assert file.stat().st_mode & 0o777 == 0o600
    both = Keyring.open(keys.folder)
    signature = both.sign(MESSAGE, key=file)
    assert signature.key == made.id
    assert both.trusted[made.id].owner == "officer"
    assert both.doubt(MESSAGE, signature, owner="officer") == ""
    assert f"of officer, not of {PLATFORM}" in both.doubt(MESSAGE, signature, owner=PLATFORM)
    assert both.sign(MESSAGE).key != made.id
    assert rotate_keys(keys.folder, after=1).doubt(MESSAGE, signature, seq=2) == ""  # not the platform's to rotate
    with pytest.raises(UserError, match="exists already"):
        add_person(keys.folder, "officer", file)
    for owner in ("", " ", "\u200b", "offi\u200bcer", "of\nficer", PLATFORM, " Platform"):
        with pytest.raises(UserError, match="is not a person's name"):
            add_person(keys.folder, owner, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_keys_may_come_from_the_environment(tmp_path, monkeypatch):
    signing, models = Ed25519PrivateKey.generate(), p256()
    monkeypatch.setenv(SIGNING, pem(signing))
    monkeypatch.setenv(MODELS, pem(models))
    keys = create_keys(tmp_path / "keys")
    assert contents(keys.folder).keys() == {"trusted.json"}
    assert keys.sign(MESSAGE).key == key_id(signing.public_key())
    assert key_id(keys.own("models").public) == key_id(models.public_key())
    with pytest.raises(UserError, match=f"{SIGNING}: still holds the key that is to be replaced"):
        rotate_keys(keys.folder, after=3)
    old = keys.sign(MESSAGE)
    monkeypatch.setenv(SIGNING, pem(Ed25519PrivateKey.generate()))
    with pytest.raises(UserError, match=r"is not among the trusted ones.*assay keys init"):
        keys.sign(MESSAGE)
    monkeypatch.setenv(MODELS, "")  # as good as unset
    rotated = rotate_keys(keys.folder, after=3)
    assert rotated.doubt(MESSAGE, rotated.sign(MESSAGE), seq=4) == ""
    assert rotated.doubt(MESSAGE, old, seq=4)
    assert contents(keys.folder).keys() == {"trusted.json", "model.pem"}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (SIGNING, "no key", "is not an Ed25519 private key in PEM"),
        (SIGNING, pem(p256()), "is not an Ed25519 private key"),
        (MODELS, pem(Ed25519PrivateKey.generate()), "is not a P-256 private key"),
        (MODELS, pem(ec.generate_private_key(ec.SECP384R1())), "is not a P-256 private key"),
    ],
)
def test_what_is_no_key_is_said_and_not_shown(tmp_path, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"{variable}: {said}") as error:
        create_keys(tmp_path / "keys")
    assert value not in str(error.value)
    assert not (tmp_path / "keys" / "trusted.json").exists()


def test_public_keys_alone_check_and_do_not_sign(keys, tmp_path):
    signature = keys.sign(MESSAGE)
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "trusted.json").write_bytes((keys.folder / "trusted.json").read_bytes())
    public = Keyring.open(tmp_path / "gateway")
    assert public.doubt(MESSAGE, signature) == ""
    for act in (lambda: public.sign(MESSAGE), lambda: public.own("models")):
        with pytest.raises(UserError, match=r"\.pem: cannot be read: there is no such key.*assay keys init"):
            act()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file, so no signature can be made or checked .*assay keys init"),
        ("", "is not a list of public keys"),
        ("[]x", "is not a list of public keys"),
        ('[{"id": 1}]', "is not a list of public keys"),
        ("7", "is not a list of public keys"),
    ],
)
def test_a_keyring_that_is_spoilt_is_said(tmp_path, content, said):
    if content is not None:
        (tmp_path / "trusted.json").write_text(content)
    with pytest.raises(UserError, match=said):
        Keyring.open(tmp_path)


def test_an_id_that_is_put_on_another_key_is_found(keys):
    file = keys.folder / "trusted.json"
    entries = json.loads(file.read_bytes())
    for pick in ({"id": "0" * 16}, {"public_key": entries[1]["public_key"]}, {"public_key": "none"}):
        file.write_text(json.dumps([entries[0] | pick, entries[1]]))
        with pytest.raises(UserError, match=r"is not the id of its public key|not a public key in PEM"):
            Keyring.open(keys.folder)


@pytest.mark.parametrize("wrong", [{"id": 5}, {"public_key": 5}, {"owner": None}, {"use": "all"}, {"until": "7"}])
def test_an_entry_of_another_form_is_no_public_key(keys, wrong):
    file = keys.folder / "trusted.json"
    first, *others = json.loads(file.read_bytes())
    file.write_text(json.dumps([first | wrong, *others]))
    with pytest.raises(UserError, match="is not a list of public keys"):
        Keyring.open(keys.folder)


def test_a_key_that_is_trusted_for_what_it_cannot_do_is_found(keys):
    file = keys.folder / "trusted.json"
    entries = json.loads(file.read_bytes())
    file.write_text(json.dumps([entry | {"use": "models"} for entry in entries]))
    with pytest.raises(UserError, match=f"{entries[0]['id']}: is not a key for models"):
        Keyring.open(keys.folder)


@pytest.mark.parametrize("name", ["signing.pem", "model.pem"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_private_key_that_others_may_read_or_write_is_refused(keys, name, mode):
    (keys.folder / name).chmod(mode)
    with pytest.raises(UserError, match=rf"{name}: may be read or written by others \(mode {mode:04o}\).*chmod 600"):
        keys.own("records" if name == "signing.pem" else "models")
