"""Signatures over model files: whatever byte is changed is found, and OpenSSF's own tool agrees."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from assay.core import sha256_bytes
from assay.registry.keys import key_id
from assay.registry.private_keys import KeyInMemory
from assay.registry.signing import (
    SIGNATURE,
    SignatureError,
    check_file,
    check_model,
    folder_digests,
    is_plain,
    make_bundle,
    make_statement,
    read_signature,
)

FILES = {"model.onnx": b"the model \x00\x01", "MLmodel": b"flavors: {}\n", "reference/model.skops": b"PK", "empty": b""}


def public_keys(*keys):
    """Key id to public key, as a keyring gives them."""
    publics = [key.public_key() for key in keys]
    return {
        key_id(each): each.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for each in publics
    }


@cache
def key_of(name):
    return ec.generate_private_key(ec.SECP256R1())


def key(name="ours"):
    return key_of(name)


@cache
def signed_by(name):
    """`FILES` and a signature over them."""
    with TemporaryDirectory() as scratch:
        folder = write(Path(scratch) / "model", FILES)
        sign_model(folder, key(name))
        return {**FILES, SIGNATURE: (folder / SIGNATURE).read_bytes()}


def signed(name="ours"):
    return signed_by(name)


def sign_model(folder, private):
    """Sign a folder as a candidate's is."""
    (folder / SIGNATURE).write_bytes(make_bundle(folder_digests(folder), KeyInMemory(private)))


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def stock(folder, signing_key=None, *, pem=""):
    """Verify with OpenSSF's own command line, by a key or by a public key in PEM."""
    (pem,) = [pem] if pem else public_keys(signing_key).values()
    public = folder.parent / "key.pub"
    public.write_text(pem)
    verify = [sys.executable, "-m", "model_signing", "verify", "key"]
    command = [*verify, "--public_key", public, "--signature", folder / SIGNATURE, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_was_signed_is_vouched_for_by_the_key_that_signed():
    keys = public_keys(key("other"), key())
    assert check_model(signed(), keys) == key_id(key().public_key())
    assert read_signature(signed()[SIGNATURE], keys).files == {name: sha256_bytes(each) for name, each in FILES.items()}
    for name, content in FILES.items():
        assert check_file(name, content, signed()[SIGNATURE], keys) == key_id(key().public_key())


def test_the_tool_that_others_use_agrees(tmp_path):
    folder = write(tmp_path / "downloaded", signed())
    verified = stock(folder, key())
    assert (verified.returncode, verified.stdout.strip()) == (0, "Verification succeeded"), verified.stderr
    assert stock(folder, key("other")).returncode != 0
    (folder / "MLmodel").write_bytes(b"flavors: {}\r")
    assert stock(folder, key()).returncode != 0


@given(name=st.sampled_from(sorted(name for name in [*FILES, SIGNATURE] if name != "empty")), data=st.data())
def test_any_single_changed_byte_is_found(name, data):
    content = bytearray(signed()[name])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SignatureError, match=name):
        check_model({**signed(), name: bytes(content)}, public_keys(key()))


def test_every_byte_of_the_signature_counts():
    signature, keys = signed()[SIGNATURE], public_keys(key())
    for place in range(len(signature)):
        for flip in (1, 32):  # 32 turns a letter's case
            changed = signature[:place] + bytes([signature[place] ^ flip]) + signature[place + 1 :]
            with pytest.raises(SignatureError):
                check_file("model.onnx", FILES["model.onnx"], changed, keys)
        with pytest.raises(SignatureError):
            read_signature(signature[:place], keys)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"model.onnx": None}, "^model.onnx is missing$"),
        (
            {"model.onnx": None, "MLmodel": b"", "x.py": b""},
            "^model.onnx is missing; x.py was .*; MLmodel has SHA",
        ),
        ({".gitattributes": b""}, "^.gitattributes was added after signing$"),
        ({"reference/model.sig": b""}, "^reference/model.sig was added after signing$"),
        ({SIGNATURE: None}, "^model.sig is missing: the model is not signed$"),
        ({SIGNATURE: b""}, "^model.sig is not a signature in the form of model-signing"),
        ({SIGNATURE: b"[]"}, "^model.sig is not a signature"),
        ({SIGNATURE: b"[" * 100_000}, "^model.sig is not a signature"),
    ],
)
def test_what_is_wrong_is_named(files, said):
    changed = {name: content for name, content in {**signed(), **files}.items() if content is not None}
    with pytest.raises(SignatureError, match=said):
        check_model(changed, public_keys(key()))


