"""A real version is backed up, everything is destroyed, and after the restore every dossier verifies."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, make_url, text
from tests.conftest import running_mlflow
from tests.evidence.whole import make_whole
from tests.pipeline.conftest import NOISE
from tests.rollout.conftest import POSTGRES
from tests.rollout.postgres import server as postgres_server

from assay.registry.keys import create_keys

pytestmark = [pytest.mark.stack, *map(pytest.mark.filterwarnings, NOISE)]
PASSPHRASE = "a passphrase of the tests"


def environment(home, **more):
    """What names an installation in a folder; PostgreSQL's addresses take the place of SQLite's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "MLFLOW_"))}
    own = {
        "ASSAY_HOME": str(home),
        "ASSAY_OPERATIONS_DB": f"sqlite:///{home / 'operations.db'}",
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home / 'mlflow.db'}",
        "ASSAY_MLFLOW_ARTIFACTS": str(home / "artifacts"),
        "ASSAY_ANCHORS_FILE": str(home / "anchors.jsonl"),
        "ASSAY_BACKUP_PASSPHRASE": PASSPHRASE,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return {**inherited, **own, **more}


def assay(settings, *arguments, code=0):
    command = [sys.executable, "-W", "ignore", "-m", "assay", *map(str, arguments)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, cwd="include")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_installation(home, **databases):
    """Make a version with every kind of record, audit it, and end the server again; give the model's name."""
    patch = pytest.MonkeyPatch()
    with patch.context() as patched, running_mlflow(home, store=databases.get("MLFLOW_BACKEND_STORE_URI", "")) as given:
        from tests.boxes import OpenBox

        patched.setattr("assay.training.relay.Box", OpenBox)
        own = replace(given, operations_db=databases.get("ASSAY_OPERATIONS_DB", given.operations_db))
        model = make_whole(own, home / "models").folder.policy.model
        assay(environment(home, MLFLOW_TRACKING_URI=own.tracking_uri, **databases), "audit", model)
        assay(environment(home, **databases), "backup", "create", home.parent / "online")  # while it runs
    return model


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with an installation, its backup beside it, and its model; nobody changes either."""
    home = tmp_path_factory.mktemp("from") / "home"
    home.mkdir()
    model = make_installation(home)
    assay(environment(home), "backup", "create", home.parent / "backup", "--private")
    return home, home.parent / "backup", model


def verify(home, model, **databases):
    """Every check that there is, on a server of its own."""
    with running_mlflow(home, store=databases.get("MLFLOW_BACKEND_STORE_URI", "")) as given:
        own = environment(home, MLFLOW_TRACKING_URI=given.tracking_uri, **databases)
        said = assay(own, "dossier", "verify", model, 1, "--anchors", home / "anchors.jsonl")
        assay(own, "audit", model, "--deep")
    assert said.rstrip().endswith("Verified.")


@pytest.fixture
def place(tmp_path, installed):
    """A folder where nothing is yet, with the policies, which a repository holds and no backup."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    shutil.copytree(installed[0] / "models", home / "models")
    return home


def test_after_a_restore_elsewhere_every_dossier_verifies(installed, place):
    """By the backup that was made while the servers ran."""
    home, backup, model = installed
    away = home.rename(home.with_name("destroyed"))
    try:
        assay(environment(place), "backup", "restore", backup.with_name("online"))
        verify(place, model)
    finally:
        away.rename(home)


