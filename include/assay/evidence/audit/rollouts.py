"""A rollout that is under way and that nobody moves."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.evidence.audit.deviation import Deviation, key
from assay.rollout.judge import Decision
from assay.rollout.records import IllegalMoveError

if TYPE_CHECKING:
    from assay.rollout.rollouts import Rollouts

IDLE = timedelta(minutes=15)
"""How long a rollout may stay where its evidence says that it must not.

The task looks every few seconds, rests twenty times as long as a look at a long log took, and may be retried.
"""


def audit_rollout(book: "Rollouts", model: str) -> list[Deviation]:
    """The rollout that its evidence, as it was a while ago and as it is now, moves on, and that did not move.

    Its task was stopped, or marked as done by hand: nothing but that task judges it before its deadline.
    """
    now = book.current(model)
    if now is None or now.rollout_id is None:
        return []
    row = book.get(now.rollout_id)
    then = (datetime.now(UTC) - IDLE).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if row.stage_started_at > then:
        return []
    try:
        before, assessment = book.assess(row.id, as_of=then), book.assess(row.id)
    except IllegalMoveError:  # it has just ended
        return []
    if Decision.WAIT in (before.decision, assessment.decision) or assessment.epoch != row.epoch:
        return []
    return [
        Deviation(
            key=key(model, "rollout", row.id),
            model=model,
            version=row.version,
            kind="rollout",
            message=f"version {row.version} is in {row.stage_name}, and nobody acts on its evidence for "
            f"{IDLE.seconds // 60} minutes: {assessment.decision}, {assessment.reason}",
            mend=f"clear canary_promotion of the run {row.run_key}, which judges it; or take its traffic: "
            f"assay rollback {model}",
        )
    ]