def test_an_unknown_key_and_a_borrowed_name_are_refused():
    with pytest.raises(SignatureError, match=r"model\.sig was made by an unknown key"):
        check_model(signed(), public_keys(key("other")))
    with pytest.raises(SignatureError, match="unknown key"):
        check_model(signed(), {})
    ours, theirs = (json.loads(signed(name)[SIGNATURE]) for name in ("ours", "theirs"))
    theirs["verificationMaterial"] = ours["verificationMaterial"]  # says that it is by our key
    forged = json.dumps(theirs, separators=(",", ":")).encode()
    with pytest.raises(SignatureError, match=f"the key {key_id(key().public_key())} did not make it"):
        check_model({**FILES, SIGNATURE: forged}, public_keys(key()))


def test_a_file_that_was_not_signed_is_not_handed_out():
    with pytest.raises(SignatureError, match=r"other\.onnx is not among the files that were signed"):
        check_file("other.onnx", b"", signed()[SIGNATURE], public_keys(key()))


def bundle(statement):
    """A genuine signature by a trusted key, over something else than a list of files."""
    from cryptography.hazmat.primitives.hashes import SHA256

    kind, payload = "application/vnd.in-toto+json", json.dumps(statement).encode()
    value = key().sign(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload, ec.ECDSA(SHA256()))
    made = json.loads(signed()[SIGNATURE])
    made["dsseEnvelope"] |= {"payload": b64encode(payload).decode()}
    made["dsseEnvelope"]["signatures"][0]["sig"] = b64encode(value).decode()
    return json.dumps(made, separators=(",", ":")).encode()


def statement(*names, algorithm="sha256", method="files", kind="https://model_signing/signature/v1.0"):
    resources = [{"name": name, "digest": sha256_bytes(b""), "algorithm": algorithm} for name in names]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": kind,
        "predicate": {"serialization": {"method": method}, "resources": resources},
    }


def test_a_list_of_files_is_read():
    assert read_signature(bundle(statement("a", "b/c")), public_keys(key())).files.keys() == {"a", "b/c"}


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        statement(),
        statement("../model.onnx"),
        statement("/etc/passwd"),
        statement("a", "a"),
        statement(7),
        statement("a", algorithm="md5"),
        statement("a", method="shards"),
        statement("a", kind="https://model_signing/Digests/v0.1"),
    ],
)
def test_a_signature_over_anything_else_is_refused(said):
    with pytest.raises(SignatureError, match="does not list files"):
        read_signature(bundle(said), public_keys(key()))


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b.c", "\\", "\0"]), min_size=1, max_size=4).map("/".join))
@example("a/../../b")
def test_a_plain_name_stays_below_its_folder(name):
    if is_plain(name):
        below = Path("/folder").joinpath(name)
        assert below.is_relative_to("/folder")
        assert ".." not in below.parts
        assert below.relative_to("/folder").as_posix() == name
    else:
        assert set(name.split("/")) & {"..", ".", ""} or set(name) & {"\\", "\0"}


ODD = {"a/b": b"1", "a.txt": b"2", "a-b": b"3", "Z": b"", "caf\u00e9/\U0001f600": b"4", "a/b.c": b"5", "spa ce": b"6"}


def test_the_statement_is_the_one_that_the_library_makes_of_the_folder(tmp_path):
    from model_signing import hashing, signing

    folder = write(tmp_path / "model", {**FILES, **ODD})
    (tmp_path / "key.pem").write_bytes(
        key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    config = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    signer = signing.Config().set_hashing_config(config).use_elliptic_key_signer(private_key=tmp_path / "key.pem")
    signer.sign(folder, folder / SIGNATURE)
    theirs = b64decode(json.loads((folder / SIGNATURE).read_bytes())["dsseEnvelope"]["payload"])
    assert read_signature((folder / SIGNATURE).read_bytes(), public_keys(key())).files == folder_digests(folder)
    assert json.loads(make_statement(folder_digests(folder))) == json.loads(theirs)
    sign_model(folder, key())
    verified = stock(folder, key())
    assert (verified.returncode, verified.stdout.strip()) == (0, "Verification succeeded"), verified.stderr
