"""The gateway's HTTP interface."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from assay.core import Settings, UnavailableError, did_you_mean, problem, utc_now
from assay.rollout import (
    LabelsRefusedError,
    ModelRef,
    Request,
    Rollouts,
    record_labels,
)
from assay.rollout.incidents import Incidents
from assay.serving.access import Authorised, WrongTokens
from assay.serving.artifacts import Artifacts
from assay.serving.decode import decode_frame
from assay.serving.fleet import Fleet
from assay.serving.labels import decode_labels, refused
from assay.serving.live import Live, Version
from assay.serving.readiness import Readiness
from assay.serving.refusal import RefusalError
from assay.serving.scoring import score_request
from assay.serving.writer import LogWriter

log = logging.getLogger(__name__)

MAX_BODY = 8 * 2**20
_INLINE_BODY = 32 * 2**10  # about 0.1 ms a row: larger requests would hold up everybody else's


class Gateway:
    """The endpoints, and what they share.

    Parameters
    ----------
    engine
        The operations database, with its tables made.
    fleet, writer
        What is live, and the log.
    readiness
        Whether all that is needed is there.
    wrong
        How many showed a wrong token.
    """

    def __init__(
        self, engine: Engine, fleet: Fleet, writer: LogWriter, readiness: Readiness, wrong: WrongTokens
    ) -> None:
        self._engine, self._fleet, self._writer, self._readiness = engine, fleet, writer, readiness
        self._wrong = wrong

    async def healthz(self, _request: HttpRequest) -> Response:
        """Say that the process answers, and nothing else."""
        return _json({"ok": True})

    async def readyz(self, _request: HttpRequest) -> Response:
        """Say whether all that is needed is there, and what is not; see `Readiness`."""
        checks = await self._readiness.checks()
        ready = not any(check.reason for check in checks)
        told = {check.name: {"ok": not check.reason, "reason": check.reason} for check in checks}
        return _json({"ready": ready, "checks": told}, 200 if ready else 503)

    async def invocations(self, request: HttpRequest) -> Response:
        """Score rows; see `score_request`."""
        live = self._live(request)
        body = await _body(request)
        if len(body) <= _INLINE_BODY:
            scored = _score(live, body)
        else:
            scored = await run_in_threadpool(_score, live, body)
        recorded = await self._writer.record(scored)
        if recorded.body_sha256 != scored.body_sha256:
            raise RefusalError(409, f"the request_id {scored.request_id!r} was used for another request")
        headers = {"retry-after": "5"} if recorded.status == 503 else None
        return Response(recorded.answer, recorded.status, headers, media_type="application/json")

    async def labels(self, request: HttpRequest) -> Response:
        """Take labels, all or none."""
        live = self._live(request)
        accepted, repeated = await run_in_threadpool(self._take_labels, live, await _body(request))
        return _json({"accepted": accepted, "repeated": repeated})

    async def model(self, request: HttpRequest) -> Response:
        """Say what serves a model."""
        return _json(_described(self._live(request)))

    async def models(self, _request: HttpRequest) -> Response:
        """Say what serves each model."""
        described = [_described(live) for live in self._fleet.live.values()]
        return _json({"models": described, "wrong_tokens": self._wrong.total})

    def _take_labels(self, live: Live, body: bytes) -> tuple[int, int]:
        try:
            return record_labels(self._engine, live.model, decode_labels(body, live), at=utc_now())
        except LabelsRefusedError as error:
            raise refused(live.model, error) from None

    def _live(self, request: HttpRequest) -> Live:
        name, live = request.path_params["model"], self._fleet.live
        if name not in live:
            raise RefusalError(404, f'no model "{name:.80}" is deployed: {did_you_mean(name[:80], live)}')
        return live[name]


def create_app(settings: Settings, *, token: str, refresh_seconds: float = 1.0) -> Starlette:
    """Make the gateway.

    Parameters
    ----------
    settings
        Where the operations database, the MLflow server, the public keys and the cache of models are.
    token
        What every caller must show, except of ``/healthz`` and ``/readyz``.
    refresh_seconds
        How often to look for a changed deployment.

    Raises
    ------
    UserError
        For an empty token.
    UnavailableError
        When the operations database cannot be used.
    """
    if not token.strip():
        raise problem("ASSAY_GATEWAY_TOKEN", "is not set", "every caller must show it; make one and set it")
    rollouts = Rollouts.open(settings.operations_db)
    engine = rollouts.engine
    artifacts = Artifacts(settings.home / "gateway" / "models", settings)
    fleet = Fleet(rollouts, artifacts, Incidents(engine), seconds=refresh_seconds)
    writer = LogWriter(engine)
    wrong = WrongTokens()
    gateway = Gateway(engine, fleet, writer, Readiness(engine, settings, fleet, writer), wrong)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(fleet.start)
        writer.start()
        try:
            yield
        finally:
            await run_in_threadpool(fleet.stop)
            await run_in_threadpool(writer.stop)
            engine.dispose()

    app = Starlette(
        routes=[
            _route("GET", "/healthz", gateway.healthz),
            _route("GET", "/readyz", gateway.readyz),
            _route("GET", "/models", gateway.models),
            _route("GET", "/models/{model}", gateway.model),
            _route("POST", "/models/{model}/invocations", gateway.invocations),
            _route("POST", "/models/{model}/labels", gateway.labels),
        ],
        exception_handlers={
            RefusalError: _refuse,
            UnavailableError: _unavailable,
            HTTPException: _http_error,
            Exception: _unforeseen,
        },
        lifespan=lifespan,
    )
    app.add_middleware(Authorised, token=token, wrong=wrong)
    return app


def _route(method: str, path: str, endpoint: Callable[[HttpRequest], Awaitable[Response]]) -> Route:
    route = Route(path, endpoint)
    route.methods = {method}  # given as an argument, GET would bring HEAD with it
    return route


def _score(live: Live, body: bytes) -> Request:
    return score_request(live, decode_frame(body), sha256(body).hexdigest())


async def _body(request: HttpRequest) -> bytes:
    too_large = RefusalError(413, f"a request may have {MAX_BODY // 2**20} MB")
    if int(request.headers.get("content-length", 0)) > MAX_BODY:
        raise too_large
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > MAX_BODY:
                raise too_large
    except ClientDisconnect:  # nobody hears this answer, but the log is spared a stack for every client that left
        raise RefusalError(400, "the request ended before its body did") from None
    return bytes(parts)


def _described(live: Live) -> dict[str, Any]:
    return {
        "model": live.model,
        "stage": live.deployment.stage,
        "share": live.share,
        "epoch": live.epoch,
        "rollout_id": live.deployment.rollout_id,
        "updated_at": live.deployment.updated_at,
        "champion": _version(live.champion, live.deployment.champion),
        "canary": _version(live.canary, live.deployment.canary),
        "problem": live.problem,
    }


def _version(loaded: Version | None, ref: ModelRef | None) -> dict[str, Any] | None:
    if ref is None:
        return None
    return {"version": ref.version, "digest": ref.digest, "loaded": loaded is not None}


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _refuse(_request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    headers = None if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return Response(error.body(), error.status, headers, media_type="application/json")


async def _unavailable(request: HttpRequest, error: Exception) -> Response:
    log.error("%s", error)
    return await _refuse(request, RefusalError(503, "the operations database cannot be used now", retry_after=1))


async def _http_error(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = RefusalError(error.status_code, f"{request.method:.20} {request.url.path:.80}: {error.detail}")
    return Response(refusal.body(), refusal.status, error.headers, media_type="application/json")


async def _unforeseen(request: HttpRequest, error: Exception) -> Response:
    """Starlette raises the error again after this answer, so that the log has its stack and the client has not."""
    return await _refuse(request, RefusalError(500, "the gateway failed; its log says why"))
