"""`assay keys`: makes, shows, rotates and adds keys, and never shows a private one."""

import json

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.registry.keys import Keyring
from assay.rollout import create_tables, open_database
from assay.rollout.anchors import AnchorTable


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    for name in ("ASSAY_KEYS", "ASSAY_OPERATIONS_DB", "ASSAY_SIGNING_KEY", "ASSAY_MODEL_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def keys(*arguments):
    ran = CliRunner().invoke(app, ["keys", *arguments])
    return ran.exit_code, ran.output


def secrets(home):
    """The lines of the private keys."""
    return [line for file in home.rglob("*.pem") for line in file.read_text().splitlines() if "-" not in line]


def test_init_makes_keys_once_and_shows_the_public_ones(home):
    code, first = keys("init")
    assert code == 0
    for key in Keyring.open(home / "keys").trusted.values():
        assert f"{key.id} │ {key.use}" in first
    assert keys("init") == keys("show") == (0, first)
    assert secrets(home)
    assert not any(secret in first for secret in secrets(home))


def test_rotate_ends_the_old_key_at_the_last_anchor(home):
    keys("init")
    old = Keyring.open(home / "keys")
    signature = old.sign(b"")
    engine = open_database(f"sqlite:///{home / 'operations.db'}")
    create_tables(engine)
    for number in (1, 2):
        AnchorTable(engine).add(
            dossier="run", model="income", number=number, kind="request", operation=None, digest=f"{number}" * 64
        )
    code, output = keys("rotate")
    assert code == 0
    assert f"{signature.key} │ records │ platform │ anchor 2" in output
    rotated = Keyring.open(home / "keys")
    assert (rotated.doubt(b"", signature, seq=2), bool(rotated.doubt(b"", signature, seq=3))) == ("", True)
    assert keys("rotate")[1].count("in use") == 2


def test_before_the_first_anchor_a_rotated_key_counts_for_nothing(home):
    keys("init")
    assert "anchor 0" in keys("rotate")[1]


def test_add_makes_a_person_s_key(home):
    keys("init")
    code, output = keys("add", "officer", "--key", str(home / "officer.pem"))
    assert code == 0
    (officer,) = (key for key in Keyring.open(home / "keys").trusted.values() if key.owner == "officer")
    assert f"{officer.id} │ records │ officer" in output
    assert not any(secret in output for secret in secrets(home))
    assert keys("add", "officer", "--key", str(home / "officer.pem"))[0] == 2


@pytest.mark.parametrize("arguments", [["show"], ["rotate"], ["add", "officer", "--key", "officer.pem"]])
def test_without_keys_the_way_to_make_them_is_shown_and_nothing_is_made(home, monkeypatch, arguments):
    monkeypatch.chdir(home)
    code, output = keys(*arguments)
    assert code == 2
    assert "assay keys init" in output
    assert list(home.iterdir()) == []


def test_a_spoilt_keyring_is_left_as_it_is(home):
    keys("init")
    file = home / "keys" / "trusted.json"
    file.write_text(json.dumps({}) + "x")
    for arguments in (["init"], ["show"], ["rotate"]):
        code, output = keys(*arguments)
        assert (code, "restore it from a backup" in output) == (2, True)
    assert file.read_text() == "{}x"
