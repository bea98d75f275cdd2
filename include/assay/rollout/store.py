"""Rows of the operations database in and out: the steps that the moves are made of."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from assay.core import problem
from assay.policy import Rollout as Limits
from assay.rollout.records import (
    Deployment,
    IllegalMoveError,
    ModelRef,
    Move,
    RolloutRow,
    StaleEpochError,
    State,
    as_written,
)
from assay.rollout.tables import DEPLOYMENT, MOVE, ROLLOUT


def lock_deployment(connection: Connection, model: str, now: str) -> Deployment:
    """Read a model's deployment and hold it until the transaction ends; make it where there is none."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    empty = {"model": model, "epoch": 0, "stage": "none", "share": 0, "updated_at": now}
    connection.execute(dialect.insert(DEPLOYMENT).values(empty).on_conflict_do_nothing())
    return deployment(connection.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.model == model).with_for_update()).one())


def find_rollout(connection: Connection, condition: ColumnElement[bool]) -> RolloutRow | None:
    """The rollout that meets a condition which at most one can meet."""
    row = connection.execute(select(ROLLOUT).where(condition)).one_or_none()
    return None if row is None else rollout_row(row)


def get_rollout(connection: Connection, rollout_id: int) -> RolloutRow:
    """The rollout with this id; a `UserError` when there is none."""
    found = find_rollout(connection, ROLLOUT.c.id == rollout_id)
    if found is None:
        raise problem(str(rollout_id), "no such rollout")
    return found


def start_rollout(
    connection: Connection, before: Deployment, ref: ModelRef, run_key: str, policy: Limits,
    evidence: Mapping[str, Any], now: str,
) -> RolloutRow:  # fmt: skip
    """Write a new rollout in shadow, and the deployment's move to it."""
    epoch = before.epoch + 1
    values = {
        "model": ref.model,
        "version": ref.version,
        "run_key": run_key,
        "state": "shadow",
        "stage": -1,
        "first_epoch": epoch,
        "epoch": epoch,
        "champion": None if before.champion is None else before.champion.to_json(),
        "canary": ref.to_json(),
        "policy": policy.model_dump_json(),
        "reason": "",
        "started_at": now,
        "stage_started_at": now,
        "deadline": _later(now, hours=policy.max_hours),
    }
    rollout_id: int = connection.execute(insert(ROLLOUT).values(values).returning(ROLLOUT.c.id)).scalar_one()
    started = get_rollout(connection, rollout_id)
    _move_deployment(
        connection, started, before.epoch, now,
        stage="shadow", share=0, canary=ref.to_json(), canary_version=ref.version, rollout_id=rollout_id,
    )  # fmt: skip
    # the row of a rollout may be changed, its moves may not: what serves is known from them alone
    known = {**evidence, "version": ref.version, "digest": ref.digest}
    _append_move(connection, started, f"{rollout_id}:begin", "begin", before.stage, known, now)
    return started


def widen_rollout(
    connection: Connection, rollout: RolloutRow, op_key: str, evidence: Mapping[str, Any], now: str
) -> RolloutRow:
    """Write a rollout's next stage, and the deployment's move to it."""
    stage = rollout.stage + 1
    _move_deployment(connection, rollout, rollout.epoch, now, stage="canary", share=rollout.policy.stages[stage])
    changes = {"state": "canary", "stage": stage, "stage_started_at": now}
    return _change_rollout(connection, rollout, changes, op_key, "advance", evidence, now)


def end_rollout(
    connection: Connection, rollout: RolloutRow, state: State, op_key: str, evidence: Mapping[str, Any], now: str
) -> RolloutRow:
    """Write a rollout's end, and the deployment's move to the version that serves from now on."""
    winner = rollout.canary if state == "champion" else rollout.champion
    _move_deployment(
        connection, rollout, rollout.epoch, now,
        stage="none" if winner is None else "champion", share=0, rollout_id=None, canary=None, canary_version=None,
        champion=None if winner is None else winner.to_json(),
        champion_version=None if winner is None else winner.version,
    )  # fmt: skip
    changes = {"state": state, "reason": str(evidence["reason"]) if state == "rolled_back" else ""}
    action = "promote" if state == "champion" else "roll_back"
    return _change_rollout(connection, rollout, changes, op_key, action, evidence, now)


