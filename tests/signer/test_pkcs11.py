"""The signer's keys in a PKCS#11 token: SoftHSM here, through the same library interface as a hardware module."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.registry.test_signing import FILES, stock, write
from tests.signer.support import INCLUDE, Chain, installation, process

from assay.core import UserError
from assay.registry.keys import PLATFORM, Keyring, record_message
from assay.registry.signing import SIGNATURE, check_model, folder_digests
from assay.registry.token_keys import VARIABLES, TokenKeys

_PLACES = (
    *("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", "/usr/local/lib/softhsm/libsofthsm2.so"),
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((place for place in _PLACES if Path(place).exists()), None)
PIN = "a pin for tests"

pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None,
    reason="SoftHSM was not found; on Debian: apt-get install softhsm2",
)


@pytest.fixture
def token(tmp_path):
    """The environment that names a fresh token. SoftHSM reads its settings once: only other processes load it."""
    folder = tmp_path / "token"
    folder.mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {folder}\nlog.level = ERROR\n")
    (tmp_path / "pin").write_text(f"{PIN}\n")
    found = {
        "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"),
        "ASSAY_PKCS11_MODULE": str(MODULE),
        "ASSAY_PKCS11_TOKEN": "assay",
        "ASSAY_PKCS11_PIN_FILE": str(tmp_path / "pin"),
    }
    made = ["softhsm2-util", "--init-token", "--free", "--label", "assay", "--pin", PIN, "--so-pin", PIN]
    environment = {**os.environ, **found}
    subprocess.run(made, env=environment, check=True, capture_output=True)
    return found


def run(script: str, token: dict[str, str], *arguments: str) -> str:
    """Run Python in a process of its own, which loads the token's library with these settings."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**inherited, "PYTHONPATH": str(INCLUDE), **token}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def assay(token, settings, *arguments):
    environment = {"ASSAY_HOME": str(settings.home), "ASSAY_KEYS": str(settings.keys)}
    command = "import sys; from assay.cli import app; app(sys.argv[1:])"
    return run(command, {**token, **environment, "ASSAY_OPERATIONS_DB": settings.operations_db}, *arguments)


def test_the_token_signs_records_and_models_and_gives_no_key_away(tmp_path, token):
    settings = installation(tmp_path / "home")
    shutil.rmtree(settings.home / "private")
    (settings.keys / "trusted.json").unlink()
    assay(token, settings, "keys", "init", "--pkcs11")
    before = (settings.keys / "trusted.json").read_bytes()
    assay(token, settings, "keys", "init", "--pkcs11")
    assert (settings.keys / "trusted.json").read_bytes() == before
    assert [file.name for file in settings.keys.iterdir()] == ["trusted.json"]
    folder = write(tmp_path / "model", FILES)
    with process(settings, **token):
        chain = Chain(settings)
        signed = [chain.add(chain.next_event()), chain.add(chain.next_verdict())]
        (folder / SIGNATURE).write_bytes(chain.keyring.sign_model(chain.dossier, folder_digests(folder)))
        assay(token, settings, "keys", "rotate")
        signed.append(chain.add(chain.next_event("training")))
    keyring = Keyring.open(settings.keys)
    for anchor, signature in zip(chain.anchors.of(chain.dossier), signed, strict=True):
        message = record_message(chain.dossier, anchor.number, anchor.digest)
        assert keyring.doubt(message, signature, seq=anchor.seq, owner=PLATFORM) == ""
    assert signed[0].key == signed[1].key != signed[2].key
    assert "was rotated out" in keyring.doubt(message, signed[0], seq=anchor.seq + 1)
    key = check_model({**FILES, SIGNATURE: (folder / SIGNATURE).read_bytes()}, keyring.model_public_keys)
    verified = stock(folder, pem=keyring.model_public_keys[key])
    assert (verified.returncode, verified.stdout.strip()) == (0, "Verification succeeded"), verified.stderr
    assert not list(settings.home.rglob("*.pem"))
    chain.anchors.engine.dispose()


LIFE = """
import sys
from pathlib import Path
from assay.core import UnavailableError, UserError
from assay.registry.keys import Keyring, create_keys, rotate_keys
from assay.registry.token_keys import TokenKeys
folder, keys = Path(sys.argv[1]), TokenKeys.from_environment()
def refused(act):
    try:
        act()
    except (UserError, UnavailableError) as error:
        print(type(error).__name__, error)
    else:
        print("nothing was refused")
first = create_keys(folder, keys)
signature = first.sign(b"a record")
keys.successor("records", set())  # as a rotation that was killed leaves it
assert len(keys.held("records")) == 2
again = create_keys(folder, keys)
assert again.trusted == first.trusted
assert again.sign(b"a record") == signature  # Ed25519 is deterministic, and the stray key is not used
held = keys.held("records")[0]
rotated = rotate_keys(folder, after=7, private=keys)
assert [len(keys.held(use)) for use in ("records", "models")] == [1, 1]
assert rotated.doubt(b"a record", signature, seq=7) == ""
assert rotated.doubt(b"a record", signature, seq=8)
assert rotated.doubt(b"a record", rotated.sign(b"a record"), seq=8) == ""
import os, pkcs11
from pkcs11 import Attribute, ObjectClass
token = pkcs11.lib(keys.module).get_token(token_label=keys.token)
with token.open(user_pin=keys.pin) as session:
    for private in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}):
        assert private[Attribute.SENSITIVE] and not private[Attribute.EXTRACTABLE]
refused(lambda: TokenKeys(keys.module, keys.token, "wrong pin").held("records"))
refused(lambda: TokenKeys(keys.module, "another", keys.pin).held("records"))
refused(lambda: TokenKeys("/nowhere.so", keys.token, keys.pin).held("records"))
unnamed = TokenKeys(keys.module, keys.token, keys.pin, (("records", "x"), ("models", "y")))
refused(lambda: Keyring.open(folder, private=unnamed).own("models"))
refused(lambda: TokenKeys(keys.module, keys.token, keys.pin, (("records", "assay-models"),)).held("records"))
refused(lambda: held.sign(b"a record"))
"""


def test_keys_are_made_once_rotated_and_destroyed_and_what_is_wrong_is_said(tmp_path, token):
    said = run(LIFE, token, str(tmp_path / "keys")).splitlines()
    for line, (kind, part) in zip(
        said,
        [
            ("UserError", "PKCS#11 token assay: does not accept the PIN"),
            ("UserError", f"PKCS#11 token another: is not known to {MODULE}"),
            ("UserError", "ASSAY_PKCS11_MODULE: /nowhere.so cannot be loaded"),
            ("UserError", "PKCS#11 token assay: y: cannot be read: there is no such key"),
            ("UserError", "PKCS#11 token assay: assay-models: is not an Ed25519 key"),
            ("UnavailableError", "PKCS#11 token assay failed"),
        ],
        strict=True,
    ):
        assert line.startswith(kind), line
        assert part in line
        assert PIN not in line


def test_what_the_environment_lacks_is_listed(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"(?s)ASSAY_PKCS11_TOKEN: is not set.*ASSAY_PKCS11_PIN_FILE: is not set"):
        TokenKeys.from_environment()
    monkeypatch.setenv("ASSAY_PKCS11_PIN_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"none cannot be read"):
        TokenKeys.from_environment()
