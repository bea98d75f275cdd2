"""A rollout that stays where its evidence says that it must not is told; one that waits for evidence is not."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from tests.evidence.audit.support import database, look, told, with_a_copy
from tests.pipeline.moving import bad, book, good, traffic

pytestmark = pytest.mark.stack
LONG_AGO = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def stopped(run, tmp_path):
    """A run whose rollout is under way, for long, and whose task does not look any more."""
    with with_a_copy(run, tmp_path) as copied:
        age(copied, "rollout", "stage_started_at")
        yield copied


def age(run, table, column):
    with closing(sqlite3.connect(database(run), isolation_level=None)) as connection:
        assert connection.execute(f"UPDATE {table} SET {column} = ?", [LONG_AGO]).rowcount > 0


def age_evidence(run):
    for table in ("request", "prediction", "label"):
        age(run, table, "at")


@pytest.mark.parametrize(("score", "decision"), [(good, "ADVANCE, brier: "), (bad, "ROLLBACK, brier: ")])
def test_evidence_that_nobody_acts_on_is_told_until_somebody_does(stopped, score, decision):
    assert told(look(stopped)) == []  # no evidence: there is nothing to act on
    traffic(stopped, score, rows=400)
    assert told(look(stopped)) == []  # it has only come
    age_evidence(stopped)
    (seen,) = look(stopped).seen
    assert (seen.incident.kind, seen.incident.version) == ("rollout", 1)
    said = f"version 1 is in shadow, and nobody acts on its evidence for 15 minutes: {decision}"
    assert seen.incident.message.startswith(said)
    assert f"clear canary_promotion of the run {stopped.run_key}" in seen.incident.mend
    assert look(stopped).seen[0].incident.id == seen.incident.id
    row = book(stopped).find(stopped.run_key)
    book(stopped).act(book(stopped).assess(row.id))
    found = look(replace(stopped))
    assert [each.id for each in found.closed] == [seen.incident.id]


def test_a_rollout_past_its_deadline_is_told_when_no_gateway_ends_it(stopped):
    age(stopped, "rollout", "deadline")
    (message,) = told(look(stopped))
    assert f"ROLLBACK, time ran out at {LONG_AGO}" in message


def test_a_stage_that_has_just_begun_is_given_time(stopped):
    traffic(stopped, good)
    age_evidence(stopped)
    row = book(stopped).find(stopped.run_key)
    book(stopped).advance(row.id, row.epoch)
    assert [each for each in told(look(stopped)) if "nobody acts" in each] == []