def test_private_keys_come_back_by_the_passphrase_alone(installed, place):
    home, backup, _ = installed
    key = (home / "keys" / "signing.pem").read_bytes()
    assert not [path for path in backup.rglob("*") if path.is_file() and key in path.read_bytes()]
    wrong = environment(place, ASSAY_BACKUP_PASSPHRASE="another passphrase, also long")
    assert "ASSAY_BACKUP_PASSPHRASE" in assay(wrong, "backup", "restore", backup, "--private", code=2)
    assert not (place / "operations.db").exists()
    assay(environment(place), "backup", "restore", backup, "--private")
    assert (place / "keys" / "signing.pem").read_bytes() == key
    assert (place / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_without_the_option_no_private_key_is_in_a_backup(installed):
    assert not (installed[1].with_name("online") / "private.enc").exists()
    assert not list(installed[1].with_name("online").rglob("*.pem"))


def test_nothing_is_overwritten_and_everything_in_the_way_is_named(installed, place):
    _, backup, _ = installed
    (place / "operations.db").write_bytes(b"other evidence")
    (place / "snapshots" / "x").mkdir(parents=True)
    said = assay(environment(place), "backup", "restore", backup, code=2)
    assert "operations.db" in said
    assert "snapshots" in said
    assert (place / "operations.db").read_bytes() == b"other evidence"
    assert not (place / "mlflow.db").exists()


def test_a_changed_a_missing_and_a_planted_file_are_named_and_nothing_is_restored(installed, place, tmp_path):
    copy = shutil.copytree(installed[1], tmp_path / "copy")
    changed = next(path for path in sorted(copy.rglob("*.json")) if path.name != "manifest.json")
    changed.write_bytes(changed.read_bytes() + b" ")
    (copy / "keys" / "trusted.json").unlink()
    (copy / "artifacts" / "planted").write_bytes(b"")
    said = assay(environment(place), "backup", "restore", copy, code=2)
    assert said.count("was changed since") == 1
    assert "keys/trusted.json: is missing" in said
    assert "artifacts/planted: is not part" in said
    assert "3 problems" in assay(environment(place), "backup", "verify", copy, code=2)
    assert not (place / "operations.db").exists()


@pytest.mark.parametrize("point", ["backup.databases", "backup.listed"])
def test_a_backup_that_is_killed_leaves_nothing_that_could_be_taken_for_one(installed, tmp_path, point):
    home = installed[0]
    assay(environment(home, ASSAY_FAULT_POINT=point), "backup", "create", tmp_path / "b", code=-signal.SIGKILL)
    assert not (tmp_path / "b").exists()
    for left in tmp_path.iterdir():
        assert left.name.startswith(".b.partial-")
    assay(environment(home), "backup", "create", tmp_path / "b")
    assay(environment(home), "backup", "verify", tmp_path / "b")


@pytest.mark.parametrize("point", ["restore.artifacts", "restore.snapshots", "restore.operations"])
def test_a_restore_that_is_killed_goes_on_when_it_is_started_again(installed, place, point):
    _, backup, _ = installed
    assay(environment(place, ASSAY_FAULT_POINT=point), "backup", "restore", backup, code=-signal.SIGKILL)
    assay(environment(place), "backup", "restore", backup)
    for name in ("artifacts", "snapshots"):
        wanted = {path.relative_to(backup / name) for path in (backup / name).rglob("*")}
        assert {path.relative_to(place / name) for path in (place / name).rglob("*")} == wanted
    assert (place / "operations.db").read_bytes() == (backup / "databases" / "operations.db").read_bytes()


def test_a_backup_of_a_database_that_is_being_written_holds_one_state(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    create_keys(home / "keys")
    for name in ("operations", "mlflow"):
        with closing(sqlite3.connect(home / f"{name}.db")) as made:
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("CREATE TABLE pairs (a INT, b INT)")
            made.commit()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(home / "operations.db")])
    try:
        for attempt in range(3):
            assay(environment(home), "backup", "create", tmp_path / f"b{attempt}")
            with closing(sqlite3.connect(tmp_path / f"b{attempt}" / "databases" / "operations.db")) as copy:
                assert copy.execute("SELECT sum(a) - sum(b) FROM pairs").fetchone()[0] in (0, None)
    finally:
        writer.kill()
        writer.wait()


WRITER = """
import sqlite3, sys
to = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for number in range(10**9):
    to.execute("BEGIN IMMEDIATE")
    to.execute("INSERT INTO pairs VALUES (?, 0)", (number,))
    to.execute("INSERT INTO pairs VALUES (0, ?)", (number,))
    to.execute("COMMIT")
"""


def test_what_is_no_backup_is_refused(tmp_path):
    (tmp_path / "b").mkdir()
    assert "is no complete backup" in assay(environment(tmp_path), "backup", "restore", tmp_path / "b", code=2)
    (tmp_path / "b" / "manifest.json").write_text(json.dumps({"form": 99}))
    assert "is no complete backup" in assay(environment(tmp_path), "backup", "verify", tmp_path / "b", code=2)
    assert "exists" in assay(environment(tmp_path), "backup", "create", tmp_path / "b", code=2)


@pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL's initdb was not found")
def test_on_postgresql_every_dossier_verifies_after_the_databases_were_dropped(tmp_path):
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    with postgres_server(POSTGRES) as url:
        first, second = (_databases(url, name) for name in ("first", "second"))
        model = make_installation(home, **first)
        assay(environment(home, **first), "backup", "create", tmp_path / "b")
        other.mkdir()
        (home / "models").rename(other / "models")
        shutil.rmtree(home)
        assay(environment(other, **second), "backup", "restore", tmp_path / "b")
        verify(other, model, **second)
        said = assay(environment(tmp_path / "third", **second), "backup", "restore", tmp_path / "b", code=2)
        assert said.count("holds something else already") == 2  # each database


def _databases(url, name):
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    named = {"ASSAY_OPERATIONS_DB": f"{name}_assay", "MLFLOW_BACKEND_STORE_URI": f"{name}_mlflow"}
    with engine.connect() as connection:
        for database in named.values():
            connection.execute(text(f"CREATE DATABASE {database}"))
    engine.dispose()
    full = make_url(url)
    return {variable: full.set(database=each).render_as_string(hide_password=False) for variable, each in named.items()}
