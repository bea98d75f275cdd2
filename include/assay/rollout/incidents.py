"""Incidents: what somebody must look at, said once however often it is seen."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from assay.core import utc_now
from assay.rollout.database import reading, writing
from assay.rollout.tables import INCIDENT


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """One thing that is, or was, out of order.

    Attributes
    ----------
    key
        What it is about; of the incidents with one key, one at most is open.
    model, version
        Whom it concerns; `version` is None where it is the whole model.
    kind
        What kind of thing it is, as ``tampered`` or ``alias``.
    message, mend
        What was seen last, and which way to mend it.
    sightings, first_seen, last_seen
        How often it was seen since it was opened, and when; UTC, ISO 8601.
    closed_at, closed_by, closed_because
        When, by whom and why it was closed; None while it is open.
    """

    id: int
    key: str
    model: str
    version: int | None
    kind: str
    message: str
    mend: str
    sightings: int
    first_seen: str
    last_seen: str
    closed_at: str | None
    closed_by: str | None
    closed_because: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Incidents:
    """The incidents of all models, in the operations database.

    Parameters
    ----------
    engine
        From `open_database`, with its tables made.
    clock
        Says what time it is, as `core.utc_now` does.
    """

    engine: Engine
    clock: Callable[[], str] = utc_now

    def raise_(self, *, key: str, model: str, version: int | None, kind: str, message: str, mend: str) -> Incident:
        """Open an incident, or count one more sighting of the one that is open under `key`.

        Raises
        ------
        UnavailableError
            When the database does not answer.
        """
        now = self.clock()
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        seen = dialect.insert(INCIDENT).values(
            key=key, model=model, version=version, kind=kind, message=message, mend=mend,
            sightings=1, first_seen=now, last_seen=now,
        )  # fmt: skip
        told = {name: seen.excluded[name] for name in ("model", "version", "kind", "message", "mend", "last_seen")}
        counted = seen.on_conflict_do_update(
            index_elements=[INCIDENT.c.key],
            index_where=INCIDENT.c.closed_at.is_(None),
            set_={**told, "sightings": INCIDENT.c.sightings + 1},
        ).returning(INCIDENT)
        with writing(self.engine) as connection:
            return _incident(connection.execute(counted).one())

    def open(self, model: str | None = None) -> list[Incident]:
        """The open incidents of a model, or of all, oldest first."""
        return self._select(INCIDENT.c.closed_at.is_(None), model)

    def all(self, model: str | None = None) -> list[Incident]:
        """Every incident of a model, or of all, oldest first."""
        return self._select(true(), model)

    def close(self, key: str, *, by: str, reason: str) -> Incident | None:
        """Close the incident that is open under `key`, and return it; None when none is.

        Raises
        ------
        UnavailableError
            When the database does not answer.
        """
        closed = (
            update(INCIDENT)
            .where(INCIDENT.c.key == key, INCIDENT.c.closed_at.is_(None))
            .values(closed_at=self.clock(), closed_by=by, closed_because=reason)
            .returning(INCIDENT)
        )
        with writing(self.engine) as connection:
            row = connection.execute(closed).one_or_none()
        return None if row is None else _incident(row)

    def _select(self, condition: ColumnElement[bool], model: str | None) -> list[Incident]:
        if model is not None:
            condition = condition & (INCIDENT.c.model == model)
        with reading(self.engine) as connection:
            rows = connection.execute(select(INCIDENT).where(condition).order_by(INCIDENT.c.id))
            return [_incident(row) for row in rows]


def _incident(row: Row[Any]) -> Incident:
    return Incident(**row._mapping)
