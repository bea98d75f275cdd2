"""A rollout can be judged as it would have been judged earlier."""

from sqlalchemy import update
from tests.rollout.support import LIMITS, equal, ref, traffic, worse

from assay.rollout import Decision
from assay.rollout.database import writing
from assay.rollout.tables import LABEL, PREDICTION

EARLIER, BETWEEN = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"


def age(rollouts):
    with writing(rollouts.engine) as connection:
        for table in (PREDICTION, LABEL):
            connection.execute(update(table).values(at=EARLIER))


def test_what_came_later_does_not_count(owned):
    row = owned.begin(ref=ref(1), run_key="run", policy=LIMITS)
    traffic(owned, equal(300))
    age(owned)
    then = owned.assess(row.id)
    assert then.decision is Decision.ADVANCE
    traffic(owned, worse(3000))
    traffic(owned, [(1, None, None)] * 50)
    assert owned.assess(row.id).decision is Decision.ROLLBACK
    found = owned.assess(row.id, as_of=BETWEEN)
    assert (found.decision, found.checks, found.scored, found.at) == (Decision.ADVANCE, then.checks, 300, BETWEEN)


def test_before_its_deadline_a_rollout_had_time(rollouts):
    row = rollouts.begin(ref=ref(1), run_key="run", policy=LIMITS)
    assert rollouts.assess(row.id, as_of=row.deadline).decision is Decision.ROLLBACK
    assert rollouts.assess(row.id, as_of=row.started_at).decision is Decision.WAIT


def test_the_models_are_those_that_ever_had_a_rollout(rollouts):
    assert rollouts.models() == []
    row = rollouts.begin(ref=ref(1), run_key="run", policy=LIMITS)
    rollouts.begin(ref=ref(1, "adult"), run_key="other", policy=LIMITS)
    rollouts.roll_back(row.id, row.epoch, reason="no")
    assert rollouts.models() == ["adult", "income"]
