"""The anchors of all dossiers, in one append-only chain in the operations database."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Engine, Row, insert, or_, select

from assay.core import Anchor, AnchorTakenError, AssayError, utc_now
from assay.rollout.database import advisory_lock, reading, writing
from assay.rollout.tables import ANCHOR

_ANCHOR_LOCK = 4_151_202  # any number, the same in every process
_AT_ONCE = 1_000


@dataclass(frozen=True)
class AnchorTable:
    """The table of anchors; it is what `core.Anchors` asks for.

    Writers take turns, whatever dossier they write to, so that `seq` has no gap and every anchor
    names the one before it.

    Parameters
    ----------
    engine
        From `open_database`, with its tables made.
    clock
        Says what time it is, as `core.utc_now` does.
    """

    engine: Engine
    clock: Callable[[], str] = utc_now

    def of(self, dossier: str) -> list[Anchor]:
        """The anchors of one dossier, in order of number."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(ANCHOR).where(ANCHOR.c.dossier == dossier).order_by(ANCHOR.c.number))
            return [_anchor(row) for row in rows]

    def add(self, *, dossier: str, model: str, number: int, kind: str, operation: str | None, digest: str) -> Anchor:
        """Anchor a record; anchoring the very same record again returns what is there.

        Raises
        ------
        AnchorTakenError
            When the number, or the operation, is another record's.
        AssayError
            When the dossier has no anchor with the number before.
        UnavailableError
            When the database does not answer.
        """
        with writing(self.engine) as connection:
            advisory_lock(connection, _ANCHOR_LOCK)
            near = _near(connection, dossier, number, operation)
            if number in near and near[number].digest == digest:
                return near[number]
            if number in near or any(each.operation == operation for each in near.values() if operation is not None):
                raise AnchorTakenError(dossier, number)
            if number != 1 and number - 1 not in near:
                raise AssayError(f"dossier {dossier}: record {number} cannot be anchored before record {number - 1}")
            last = _last(connection)
            anchor = Anchor(
                seq=last.seq + 1 if last else 1, dossier=dossier, model=model, number=number, kind=kind,
                operation=operation, digest=digest, at=self.clock(), chain="",
            )  # fmt: skip
            anchor = replace(anchor, chain=anchor.chained(last.chain if last else None))
            connection.execute(insert(ANCHOR).values(anchor.to_dict()))
        return anchor

    def last(self) -> Anchor | None:
        """The latest anchor, whose `chain` pins all others; None when there is none."""
        with reading(self.engine) as connection:
            return _last(connection)

    def all(self, after: int = 0) -> Iterator[Anchor]:
        """Every anchor whose `seq` is above `after`, in that order."""
        while True:
            with reading(self.engine) as connection:
                some = select(ANCHOR).where(ANCHOR.c.seq > after).order_by(ANCHOR.c.seq).limit(_AT_ONCE)
                batch = [_anchor(row) for row in connection.execute(some)]
            yield from batch
            if len(batch) < _AT_ONCE:
                return
            after = batch[-1].seq

    def check(self) -> list[str]:
        """What is wrong with the table in itself, in words; empty when it is whole.

        A table that was cut short, or rewritten from some row to its end, is whole in itself: what
        was shipped elsewhere tells (`shipping.ship`).
        """
        return list(doubts(self.all()))


def doubts(anchors: Iterable[Anchor], last: Anchor | None = None) -> Iterator[str]:
    """Say in words where anchors, which should follow `last`, leave a gap or do not chain."""
    whole = last is None  # else a dossier may have begun before the first of them
    numbers: dict[str, int] = {}
    for anchor in anchors:
        seq = last.seq + 1 if last else 1
        if anchor.seq != seq:
            yield f"anchor {seq} is missing: anchor {anchor.seq} comes next"
        elif anchor.chain != anchor.chained(last.chain if last else None):
            yield f"anchor {anchor.seq} (dossier {anchor.dossier}, record {anchor.number}) does not chain"
        number = numbers.get(anchor.dossier, 0 if whole else anchor.number - 1) + 1
        if anchor.number != number:
            yield f"anchor {anchor.seq} is record {anchor.number} of dossier {anchor.dossier}, not record {number}"
        numbers[anchor.dossier] = anchor.number
        last = anchor


def _near(connection: Connection, dossier: str, number: int, operation: str | None) -> dict[int, Anchor]:
    """The dossier's anchors at this number, at the one before and of this operation, by number."""
    columns = ANCHOR.c
    which: ColumnElement[bool] = columns.number.in_([number - 1, number])
    if operation is not None:
        which = or_(which, columns.operation == operation)
    rows = connection.execute(select(ANCHOR).where(columns.dossier == dossier, which))
    return {row.number: _anchor(row) for row in rows}


def _last(connection: Connection) -> Anchor | None:
    row = connection.execute(select(ANCHOR).order_by(ANCHOR.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else _anchor(row)


def _anchor(row: Row[tuple[object, ...]]) -> Anchor:
    told = dict(row._mapping)
    if not isinstance(told["number"], int):  # SQLite takes any text; 0 is no record's number, and every check says so
        told["number"] = 0
    return Anchor(**told)