def prepare_move(
    connection: Connection, rollout_id: int, action: str, expected_epoch: int, now: str
) -> tuple[RolloutRow, str, bool]:
    """Return the rollout, the move's key, and whether that very move was made before.

    Raises
    ------
    StaleEpochError, IllegalMoveError
        When the move is new and the deployment has moved since, or the rollout has ended.
    """
    rollout = get_rollout(connection, rollout_id)
    held = lock_deployment(connection, rollout.model, now)
    rollout = get_rollout(connection, rollout_id)  # read again: it may have moved until the lock was ours
    op_key = f"{rollout_id}:{action}:{expected_epoch}"
    if connection.execute(select(MOVE.c.id).where(MOVE.c.op_key == op_key)).first() is not None:
        return rollout, op_key, True
    if held.epoch != expected_epoch:
        raise StaleEpochError(rollout.model, expected_epoch, held.epoch)
    if not rollout.active:
        raise IllegalMoveError(f"rollout {rollout_id} of {rollout.model} has ended: {rollout.state}")
    return rollout, op_key, False


def deployment(row: Row[Any]) -> Deployment:
    """A row of the table `deployment` as a value; an `AssayError` when other hands wrote it."""
    with as_written(f"deployment {row.model}"):
        return Deployment(
            model=row.model,
            epoch=row.epoch,
            stage=row.stage,
            share=row.share,
            champion=None if row.champion is None else ModelRef.from_json(row.champion),
            canary=None if row.canary is None else ModelRef.from_json(row.canary),
            rollout_id=row.rollout_id,
            updated_at=row.updated_at,
        )


def rollout_row(row: Row[Any]) -> RolloutRow:
    """A row of the table `rollout` as a value; an `AssayError` when other hands wrote it."""
    with as_written(f"rollout {row.id}"):
        return RolloutRow(
            **{
                **row._mapping,
                "champion": None if row.champion is None else ModelRef.from_json(row.champion),
                "canary": ModelRef.from_json(row.canary),
                "policy": Limits.model_validate_json(row.policy),
            }
        )


def past_move(row: Row[Any]) -> Move:
    """A row of the table `move` as a value; an `AssayError` when other hands wrote it."""
    with as_written(f"move {row.op_key}"):
        found = Move(**{**row._mapping, "evidence": json.loads(row.evidence)})
        _ = found.evidence.keys()
        return found


def _move_deployment(
    connection: Connection, rollout: RolloutRow, expected_epoch: int, now: str, **changes: object
) -> None:
    moved = connection.execute(
        update(DEPLOYMENT)
        .where(DEPLOYMENT.c.model == rollout.model, DEPLOYMENT.c.epoch == expected_epoch)
        .values(epoch=expected_epoch + 1, updated_at=now, **changes)
    )
    if moved.rowcount != 1:
        raise StaleEpochError(rollout.model, expected_epoch, None)


def _change_rollout(
    connection: Connection, before: RolloutRow, changes: Mapping[str, object], op_key: str, action: str,
    evidence: Mapping[str, Any], now: str,
) -> RolloutRow:  # fmt: skip
    connection.execute(update(ROLLOUT).where(ROLLOUT.c.id == before.id).values(epoch=before.epoch + 1, **changes))
    after = get_rollout(connection, before.id)
    _append_move(connection, after, op_key, action, before.stage_name, evidence, now)
    return after


def _append_move(
    connection: Connection, after: RolloutRow, op_key: str, action: str, came_from: str, evidence: Mapping[str, Any],
    now: str,
) -> None:  # fmt: skip
    connection.execute(
        insert(MOVE).values(
            op_key=op_key,
            model=after.model,
            rollout_id=after.id,
            epoch=after.epoch,
            action=action,
            from_stage=came_from,
            to_stage=after.stage_name,
            run_key=after.run_key,
            evidence=json.dumps(evidence, sort_keys=True, allow_nan=False),
            at=now,
        )
    )


def _later(now: str, *, hours: float) -> str:
    then = datetime.fromisoformat(now) + timedelta(hours=hours)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
