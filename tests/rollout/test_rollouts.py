"""Moves: legal ones only, each once, one winner."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update
from tests.rollout.support import LIMITS, crown, equal, ref, traffic, worse

from assay.core import AssayError, UserError
from assay.policy import Rollout as Limits
from assay.rollout import Decision, IllegalMoveError, Rollouts, StaleEpochError
from assay.rollout.history import Step, unroll
from assay.rollout.store import past_move
from assay.rollout.tables import DEPLOYMENT, MOVE, ROLLOUT


def begin(rollouts, version=1, run_key="run 1", policy=LIMITS):
    return rollouts.begin(ref=ref(version), run_key=run_key, policy=policy)


def test_the_way_of_a_first_version(rollouts):
    row = begin(rollouts)
    assert (row.stage_name, row.share, rollouts.current("income").canary) == ("shadow", 0, ref(1))
    seen = []
    while row.active:
        row = rollouts.promote(row.id, row.epoch) if row.last_stage else rollouts.advance(row.id, row.epoch)
        deployment = rollouts.current("income")
        seen.append((row.stage_name, deployment.stage, deployment.share, deployment.epoch))
    assert seen == [
        ("canary 10 %", "canary", 10, 2),
        ("canary 100 %", "canary", 100, 3),
        ("champion", "champion", 0, 4),
    ]
    assert (deployment.champion, deployment.canary, deployment.rollout_id) == (ref(1), None, None)
    assert [move.action for move in rollouts.history("income")] == ["begin", "advance", "advance", "promote"]
    assert [move.epoch for move in rollouts.history("income")] == [1, 2, 3, 4]


def test_a_rollback_leaves_the_champion_alone(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    row = rollouts.roll_back(row.id, row.epoch, reason="seen enough")
    assert (row.state, row.reason) == ("rolled_back", "seen enough")
    deployment = rollouts.current("income")
    assert (deployment.stage, deployment.champion, deployment.canary) == ("champion", ref(1), None)
    assert rollouts.history("income")[-1].evidence == {"reason": "seen enough"}


@pytest.mark.parametrize("text", ["{bad", "7", "[]", "null"])
def test_a_row_that_other_hands_wrote_is_an_error_that_names_it(rollouts, text):
    row = begin(rollouts)
    with rollouts.engine.begin() as connection:
        connection.execute(update(DEPLOYMENT).values(canary=text))
        connection.execute(update(ROLLOUT).values(policy=text))
        made = connection.execute(select(MOVE)).one()
    changed = SimpleNamespace(op_key=made.op_key, evidence=text, _mapping=made._mapping)
    reads = {
        "deployment income": lambda: rollouts.current("income"),
        f"rollout {row.id}": lambda: rollouts.get(row.id),
        f"move {row.id}:begin": lambda: past_move(changed),
        f"rollout {row.id}: its move begin": lambda: unroll(
            [Step(row.id, "begin", "shadow", "r", row.started_at, text, 1)]
        ),
    }
    for named, read in reads.items():
        with pytest.raises(AssayError, match=f"^{named}: the operations database holds what Assay did not write"):
            read()


def test_a_first_version_rolled_back_leaves_nothing_that_serves(rollouts):
    row = begin(rollouts)
    rollouts.roll_back(row.id, row.epoch, reason="no")
    deployment = rollouts.current("income")
    assert (deployment.stage, deployment.champion, deployment.canary) == ("none", None, None)


def test_beginning_twice_is_beginning_once(rollouts):
    first = begin(rollouts)
    assert begin(rollouts) == first
    rollouts.roll_back(first.id, first.epoch, reason="no")
    assert begin(rollouts).state == "rolled_back"
    assert len(rollouts.history("income")) == 2
    with pytest.raises(UserError, match="already began income version 1"):
        begin(rollouts, version=2)


def test_what_a_rollout_is_begun_on_is_kept_with_the_move_that_began_it(rollouts):
    known = {"dossier": "d", "head": "h", "approved_by": [{"role": "any", "who": "ann", "at": "2030-01-01"}]}
    row = rollouts.begin(ref=ref(1), run_key="run", policy=LIMITS, evidence=known)
    again = rollouts.begin(ref=ref(1), run_key="run", policy=LIMITS, evidence={"head": "another"})
    assert again == row
    (move,) = rollouts.history("income")
    assert move.evidence == {**known, "version": 1, "digest": ref(1).digest}


def test_a_newer_version_supersedes_the_one_on_its_way(rollouts):
    crown(rollouts, 1)
    old = begin(rollouts, 2, "run 2")
    new = begin(rollouts, 3, "run 3")
    assert rollouts.get(old.id).state == "rolled_back"
    assert "superseded by version 3" in rollouts.get(old.id).reason
    deployment = rollouts.current("income")
    assert (deployment.rollout_id, deployment.canary, deployment.champion) == (new.id, ref(3), ref(1))
    assert new.champion == ref(1)
    assert [move.action for move in rollouts.history("income", rollout_id=old.id)] == ["begin", "roll_back"]
    assert rollouts.history("churn", rollout_id=old.id) == []
    assert [move.action for move in rollouts.history("income")][-3:] == ["begin", "roll_back", "begin"]
    with pytest.raises(StaleEpochError):
        rollouts.advance(old.id, old.epoch)


def test_the_champion_cannot_be_its_own_canary(rollouts):
    crown(rollouts, 1)
    with pytest.raises(UserError, match="already the champion"):
        begin(rollouts, 1, "again")


def test_models_do_not_touch_each_other(rollouts):
    begin(rollouts)
    other = rollouts.begin(ref=ref(1, "churn"), run_key="churn 1", policy=LIMITS)
    rollouts.advance(other.id, other.epoch)
    assert [(d.model, d.epoch) for d in rollouts.deployments()] == [("churn", 2), ("income", 1)]


def test_the_same_move_made_again_changes_nothing(rollouts):
    row = begin(rollouts)
    moved = rollouts.advance(row.id, row.epoch)
    assert rollouts.advance(row.id, row.epoch) == moved
    assert rollouts.current("income").epoch == moved.epoch == 2
    moved = rollouts.advance(moved.id, moved.epoch)
    promoted = rollouts.promote(moved.id, moved.epoch)
    assert rollouts.promote(moved.id, moved.epoch) == promoted
    assert len(rollouts.history("income")) == 4


def test_a_move_decided_on_an_old_epoch_is_refused(rollouts):
    row = begin(rollouts)
    rollouts.advance(row.id, row.epoch)
    with pytest.raises(StaleEpochError, match="expected epoch 1, but the deployment is at epoch 2"):
        rollouts.roll_back(row.id, row.epoch, reason="late")
    assert rollouts.current("income").stage == "canary"


def test_illegal_moves_are_refused(rollouts):
    row = begin(rollouts)
    with pytest.raises(IllegalMoveError, match="only in stage shadow"):
        rollouts.promote(row.id, row.epoch)
    row = rollouts.advance(row.id, row.epoch)
    row = rollouts.advance(row.id, row.epoch)
    with pytest.raises(IllegalMoveError, match="last stage"):
        rollouts.advance(row.id, row.epoch)
    row = rollouts.promote(row.id, row.epoch)
    with pytest.raises(IllegalMoveError, match="has ended"):
        rollouts.roll_back(row.id, row.epoch, reason="too late")
    with pytest.raises(IllegalMoveError, match="has ended"):
        rollouts.assess(row.id)
    with pytest.raises(UserError, match="no such rollout"):
        rollouts.get(99)


def race(rollouts, row, moves):
    """Make all moves at once; return what came of each."""
    barrier = Barrier(len(moves))

    def attempt(move):
        barrier.wait()
        try:
            return move(row)
        except StaleEpochError as error:
            return error

    with ThreadPoolExecutor(len(moves)) as pool:
        return list(pool.map(attempt, moves))


def test_of_those_who_move_at_once_one_wins(rollouts):
    row = begin(rollouts)
    results = race(rollouts, row, [lambda row: rollouts.advance(row.id, row.epoch)] * 8)
    assert [result.epoch for result in results] == [2] * 8
    assert [move.action for move in rollouts.history("income")] == ["begin", "advance"]
    mixed = [
        lambda row: rollouts.advance(row.id, row.epoch),
        lambda row: rollouts.roll_back(row.id, row.epoch, reason="race"),
    ]
    results = race(rollouts, rollouts.get(row.id), mixed * 4)
    won = [result for result in results if not isinstance(result, StaleEpochError)]
    assert len(won) == 4, "the four who made the same move agree, the other four were too late"
    assert len({result.state for result in won}) == 1
    assert [move.epoch for move in rollouts.history("income")] == [1, 2, 3]


def test_of_those_who_begin_at_once_the_last_is_on_its_way(rollouts):
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda version: begin(rollouts, version, f"run {version}"), range(1, 9)))
    (active,) = [row for row in map(rollouts.get, {row.id for row in rows}) if row.active]
    assert rollouts.current("income").rollout_id == active.id
    assert len({row.id for row in rows}) == 8


def test_an_equal_canary_is_promoted_on_evidence(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    for stage in ("shadow", "canary 10 %", "canary 100 %"):
        assert row.stage_name == stage
        traffic(rollouts, equal(400), served=row.share > 0)
        assessment = rollouts.assess(row.id)
        assert assessment.labels == 400
        row = rollouts.act(assessment)
    assert row.state == "champion"
    assert rollouts.current("income").champion == ref(2)
    evidence = rollouts.history("income")[-1].evidence
    assert (evidence["decision"], evidence["labels_total"]) == ("PROMOTE", 1200)
    assert evidence["checks"][0]["interval"][1] < 0.02


def test_a_worse_canary_is_rolled_back(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    traffic(rollouts, worse(200))
    assessment = rollouts.assess(row.id)
    assert assessment.decision is Decision.ROLLBACK
    assert "lies above the limit of at most 0.02" in assessment.reason
    assert rollouts.act(assessment).reason == assessment.reason


def test_only_this_rollouts_rows_count(rollouts):
    crown(rollouts, 1)
    first = begin(rollouts, 2, "run 2")
    traffic(rollouts, worse(200))
    rollouts.roll_back(first.id, first.epoch, reason="again, please")
    again = begin(rollouts, 2, "run 2, once more")
    assessment = rollouts.assess(again.id)
    assert (assessment.labels_total, assessment.scored, assessment.decision) == (0, 0, Decision.WAIT)


def test_rows_of_an_earlier_stage_do_not_count_for_this_one(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    shadow_epoch = row.epoch
    traffic(rollouts, equal(600))
    row = rollouts.act(rollouts.assess(row.id))
    traffic(rollouts, equal(200), epoch=shadow_epoch)  # a gateway that had not yet heard of the new stage
    assessment = rollouts.assess(row.id)
    assert (assessment.labels, assessment.labels_total, assessment.decision) == (0, 800, Decision.WAIT)


def test_unlabelled_traffic_never_advances(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    traffic(rollouts, equal(500), labelled=False)
    assessment = rollouts.assess(row.id)
    assert (assessment.decision, assessment.scored, assessment.labels_total) == (Decision.WAIT, 500, 0)


def test_a_canary_that_fails_is_rolled_back_without_a_single_label(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    traffic(rollouts, [(0, None, 0.3)] * 40, labelled=False)
    assessment = rollouts.assess(row.id)
    assert (assessment.decision, assessment.failed) == (Decision.ROLLBACK, 40)
    assert assessment.reason.startswith("error_rate")


def test_failing_to_score_counts_as_the_worst_score(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2, policy=Limits(max_brier=0.2, max_error_rate=0.9))
    traffic(rollouts, [(0, None, 0.0)] * 100)
    comparison = rollouts.assess(row.id).checks[0]
    assert comparison.estimate == 1.0
    assert rollouts.assess(row.id).decision is Decision.ROLLBACK


def test_time_that_runs_out_rolls_back(rollouts):
    crown(rollouts, 1)
    row = begin(rollouts, 2)
    traffic(rollouts, equal(500))
    assert rollouts.assess(row.id).decision is Decision.ADVANCE
    later = Rollouts(rollouts.engine, clock=lambda: row.deadline)
    assessment = later.assess(row.id)
    assert assessment.decision is Decision.ROLLBACK
    assert "time ran out" in later.act(assessment).reason


def test_waiting_changes_nothing(rollouts):
    row = begin(rollouts)
    assert rollouts.act(rollouts.assess(row.id)) == row
    assert rollouts.find("run 1") == row
    assert rollouts.find("run 2") is None


def test_a_rollout_that_nobody_watches_ends_at_its_deadline(rollouts):
    crown(rollouts, 1)
    row = rollouts.begin(ref=ref(2), run_key="run 2", policy=LIMITS)
    row = rollouts.advance(row.id, row.epoch)
    assert rollouts.expire() == []
    later = Rollouts(rollouts.engine, clock=lambda: row.deadline)
    [ended] = later.expire()
    assert (ended.id, ended.state) == (row.id, "rolled_back")
    assert ended.reason.startswith("time ran out")
    current = rollouts.current("income")
    assert (current.champion.version, current.canary, current.share) == (1, None, 0)
    assert later.expire() == []
