"""`assay waive`: what is stored, what is still missing, and every mistake in one message."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from tests.evidence.policies import policy_of
from typer.testing import CliRunner

from assay.cli import app
from assay.evidence.waivers import propose, stored_waivers
from assay.policy import TIERS, parse_policy
from assay.registry.keys import Keyring, add_person, create_keys
from assay.rollout import Waivers, create_tables, open_database

SOON = (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
CHECK = "fairness/tpr_difference/sex"


@pytest.fixture
def home(tmp_path, monkeypatch):
    names = ("ASSAY_KEYS", "ASSAY_OPERATIONS_DB", "ASSAY_SIGNING_KEY", "ASSAY_MODEL_SIGNING_KEY")
    names += ("ASSAY_SIGNER", "ASSAY_SIGNER_KEYS", "ASSAY_PKCS11_MODULE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    monkeypatch.setenv("ASSAY_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    create_keys(tmp_path / "keys")
    write(tmp_path, "low")
    return tmp_path


def write(home, tier):
    folder = home / "models" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_bytes(policy_of("toy", tier))
    (folder / "contract.json").write_text('{"expectations": []}')
    (folder / "train.py").write_text("")
    (folder / "toy.csv").write_text("")


def waive(*arguments):
    ran = CliRunner().invoke(app, ["waive", *arguments])
    return ran.exit_code, ran.output


def new(*more, check=CHECK, reason="few rows", expires=SOON, owner="ann"):
    return waive("toy", "--check", check, "--reason", reason, "--expires", expires, "--owner", owner, *more)


def stored(home):
    engine = open_database(f"sqlite:///{home / 'operations.db'}")
    create_tables(engine)
    try:
        return stored_waivers(engine, "toy")
    finally:
        engine.dispose()


def doubts(home, waiver, tier):
    return waiver.doubts(Keyring.open(home / "keys"), TIERS[tier], today=datetime.now(UTC).date())


def test_a_signed_waiver_is_kept_and_counts(home):
    code, said = new()
    (waiver,) = stored(home)
    assert code == 0
    assert f"waiver {waiver.id}: toy {CHECK} until {SOON}" in said
    assert "counts from now on" in said
    assert "the latest verdict was not looked at" in said  # MLflow is down, and that is no reason to wait
    assert doubts(home, waiver, "low") == []
    assert "1 waiver, 1 in force" in waive("toy", "--list")[1]


def test_a_dry_run_checks_everything_and_stores_nothing(home):
    code, said = new("--dry-run")
    assert (code, stored(home)) == (0, [])
    assert said.endswith("nothing was stored\n")


def test_the_second_person_signs_with_a_key_of_their_own(home):
    write(home, "high")
    officer = home / "bob.pem"
    add_person(home / "keys", "bob", officer)
    code, said = new()
    (waiver,) = stored(home)
    assert code == 0
    assert "does not count: waits for 1 more person" in said
    assert f"assay waive toy --sign {waiver.id} --owner NAME --key FILE" in said
    code, refused = waive("toy", "--sign", waiver.id, "--owner", "bob")
    assert code == 2
    assert "assay keys add bob --key FILE" in refused
    code, refused = waive("toy", "--sign", waiver.id, "--owner", "bob", "--key", str(home / "keys" / "signing.pem"))
    assert code == 2
    assert "is the installation's key" in refused
    assert len(stored(home)[0].signatures) == 1
    code, said = waive("toy", "--sign", waiver.id, "--owner", "bob", "--key", str(officer), "--dry-run")
    assert (code, len(stored(home)[0].signatures)) == (0, 1)
    code, said = waive("toy", "--sign", waiver.id, "--owner", "bob", "--key", str(officer))
    assert code == 0
    assert "signed by ann, bob" in said
    assert "counts from now on" in said
    assert doubts(home, stored(home)[0], "high") == []
    assert waive("toy", "--sign", waiver.id, "--owner", "bob", "--key", str(officer))[0] == 2  # once is enough


def test_where_a_signer_holds_the_keys_a_person_signs_and_a_task_cannot(home, monkeypatch):
    """The port that signs records is no help; a person's key file is, and the key's own folder, to who may read it."""
    (home / "private").mkdir(mode=0o700)
    for name in ("signing.pem", "model.pem"):
        (home / "keys" / name).rename(home / "private" / name)
    add_person(home / "keys", "ann", home / "ann.pem")
    monkeypatch.setenv("ASSAY_SIGNER", f"unix:{home / 'run' / 'signer.sock'}")
    code, refused = new()
    assert (code, stored(home)) == (2, [])
    assert "the signer holds it; a person signs with a key file of their own" in refused
    code, said = new("--key", str(home / "ann.pem"))
    assert (code, doubts(home, stored(home)[0], "low")) == (0, [])
    assert "counts from now on" in said
    monkeypatch.setenv("ASSAY_SIGNER_KEYS", str(home / "private"))  # as an operator at the machine with the keys
    code, said = new(reason="another")
    assert (code, doubts(home, stored(home)[1], "low")) == (0, [])


def test_everything_wrong_is_one_message_and_nothing_is_stored(home):
    key = home / "stranger.pem"
    create_keys(home / "elsewhere")
    key.write_bytes((home / "elsewhere" / "signing.pem").read_bytes())
    code, said = new("--key", str(key), check="fairness/tpr_diference/sex", reason=" ", expires="2020-01-01")
    assert code == 2
    for each in (
        'did you mean "fairness/tpr_difference/sex"?',
        "--reason: is empty",
        "--expires: 2020-01-01 is in the past",
        "is not among the trusted ones",
    ):
        assert each in said
    assert "4 problems" in said
    assert stored(home) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toi", "--list"], 'did you mean "toy"?'),
        (["toy"], "one thing at a time"),
        (["toy", "--list", "--sign", "x"], "one thing at a time"),
        (["toy", "--check", CHECK], "--reason: is missing"),
        (["toy", "--sign", "nothing", "--owner", "ann"], "has no waiver 'nothing'"),
        (["toy", "--check", "approval/approval"], "names no check"),
        (["toy", "--check", "contract/quarantine"], "cannot be waived (raise gates.contract.max_quarantined"),
        (["toy", "--check", "fairness/tpr_difference/race", "--expires", SOON], "is no check of toy"),
        (["toy", "--check", CHECK, "--expires", "2999-01-01"], "further away than the 180 days"),
    ],
)
def test_what_cannot_be_done_is_one_message(home, arguments, said):
    code, output = waive(*arguments)
    assert code == 2
    assert said in output
    assert "Traceback" not in output
    assert stored(home) == []


def test_without_keys_the_way_to_make_them_is_shown(home):
    (home / "keys" / "trusted.json").unlink()
    code, said = new()
    assert (code, stored(home)) == (2, [])
    assert "assay keys init" in said


def test_an_expired_waiver_is_listed_as_such_and_not_signed(home):
    today = datetime.now(UTC).date()
    past = propose(
        parse_policy(policy_of("toy", "low"), "p"), check=CHECK, reason="r",
        expires=(today - timedelta(days=1)).isoformat(), owner="ann", today=today - timedelta(days=3),
    )  # fmt: skip
    engine = open_database(f"sqlite:///{home / 'operations.db'}")
    create_tables(engine)
    Waivers(engine).add(past.id, "toy", json.dumps(past.document()))
    engine.dispose()
    assert re.search(rf"{past.id}[\s\S]*does not count: expired on {past.expires}", waive("toy", "--list")[1])
    code, said = waive("toy", "--sign", past.id, "--owner", "ann")
    assert code == 2
    assert f"expired on {past.expires}" in said
    assert stored(home)[0].signatures == ()
