"""Read a rollout's evidence from the log of predictions and labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, and_, null, select

from assay.rollout.judge import RolloutEvidence
from assay.rollout.records import RolloutRow
from assay.rollout.tables import LABEL, PREDICTION


def read_evidence(connection: Connection, rollout: RolloutRow, *, as_of: str | None = None) -> RolloutEvidence:
    """Read what `rollout` has shown since it began; what it had shown by a time where `as_of` names one.

    A prediction belongs to the rollout, and to its present stage, by the epoch under which the
    gateway made it, so clocks that disagree cannot mix rollouts or stages.
    """
    scored = select(PREDICTION.c.error.is_not(None)).where(
        PREDICTION.c.model == rollout.model,
        PREDICTION.c.version == rollout.version,
        PREDICTION.c.epoch.between(rollout.first_epoch, rollout.epoch),
    )
    labelled = _labelled(rollout)
    if as_of is not None:
        scored, labelled = scored.where(PREDICTION.c.at <= as_of), labelled.where(LABEL.c.at <= as_of)
    failed = connection.execute(scored.order_by(PREDICTION.c.id))
    rows = connection.execute(labelled).all()
    labels = np.array([row.label for row in rows], dtype=np.float64)
    losses = _squared_errors([row.canary for row in rows], labels)
    if rollout.champion is not None:
        losses = losses - _squared_errors([row.champion for row in rows], labels)
    in_stage = [row for row in rows if row.epoch == rollout.epoch]
    return RolloutEvidence(
        losses=losses,
        errors=np.array(failed.scalars().all(), dtype=np.float64),
        stage_labels=len(in_stage),
        stage_served=sum(bool(row.served) for row in in_stage),
    )


def _labelled(rollout: RolloutRow) -> Select[Any]:
    """Rows with a label that both versions were asked to score, in the order of their labels."""
    canary, champion = PREDICTION.alias("canary"), PREDICTION.alias("champion")
    rows = LABEL.join(
        canary,
        and_(
            canary.c.model == LABEL.c.model,
            canary.c.request_id == LABEL.c.request_id,
            canary.c.row == LABEL.c.row,
            canary.c.version == rollout.version,
            canary.c.epoch.between(rollout.first_epoch, rollout.epoch),
        ),
    )
    score: ColumnElement[Any] = null()
    if rollout.champion is not None:
        score = champion.c.score
        rows = rows.join(
            champion,
            and_(
                champion.c.model == LABEL.c.model,
                champion.c.request_id == LABEL.c.request_id,
                champion.c.row == LABEL.c.row,
                champion.c.version == rollout.champion.version,
            ),
        )
    return (
        select(
            LABEL.c.label,
            canary.c.score.label("canary"),
            score.label("champion"),
            canary.c.epoch,
            canary.c.served,
        )
        .select_from(rows)
        .where(LABEL.c.model == rollout.model)
        .order_by(LABEL.c.id)
    )


def _squared_errors(scores: Sequence[float | None], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared errors in [0, 1]; a row that was not scored has the worst, so that failing hides nothing."""
    found = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    return np.where(np.isnan(found), 1.0, np.clip(found - labels, -1, 1) ** 2)
