"""What nobody can read is a finding of its own, and ends no audit."""

from itertools import product

import pytest
from sqlalchemy import Integer
from tests.evidence.audit.support import database, look, told, with_a_copy
from tests.evidence.whole import rewritten
from tests.rollout.support import LIMITS, ref

from assay.core import UnavailableError
from assay.evidence.audit import audit, whole
from assay.evidence.opening import archive, rollouts
from assay.rollout.tables import ANCHOR, DEPLOYMENT, MOVE, ROLLOUT

pytestmark = pytest.mark.stack

JSON = {"champion", "canary", "policy", "evidence"}
# Nothing is decided by these, or what is decided by them is held against the moves.
UNREAD = {
    "deployment": {"epoch", "stage", "champion_version", "canary_version", "updated_at"},
    "rollout": {"model", "version", "stage", "first_epoch", "reason", "started_at", "deadline"},
}


def junk():
    """What SQLite lets other hands write into a column: text for a number, bytes for text, half an object for one."""
    for table in (DEPLOYMENT, ROLLOUT, MOVE, ANCHOR):
        for column in table.columns:
            number = isinstance(column.type, Integer)
            values = ["x"] if number else [b"\xff", *(["{"] if column.name in JSON else [])]
            if not column.primary_key:
                yield from product([table.name], [column.name], values)


def test_no_junk_in_any_column_ends_an_audit(run, model, monkeypatch):
    monkeypatch.setattr(whole, "audit_files", lambda _: [])  # they are no rows
    silent = []
    for table, column, value in junk():
        last = f"(SELECT max(rowid) FROM {table})"
        with rewritten(database(run), f"UPDATE {table} SET {column} = ? WHERE rowid = {last}", value):
            found = audit(archive(run.settings))
        assert model in found.models
        silent += [] if found.seen or column in UNREAD.get(table, ()) else [(table, column)]
    assert silent == []
    assert look(run).clean


def test_one_row_that_stops_several_looks_is_told_once(run):
    with rewritten(database(run), "UPDATE deployment SET canary = '{'"):
        found = look(run)
    (seen,) = found.seen
    assert seen.incident.kind == "unreadable"
    assert seen.incident.message.startswith(f"the look at what serves ended early: deployment {found.models[0]}: the ")
    (closed,) = look(run).closed
    assert closed.id == seen.incident.id


def test_a_look_that_ended_early_says_of_nothing_that_its_cause_is_gone(run, model, client):
    client.set_registered_model_alias(model, "champion", "1")
    (moved,) = look(run).seen
    with rewritten(database(run), "UPDATE deployment SET canary = '{'"):
        found = look(run)
        assert [each.id for each in found.open] == [moved.incident.id]
        assert found.closed == ()
    client.delete_registered_model_alias(model, "champion")
    assert {each.kind for each in look(run).closed} == {"alias", "unreadable"}


def test_junk_in_one_model_keeps_no_other_from_being_audited(run, model, tmp_path):
    with with_a_copy(run, tmp_path) as copied:
        rollouts(copied.settings).begin(ref=ref(1, "zebra"), run_key="zebra/1", policy=LIMITS)
        with rewritten(database(copied), "UPDATE rollout SET policy = '[' WHERE model = ?", model):
            found = audit(archive(copied.settings))
        assert audit(archive(copied.settings), model).clean
    kinds = [(each.incident.model, each.incident.kind) for each in found.seen]
    assert kinds == [(model, "unreadable"), ("zebra", "row"), ("zebra", "alias")]


def test_a_share_that_no_move_gave_is_told(run):
    with rewritten(database(run), "UPDATE deployment SET share = 100"):
        said = told(look(run))
    assert said == ["the deployment's row was changed by hand: its canary has 100 % of the traffic, by the moves 0 %"]
    assert look(run).clean


def test_a_server_that_goes_away_in_a_look_ends_the_audit(run, monkeypatch):
    def away(*_):
        raise UnavailableError("MLflow does not answer")

    monkeypatch.setattr(whole, "audit_moves", away)
    with pytest.raises(UnavailableError):
        look(run)
