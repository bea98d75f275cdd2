"""Score a request with every version that is live, and choose whose score is the answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from numpy.typing import NDArray

from assay.core import Problem, did_you_mean, utc_now
from assay.data.features import encode
from assay.rollout import Prediction, Request
from assay.rollout.log import Arm
from assay.serving.decode import Frame, entities_of
from assay.serving.live import Live, Version
from assay.serving.refusal import RefusalError, bad_request
from assay.serving.split import percent_point

_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Scores:
    """What one version made of a request: a score with the class decided for, or an error, for every row."""

    version: Version
    scores: Sequence[float | None]
    labels: Sequence[str]
    errors: Sequence[str | None]
    latency_us: int


def score_request(live: Live, frame: Frame, body_sha256: str) -> Request:
    """Score a request with champion and canary alike, so that they can be compared row by row.

    A row goes to the canary when its entity stands below the canary's share; should the canary fail to
    score it, the champion answers. Inputs are held to what the champion needs, or to what the canary
    needs where there is no champion; a canary that cannot score what the champion can has failed.

    Returns
    -------
    Request
        The answer with the predictions to be logged before it is sent: status 200, or 503 when no
        version may serve some row.

    Raises
    ------
    RefusalError
        400 listing everything wrong with the rows, 503 when nothing is live.
    """
    first = live.champion or live.canary
    if first is None:
        raise RefusalError(503, f"{live.model}: no version serves this model now", retry_after=_RETRY_SECONDS)
    entities = entities_of(frame, first.ref.entity_column)
    inputs, problems = _encode(frame, first)
    if problems:
        raise bad_request(problems)
    results = [_score(first, inputs, frame.rows)]
    if live.champion is not None and live.canary is not None:
        results.append(_score_canary(live.canary, frame))
    champion = results[0] if live.champion is not None else None
    canary = results[-1] if live.canary is not None else None
    serving = [_serving(live, entity, row, champion, canary) for row, entity in enumerate(entities)]
    return _request(live, frame, body_sha256, entities, results, serving)


def _serving(live: Live, entity: str, row: int, champion: _Scores | None, canary: _Scores | None) -> _Scores | None:
    """Whose score answers a row; None when nobody's may."""
    if canary and canary.scores[row] is not None and percent_point(live.model, entity) < live.share:
        return canary
    return champion if champion and champion.scores[row] is not None else None


def _encode(frame: Frame, version: Version) -> tuple[dict[str, NDArray[Any]], list[Problem]]:
    """The inputs that a version needs, and everything that is wrong with them."""
    inputs: dict[str, NDArray[Any]] = {}
    problems = []
    for name, kind in version.model.inputs.items():
        if name not in frame.columns:
            mend = did_you_mean(name, frame.columns)
            problems.append(Problem(path=name, message="the rows lack this feature", mend=mend))
        elif name in frame.gaps:
            problems.append(Problem(path=f"{name}, row {frame.gaps[name]}", message="the row lacks this feature"))
        else:
            try:
                inputs[name] = encode(frame.columns[name], kind)
            except ValueError as error:
                problems.append(Problem(path=name, message=str(error)))
    return inputs, problems


def _score_canary(canary: Version, frame: Frame) -> _Scores:
    inputs, problems = _encode(frame, canary)
    if problems:
        nothing = [None] * frame.rows
        return _Scores(canary, nothing, (), [str(problems[0])[:500]] * frame.rows, 0)
    return _score(canary, inputs, frame.rows)


def _score(version: Version, inputs: Mapping[str, NDArray[Any]], rows: int) -> _Scores:
    start = time.perf_counter_ns()
    try:
        found = version.model.score(inputs)
        decided = version.model.decide(inputs, found)
    except Exception as error:  # onnxruntime's own errors share no base class; whatever fails is logged as evidence
        return _Scores(version, [None] * rows, (), [f"{type(error).__name__}: {error}"[:500]] * rows, 0)
    spent = (time.perf_counter_ns() - start) // (1000 * rows)
    scores: list[float | None] = []
    errors: list[str | None] = []
    for score in found.tolist():
        good = 0 <= score <= 1  # false for NaN
        scores.append(score if good else None)
        errors.append(None if good else f"the score {score} is not a probability")
    labels = [version.model.classes[each] for each in decided.tolist()]
    return _Scores(version, scores, labels, errors, spent)


def _request(
    live: Live, frame: Frame, body_sha256: str, entities: Sequence[str], results: Sequence[_Scores],
    serving: Sequence[_Scores | None],
) -> Request:  # fmt: skip
    request_id = frame.request_id or uuid4().hex
    whole = all(by is not None for by in serving)
    predictions = []
    for row, by in enumerate(serving):
        features = _features(frame, row, results)
        keeper = by if whole else results[0]
        for result in results:
            arm = _arm(live, result) if whole and result is by else "shadow"
            predictions.append(
                Prediction(
                    row=row,
                    entity=entities[row],
                    version=result.version.ref.version,
                    arm=arm,
                    served=whole and result is by,
                    features=features if result is keeper else None,
                    score=result.scores[row],
                    error=result.errors[row],
                    latency_us=result.latency_us,
                )
            )
    answer = _answer(live, request_id, serving) if whole else _no_answer(live, request_id, results, serving)
    return Request(
        model=live.model,
        request_id=request_id,
        body_sha256=body_sha256,
        status=200 if whole else 503,
        answer=answer.decode(),
        epoch=live.epoch,
        at=utc_now(),
        predictions=predictions,
    )


def _arm(live: Live, result: _Scores) -> Arm:
    return "canary" if result.version is live.canary else "champion"


def _features(frame: Frame, row: int, results: Sequence[_Scores]) -> str:
    names = dict.fromkeys(name for result in results for name in result.version.model.inputs if name in frame.columns)
    return msgspec.json.encode({name: frame.columns[name][row] for name in names}).decode()


def _answer(live: Live, request_id: str, serving: Sequence[_Scores | None]) -> bytes:
    predictions, rows = [], []
    for row, by in enumerate(serving):
        assert by is not None
        predictions.append({"score": by.scores[row], "label": by.labels[row]})
        rows.append({"version": by.version.ref.version, "arm": _arm(live, by)})
    return msgspec.json.encode({"predictions": predictions, "assay": {"request_id": request_id, "rows": rows}})


def _no_answer(live: Live, request_id: str, results: Sequence[_Scores], serving: Sequence[_Scores | None]) -> bytes:
    unserved = [row for row, by in enumerate(serving) if by is None]
    first = results[0]
    version = f"version {first.version.ref.version}"
    why = f"{version} is on trial with {live.share} % of the entities and there is no champion"
    if any(first.errors[row] for row in unserved):
        why = f"{version} failed to score them; the log of predictions says how"
    message = (
        f"{live.model}: {len(unserved)} of {len(serving)} rows cannot be served: {why}; the request was recorded "
        f"and may be labelled; ask again under a new request_id"
    )
    rows = [{"version": first.version.ref.version, "arm": "shadow"} for _ in serving]
    return RefusalError(503, message, extra={"assay": {"request_id": request_id, "rows": rows}}).body()
