"""Who served what, when: worked out from the moves alone, which nobody can change afterwards."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, case, select

from assay.core import AssayError, problem
from assay.rollout.database import reading
from assay.rollout.records import as_written, share_of
from assay.rollout.tables import MOVE, ROLLOUT

Role = Literal["champion", "canary"]

_ACTIONS = ("begin", "advance", "promote", "roll_back")


class Served(NamedTuple):
    """A time through which a version had one role and one share of the traffic.

    Attributes
    ----------
    version, digest
        The version, and the SHA-256 of its ONNX file; None for a version begun before this was kept.
    role, share
        ``champion`` or ``canary``, and percent of the entities: 0 for a canary in shadow, and for a
        champion whose canary has all.
    since, until
        From when, and to when exclusively; UTC, ISO 8601. `until` is None for what serves now.
    action, run_key, rollout_id
        The move that began it: another version's, where that one took a share or gave it back.
    approved_by, dossier, head
        What the version's own rollout began with: who approved it, and the evidence. They stay with
        it for as long as it serves.
    """

    version: int
    digest: str | None
    role: Role
    share: int
    since: str
    until: str | None
    action: str
    run_key: str
    rollout_id: int
    approved_by: tuple[Mapping[str, Any], ...]
    dossier: str | None
    head: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; `since` and `until` are called ``from`` and ``to``."""
        data = self._asdict()
        return data | {"from": data.pop("since"), "to": data.pop("until"), "approved_by": list(self.approved_by)}


class Step(NamedTuple):
    """What the history needs to know of a move."""

    rollout_id: int
    action: str
    to_stage: str
    run_key: str
    at: str
    evidence: str | None
    version: int | None


def timeline(engine: Engine, model: str) -> list[Served]:
    """Every version's times of service, in the order in which they began; none for an unknown model.

    Raises
    ------
    UnavailableError
        When the database does not answer.
    AssayError
        When the moves tell no story, as where one is missing.
    """
    evidence = case((MOVE.c.action == "begin", MOVE.c.evidence))  # that of other moves is long, and not needed
    moves = (
        select(
            MOVE.c.rollout_id, MOVE.c.action, MOVE.c.to_stage, MOVE.c.run_key, MOVE.c.at, evidence, ROLLOUT.c.version
        )
        .join(ROLLOUT, ROLLOUT.c.id == MOVE.c.rollout_id, isouter=True)
        .where(MOVE.c.model == model)
        .order_by(MOVE.c.id)
    )  # fmt: skip
    with reading(engine) as connection:
        steps = [Step._make(row) for row in connection.execute(moves).all()]
    return unroll(steps)


def at(timeline: Iterable[Served], when: datetime | str) -> list[Served]:
    """Those in `timeline` that served at that instant; none before the first move.

    Parameters
    ----------
    timeline
        What `timeline` returned.
    when
        A time, or one in ISO 8601; taken for UTC where it does not say.

    Raises
    ------
    UserError
        When `when` is no time.
    """
    instant = _instant(when) if isinstance(when, str) else _aware(when)
    return [
        each
        for each in timeline
        if _instant(each.since) <= instant and (each.until is None or instant < _instant(each.until))
    ]


def unroll(steps: Iterable[Step]) -> list[Served]:
    """Play one model's moves, in the order in which they were made, and note who served meanwhile.

    The order is that of the moves and not that of the clocks: a move whose clock was behind counts as
    made at the time of the one before it, so that what it ended has no negative length.
    """
    begun: dict[int, _Origin] = {}
    champion: _Origin | None = None
    story = _Story()
    latest = datetime.min.replace(tzinfo=UTC)
    for step in steps:
        moment = _instant(step.at)
        if moment >= latest:
            story.now, latest = step.at, moment
        if step.action == "begin":
            begun[step.rollout_id] = _origin(step)
        canary = begun.get(step.rollout_id)
        if canary is None or step.action not in _ACTIONS:
            raise AssayError(f"rollout {step.rollout_id}: its move {step.action!r} makes no sense here")
        if step.action == "promote":
            champion = canary
        on_its_way = canary if step.action in ("begin", "advance") else None
        share = share_of(step.to_stage)
        story.turn("champion", champion, 100 - share, step)
        story.turn("canary", on_its_way, share, step)
    return story.served


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a version's rollout began with."""

    version: int
    digest: str | None
    approved_by: tuple[Mapping[str, Any], ...]
    dossier: str | None
    head: str | None


@dataclass(slots=True)
class _Story:
    """The intervals so far, and which of them have not ended."""

    now: str = ""
    served: list[Served] = field(default_factory=list)
    open: dict[Role, tuple[int, _Origin, int]] = field(default_factory=dict)  # place in `served`, version and share

    def turn(self, role: Role, origin: _Origin | None, share: int, step: Step) -> None:
        """From now on `origin` has this role and share; nothing ends if it had them before."""
        if role in self.open:
            place, before, share_before = self.open[role]
            if before is origin and share_before == share:
                return
            self.served[place] = self.served[place]._replace(until=self.now)
            del self.open[role]
        if origin is not None:
            self.open[role] = len(self.served), origin, share
            self.served.append(
                Served(
                    version=origin.version, digest=origin.digest, role=role, share=share, since=self.now, until=None,
                    action=step.action, run_key=step.run_key, rollout_id=step.rollout_id,
                    approved_by=origin.approved_by, dossier=origin.dossier, head=origin.head,
                )
            )  # fmt: skip


def _origin(step: Step) -> _Origin:
    with as_written(f"rollout {step.rollout_id}: its move begin"):
        evidence = json.loads(step.evidence or "{}")
        version = evidence.get("version", step.version)  # before the move kept it, only the rollout's row did
    if version is None:
        raise AssayError(f"rollout {step.rollout_id}: no record says which version it was about")
    return _Origin(
        version, evidence.get("digest"), tuple(evidence.get("approved_by", ())), evidence.get("dossier"),
        evidence.get("head"),
    )  # fmt: skip


def _instant(when: str) -> datetime:
    try:
        return _aware(datetime.fromisoformat(when))
    except ValueError:
        raise problem(when, "is not a time in ISO 8601", "for example 2026-03-03T14:00Z") from None


def _aware(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when
