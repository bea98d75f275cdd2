"""How many models each gate has measured on a snapshot: what its budget of error is divided by."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, func, insert, select

from assay.core import utc_now
from assay.rollout.database import advisory_lock, reading, writing
from assay.rollout.tables import ATTEMPT

_ATTEMPT_LOCK = 4_151_204  # any number, the same in every process


@dataclass(frozen=True)
class Attempts:
    """The attempts of all models, in the operations database; nobody takes one back.

    Parameters
    ----------
    engine
        From `open_database`, with its tables made.
    """

    engine: Engine

    def of(self, *, model: str, gate: str, snapshot: str) -> dict[str, int]:
        """The candidates that a gate has measured on a snapshot, by SHA-256, each with its number.

        Raises
        ------
        UnavailableError
            When the database does not answer.
        """
        with reading(self.engine) as connection:
            rows = connection.execute(select(ATTEMPT.c.candidate, ATTEMPT.c.number).where(_of(model, gate, snapshot)))
            return {row.candidate: row.number for row in rows}

    def number(self, *, model: str, gate: str, snapshot: str, candidate: str) -> int:
        """Count a candidate, once, among those that a gate measures on a snapshot.

        Counted before anything is measured: who is killed before his verdict has spent his attempt, and
        has the same one when he comes again.

        Parameters
        ----------
        model
            Name of the model.
        gate
            Which gate measures.
        snapshot
            Id of the data.
        candidate
            SHA-256 of the candidate's bytes.

        Returns
        -------
        int
            1 for the first; the number that it has already when it was counted before.

        Raises
        ------
        UnavailableError
            When the database does not answer.
        """
        mine = _of(model, gate, snapshot)
        known = select(ATTEMPT.c.number).where(mine, ATTEMPT.c.candidate == candidate)
        with reading(self.engine) as connection:
            before = connection.execute(known).scalar_one_or_none()
        if before is not None:
            return int(before)
        with writing(self.engine) as connection:
            advisory_lock(connection, _ATTEMPT_LOCK)
            before = connection.execute(known).scalar_one_or_none()
            if before is not None:
                return int(before)
            last = connection.execute(select(func.max(ATTEMPT.c.number)).where(mine)).scalar_one_or_none()
            number = (last or 0) + 1
            named = {"model": model, "gate": gate, "snapshot": snapshot, "candidate": candidate}
            connection.execute(insert(ATTEMPT).values(**named, number=number, at=utc_now()))
        return number


def _of(model: str, gate: str, snapshot: str) -> ColumnElement[bool]:
    return and_(ATTEMPT.c.model == model, ATTEMPT.c.gate == gate, ATTEMPT.c.snapshot == snapshot)
