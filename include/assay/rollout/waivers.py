"""Waivers and their signatures, kept as they were signed."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, insert, select

from assay.core import problem
from assay.rollout.database import advisory_lock, reading, writing
from assay.rollout.tables import WAIVER, WAIVER_SIGNATURE

_WAIVER_LOCK = 4_151_203  # any number, the same in every process


@dataclass(frozen=True)
class Waivers:
    """The waivers of all models, in the operations database. What they say is no concern of this table's.

    Parameters
    ----------
    engine
        From `open_database`, with its tables made.
    """

    engine: Engine

    def add(self, waiver_id: str, model: str, document: str) -> None:
        """Keep a waiver; keeping the very same again changes nothing.

        Parameters
        ----------
        waiver_id
            Names it.
        model
            Whose check it waives.
        document
            The waiver as JSON text, byte for byte as it was signed.

        Raises
        ------
        UserError
            When the id is another waiver's.
        UnavailableError
            When the database does not answer.
        """
        with writing(self.engine) as connection:
            advisory_lock(connection, _WAIVER_LOCK)
            before = _document(connection, waiver_id)
            if before is None:
                connection.execute(insert(WAIVER).values(id=waiver_id, model=model, document=document))
            elif before != document:
                raise problem(waiver_id, "is another waiver's id")

    def sign(self, waiver_id: str, signature: str) -> None:
        """Add a signature, as JSON text, to a waiver; adding the very same again changes nothing.

        Raises
        ------
        UserError
            When there is no such waiver.
        UnavailableError
            When the database does not answer.
        """
        with writing(self.engine) as connection:
            advisory_lock(connection, _WAIVER_LOCK)
            if _document(connection, waiver_id) is None:
                raise problem(waiver_id, "no such waiver")
            if signature not in _signatures(connection, WAIVER.c.id == waiver_id).get(waiver_id, []):
                connection.execute(insert(WAIVER_SIGNATURE).values(waiver=waiver_id, document=signature))

    def of(self, model: str) -> list[tuple[str, list[str]]]:
        """Every waiver of a model, oldest first, each with its signatures in the order in which they came.

        Raises
        ------
        UnavailableError
            When the database does not answer.
        """
        mine = WAIVER.c.model == model
        with reading(self.engine) as connection:
            signatures = _signatures(connection, mine)
            rows = connection.execute(select(WAIVER).where(mine).order_by(WAIVER.c.number))
            return [(row.document, signatures.get(row.id, [])) for row in rows]


def _document(connection: Connection, waiver_id: str) -> str | None:
    return connection.execute(select(WAIVER.c.document).where(WAIVER.c.id == waiver_id)).scalar_one_or_none()


def _signatures(connection: Connection, condition: ColumnElement[bool]) -> dict[str, list[str]]:
    """The signatures of the waivers that meet a condition, by waiver."""
    found: dict[str, list[str]] = {}
    of_those = WAIVER_SIGNATURE.join(WAIVER, WAIVER.c.id == WAIVER_SIGNATURE.c.waiver)
    signatures = select(WAIVER_SIGNATURE).select_from(of_those).where(condition).order_by(WAIVER_SIGNATURE.c.number)
    for row in connection.execute(signatures):
        found.setdefault(row.waiver, []).append(row.document)
    return found
