"""The log of predictions and labels: written before a decision is answered, read by whoever judges it."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from assay.core import AssayError
from assay.rollout.database import advisory_lock, writing
from assay.rollout.tables import LABEL, PREDICTION, REQUEST

Arm = Literal["champion", "canary", "shadow"]
Cell = tuple[str, int]
T = TypeVar("T")

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One version's answer to one row of a request.

    Attributes
    ----------
    row
        Position in the request, from 0.
    entity
        Whom the row is about.
    version, arm, served
        Which version scored it, in which role, and whether its score was the answer.
    features
        The row's inputs as JSON; None where another prediction of the row holds them.
    score, error
        Probability of the positive class, or why there is none.
    latency_us
        Microseconds that the version took, per row of the request.
    """

    row: int
    entity: str
    version: int
    arm: Arm
    served: bool
    features: str | None
    score: float | None
    error: str | None
    latency_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A scored request, ready to be recorded with its answer."""

    model: str
    request_id: str
    body_sha256: str
    status: int
    answer: str
    epoch: int
    at: str
    predictions: Sequence[Prediction]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What stands in the log for a request: its first answer."""

    body_sha256: str
    status: int
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What turned out to be true of one row: 1 for the positive class, else 0."""

    request_id: str
    row: int
    label: int


class LabelsRefusedError(AssayError):
    """Some labels cannot be taken, so none was.

    Attributes
    ----------
    unknown
        (request, row) pairs that were never predicted.
    conflicting
        (request, row) pairs that already have the other label.
    """

    def __init__(self, unknown: Sequence[Cell], conflicting: Sequence[Cell]) -> None:
        self.unknown, self.conflicting = tuple(unknown), tuple(conflicting)
        super().__init__(f"{len(unknown)} labels for unknown rows, {len(conflicting)} that contradict earlier ones")


def record(engine: Engine, requests: Sequence[Request]) -> list[Recorded]:
    """Record requests with their predictions in one transaction.

    A request id that the model has seen before is not recorded again.

    Returns
    -------
    list of Recorded
        For each request what now stands in the log: its own answer, or the one given before.

    Raises
    ------
    UnavailableError
        When the log cannot be written; then nothing of `requests` was.
    """
    try:
        return _record(engine, requests)
    except IntegrityError:  # another process recorded one of them since we looked: look again
        return _record(engine, requests)


def record_labels(engine: Engine, model: str, labels: Sequence[Label], *, at: str) -> tuple[int, int]:
    """Record labels, all or none. The first label of a row stays.

    Returns
    -------
    accepted, repeated
        How many were new, and how many said again what was known.

    Raises
    ------
    LabelsRefusedError
        When a row was never predicted, or has the other label.
    UnavailableError
        When the log cannot be written.
    """
    with writing(engine) as connection:
        # Sequential tests read labels in the order of their ids. On PostgreSQL ids are handed out before the
        # commit, so two writers at once could put a row in front of others that were already judged.
        advisory_lock(connection, zlib.crc32(model.encode()))
        ids = {each.request_id for each in labels}
        predicted = _predicted(connection, model, ids)
        known = _known(connection, model, ids)
        new: dict[Cell, int] = {}
        unknown, conflicting = [], []
        for each in labels:
            cell = (each.request_id, each.row)
            before = known.get(cell, new.get(cell))
            if cell not in predicted:
                unknown.append(cell)
            elif before is None:
                new[cell] = each.label
            elif before != each.label:
                conflicting.append(cell)
        if unknown or conflicting:
            raise LabelsRefusedError(unknown, conflicting)
        if new:
            rows = [
                {"model": model, "request_id": i, "row": r, "label": value, "at": at} for (i, r), value in new.items()
            ]
            connection.execute(insert(LABEL), rows)
    return len(new), len(labels) - len(new)


def _record(engine: Engine, requests: Sequence[Request]) -> list[Recorded]:
    with writing(engine) as connection:
        standing = _standing(connection, requests)
        new: list[Request] = []
        for each in requests:
            key = (each.model, each.request_id)
            if key not in standing:
                standing[key] = Recorded(body_sha256=each.body_sha256, status=each.status, answer=each.answer)
                new.append(each)
        if new:
            connection.execute(insert(REQUEST), [_request_row(each) for each in new])
        if predictions := [row for each in new for row in _prediction_rows(each)]:
            connection.execute(insert(PREDICTION), predictions)
    return [standing[each.model, each.request_id] for each in requests]


def _standing(connection: Connection, requests: Sequence[Request]) -> dict[tuple[str, str], Recorded]:
    columns = REQUEST.c
    models = {each.model for each in requests}  # the key's first part: without it every look would read the whole log
    return {
        (row.model, row.request_id): Recorded(body_sha256=row.body_sha256, status=row.status, answer=row.answer)
        for some in _batches({each.request_id for each in requests})
        for row in connection.execute(select(REQUEST).where(columns.model.in_(models), columns.request_id.in_(some)))
    }


def _predicted(connection: Connection, model: str, ids: set[str]) -> set[Cell]:
    columns = PREDICTION.c
    return {
        (row.request_id, row.row)
        for some in _batches(ids)
        for row in connection.execute(
            select(columns.request_id, columns.row).where(columns.model == model, columns.request_id.in_(some))
        )
    }


def _known(connection: Connection, model: str, ids: set[str]) -> dict[Cell, int]:
    columns = LABEL.c
    return {
        (row.request_id, row.row): row.label
        for some in _batches(ids)
        for row in connection.execute(
            select(columns.request_id, columns.row, columns.label).where(
                columns.model == model, columns.request_id.in_(some)
            )
        )
    }


def _request_row(request: Request) -> dict[str, object]:
    return {
        "model": request.model,
        "request_id": request.request_id,
        "body_sha256": request.body_sha256,
        "status": request.status,
        "answer": request.answer,
        "at": request.at,
    }


def _prediction_rows(request: Request) -> Iterator[dict[str, object]]:
    shared = {"model": request.model, "request_id": request.request_id, "epoch": request.epoch, "at": request.at}
    for each in request.predictions:
        yield {
            **shared,
            "row": each.row,
            "entity": each.entity,
            "version": each.version,
            "arm": each.arm,
            "served": each.served,
            "features": each.features,
            "score": each.score,
            "error": each.error,
            "latency_us": each.latency_us,
        }


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Pieces small enough to be the parameters of one statement."""
    rest = iter(values)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch
