"""A registered version whose dossier holds a record of every kind, and ways to change one thing behind its back."""

import sqlite3
from contextlib import contextmanager
from dataclasses import replace

from tests.pipeline.support import CHAIN, POLICY, STRICT, approve, gateway, make_folder, make_run, waive, walk

from assay.core import sha256_bytes
from assay.pipeline import promotion


def apart(settings, home):
    """The same MLflow server, with an operations database and snapshots of one's own."""
    return replace(settings, operations_db=f"sqlite:///{home / 'operations.db'}", snapshots=str(home / "snapshots"))


def make_whole(settings, root):
    """A run with a waived verdict, an approved version, its card, and a canary that has just begun."""
    run = make_run(settings, make_folder(root, gates={**POLICY["gates"], **STRICT}), pinned=False)
    model = run.folder.policy.model
    walk(run, *CHAIN[:3])
    waive(run, "performance/auc")
    walk(run, *CHAIN[3:])
    run.dossier.store("card/model_card.md", b"# A card")
    run.record("card", "card:1", {"version": 1, "files": {"card/model_card.md": sha256_bytes(b"# A card")}})
    approve(replace(run))
    with gateway(settings, model) as (reached, _):
        promotion.begin(replace(run, settings=reached))
    return replace(run)


@contextmanager
def changed(file, how):
    """A file's content as `how` makes it."""
    whole = file.read_bytes()
    file.write_bytes(how(whole))
    try:
        yield
    finally:
        file.write_bytes(whole)


@contextmanager
def added(file, content=b"{}"):
    """A file that nobody recorded."""
    file.write_bytes(content)
    try:
        yield
    finally:
        file.unlink()


@contextmanager
def missing(file):
    """A file that is gone."""
    whole = file.read_bytes()
    file.unlink()
    try:
        yield
    finally:
        file.write_bytes(whole)


def flipped(content, place):
    """The content with one bit of the byte at `place` turned."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@contextmanager
def rewritten(database, statement, *values):
    """An SQLite database after a statement by hand, its triggers out of the way; as it was when the block ends."""
    connection = sqlite3.connect(database, isolation_level=None)
    whole = list(_dump(connection, statement))
    triggers = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    touched = connection.execute(statement, values).rowcount
    assert touched > 0, statement
    try:
        yield
    finally:
        table = _table(statement)
        connection.execute(f"DELETE FROM {table}")
        marks = ", ".join("?" * len(whole[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", whole)
        for trigger in triggers:
            connection.execute(trigger)
        connection.close()


def _table(statement):
    words = statement.split()
    return words[1] if words[0] == "UPDATE" else words[2]


def _dump(connection, statement):
    return connection.execute(f"SELECT * FROM {_table(statement)}").fetchall()
