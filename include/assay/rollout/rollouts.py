"""The moves of a rollout: each one transaction, compare-and-set on the epoch, recorded with its evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, select

from assay.core import problem, utc_now
from assay.policy import Rollout as Limits
from assay.rollout.database import create_tables, open_database, reading, writing
from assay.rollout.evidence import read_evidence
from assay.rollout.judge import Assessment, Decision, judge
from assay.rollout.records import ACTIVE, Deployment, IllegalMoveError, ModelRef, Move, RolloutRow
from assay.rollout.store import (
    deployment,
    end_rollout,
    find_rollout,
    get_rollout,
    lock_deployment,
    past_move,
    prepare_move,
    start_rollout,
    widen_rollout,
)
from assay.rollout.tables import DEPLOYMENT, MOVE, ROLLOUT


@dataclass(frozen=True)
class Rollouts:
    """The rollouts of all models, in the operations database.

    Every move names the epoch that it was decided on. If the deployment has moved since, the move
    raises `StaleEpochError` and changes nothing, so of several who move at once one wins. The same
    move on the same epoch, made again after a crash, changes nothing and returns the present state.

    Parameters
    ----------
    engine
        From `open_database`, with its tables made.
    clock
        Says what time it is, as `core.utc_now` does.
    """

    engine: Engine
    clock: Callable[[], str] = utc_now

    @classmethod
    def open(cls, url: str) -> "Rollouts":
        """The rollouts in the operations database at `url`, whose tables are made where they are not there.

        Raises
        ------
        UserError, UnavailableError
            As `open_database` and `create_tables`.
        """
        engine = open_database(url)
        create_tables(engine)
        return cls(engine)

    def begin(
        self, *, ref: ModelRef, run_key: str, policy: Limits, evidence: Mapping[str, Any] | None = None
    ) -> RolloutRow:
        """Begin a version's rollout in shadow; a running rollout of the model is rolled back first.

        Parameters
        ----------
        ref
            The version.
        run_key
            Names the run that asks; asking again with the same key returns the same rollout.
        policy
            The limits, kept with the rollout.
        evidence
            What it is begun on, as plain JSON values, kept in the move: the run's ``dossier``, its
            ``head``, and ``approved_by``, a list of ``{"role", "who", "at"}``. See `timeline`.

        Raises
        ------
        UserError
            When `run_key` began another version's rollout, or the version is already the champion.
        """
        now = self.clock()
        with writing(self.engine) as connection:
            held = lock_deployment(connection, ref.model, now)
            existing = find_rollout(connection, ROLLOUT.c.run_key == run_key)
            if existing is not None:
                if existing.canary != ref:
                    raise problem(run_key, f"this run already began {existing.model} version {existing.version}")
                return existing
            if held.champion is not None and held.champion.version == ref.version:
                raise problem(ref.model, f"version {ref.version} is already the champion")
            if held.rollout_id is not None:
                before = get_rollout(connection, held.rollout_id)
                reason = {"reason": f"superseded by version {ref.version} of run {run_key}"}
                end_rollout(connection, before, "rolled_back", f"{before.id}:superseded", reason, now)
                held = lock_deployment(connection, ref.model, now)
            return start_rollout(connection, held, ref, run_key, policy, evidence or {}, now)

    def current(self, model: str) -> Deployment | None:
        """What serves `model` now; None for a model that never had a rollout."""
        with reading(self.engine) as connection:
            row = connection.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.model == model)).one_or_none()
        return None if row is None else deployment(row)

    def models(self) -> list[str]:
        """The models that ever had a rollout, in order of name."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(DEPLOYMENT.c.model).order_by(DEPLOYMENT.c.model)).scalars())

    def deployments(self) -> list[Deployment]:
        """What serves each model now, in order of name."""
        with reading(self.engine) as connection:
            return [deployment(row) for row in connection.execute(select(DEPLOYMENT).order_by(DEPLOYMENT.c.model))]

    def get(self, rollout_id: int) -> RolloutRow:
        """The rollout with this id.

        Raises
        ------
        UserError
            When there is none.
        """
        with reading(self.engine) as connection:
            return get_rollout(connection, rollout_id)

    def find(self, run_key: str) -> RolloutRow | None:
        """The rollout that a run began; None when it began none."""
        with reading(self.engine) as connection:
            return find_rollout(connection, ROLLOUT.c.run_key == run_key)

    def history(self, model: str, *, rollout_id: int | None = None) -> list[Move]:
        """Every move of `model`, or of one of its rollouts, oldest first."""
        which: ColumnElement[bool] = MOVE.c.model == model
        if rollout_id is not None:
            which = which & (MOVE.c.rollout_id == rollout_id)
        with reading(self.engine) as connection:
            rows = connection.execute(select(MOVE).where(which).order_by(MOVE.c.id))
            return [past_move(row) for row in rows]

    def assess(self, rollout_id: int, *, as_of: str | None = None) -> Assessment:
        """Judge a running rollout on all that was logged since it began; see `judge`.

        Parameters
        ----------
        as_of
            Judge as that would have been at this time; UTC, ISO 8601 with milliseconds. Now by default.

        Raises
        ------
        IllegalMoveError
            When it has ended.
        """
        with reading(self.engine) as connection:
            rollout = get_rollout(connection, rollout_id)
            if not rollout.active:
                raise IllegalMoveError(f"rollout {rollout_id} of {rollout.model} has ended: {rollout.state}")
            evidence = read_evidence(connection, rollout, as_of=as_of)
        return judge(rollout, evidence, now=as_of or self.clock())

    def act(self, assessment: Assessment) -> RolloutRow:
        """Make the move that was decided, if any, and record the assessment as its evidence."""
        evidence = assessment.to_dict()
        match assessment.decision:
            case Decision.ADVANCE:
                return self.advance(assessment.rollout_id, assessment.epoch, evidence=evidence)
            case Decision.PROMOTE:
                return self.promote(assessment.rollout_id, assessment.epoch, evidence=evidence)
            case Decision.ROLLBACK:
                return self.roll_back(
                    assessment.rollout_id, assessment.epoch, reason=assessment.reason, evidence=evidence
                )
            case Decision.WAIT:
                return self.get(assessment.rollout_id)

    def expire(self) -> list[RolloutRow]:
        """Roll back every running rollout whose time has run out, and return what became of them.

        The gateway asks for this at every look, so that a canary whose pipeline was stopped by hand
        does not keep its traffic.
        """
        with reading(self.engine) as connection:
            running = ROLLOUT.c.state.in_(ACTIVE) & (ROLLOUT.c.deadline <= self.clock())
            overdue = [row.id for row in connection.execute(select(ROLLOUT.c.id).where(running))]
        return [self.act(self.assess(rollout_id)) for rollout_id in overdue]

    def advance(self, rollout_id: int, expected_epoch: int, *, evidence: Mapping[str, Any] | None = None) -> RolloutRow:
        """Give the canary its next share of the traffic.

        Raises
        ------
        StaleEpochError
            When the deployment is no longer at `expected_epoch`.
        IllegalMoveError
            In the last stage, or when the rollout has ended.
        """
        now = self.clock()
        with writing(self.engine) as connection:
            rollout, op_key, done = prepare_move(connection, rollout_id, "advance", expected_epoch, now)
            if done:
                return rollout
            if rollout.last_stage:
                raise IllegalMoveError(f"rollout {rollout_id} of {rollout.model} is in its last stage: promote it")
            return widen_rollout(connection, rollout, op_key, evidence or {}, now)

    def promote(self, rollout_id: int, expected_epoch: int, *, evidence: Mapping[str, Any] | None = None) -> RolloutRow:
        """Make the canary the champion.

        Raises
        ------
        StaleEpochError
            When the deployment is no longer at `expected_epoch`.
        IllegalMoveError
            Before the last stage, or when the rollout has ended.
        """
        now = self.clock()
        with writing(self.engine) as connection:
            rollout, op_key, done = prepare_move(connection, rollout_id, "promote", expected_epoch, now)
            if done:
                return rollout
            if not rollout.last_stage:
                raise IllegalMoveError(f"rollout {rollout_id} of {rollout.model} is only in stage {rollout.stage_name}")
            return end_rollout(connection, rollout, "champion", op_key, evidence or {}, now)

    def roll_back(
        self, rollout_id: int, expected_epoch: int, *, reason: str, evidence: Mapping[str, Any] | None = None
    ) -> RolloutRow:
        """Take all traffic from the canary; the champion, if there is one, serves alone.

        Raises
        ------
        StaleEpochError
            When the deployment is no longer at `expected_epoch`.
        IllegalMoveError
            When the rollout has ended.
        """
        now = self.clock()
        with writing(self.engine) as connection:
            rollout, op_key, done = prepare_move(connection, rollout_id, "roll_back", expected_epoch, now)
            if done:
                return rollout
            return end_rollout(connection, rollout, "rolled_back", op_key, {**(evidence or {}), "reason": reason}, now)
