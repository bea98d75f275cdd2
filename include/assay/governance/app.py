"""The application: who may see what, which page it is, and what to say when there is none."""

import http
import logging
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from assay.core import Settings, UnavailableError, UserError, canonical_json
from assay.evidence.opening import archive
from assay.governance.card import CardError, card_page
from assay.governance.dossier import dossier_page
from assay.governance.models import SHOWN, ModelPage, list_models, model_page
from assay.governance.render import CARD_HEADERS, HEADERS, page
from assay.registry.dossier import Dossier, EvidenceError

log = logging.getLogger(__name__)

Reader = Callable[[str], bool]
"""Whether the person who asks may read about a model, given its name."""

RunId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[int, Path(ge=1, le=10**6)]
Version = Annotated[int, Path(ge=1, le=10**9)]
Model = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def create_app(*, authorize: Callable[..., Any], settings: Settings | None = None) -> FastAPI:
    """Make the application, to be mounted one level below the orchestrator's own address.

    Parameters
    ----------
    authorize
        A FastAPI dependency on which every route depends. It raises ``HTTPException(401)`` for
        whoever is not signed in, and gives a `Reader` for everybody else.
    settings
        Where MLflow and the operations database are; from the environment by default.
    """
    # Its own documentation pages would be routes that nobody authorizes.
    app = FastAPI(title="Assay evidence", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(_router(authorize, settings or Settings.from_environment()))
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _no_such_page)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(UserError, _unavailable)  # no keys to check signatures with, say
    app.add_exception_handler(Exception, _broke)
    return app


def _router(authorize: Callable[..., Any], settings: Settings) -> APIRouter:
    router = APIRouter(dependencies=[Depends(authorize)])
    may = Depends(authorize)

    # Plain functions: FastAPI runs them in threads, where MLflow's client may block and take its time to import.

    @router.get("/dossiers/{run_id}.json")
    def dossier_json(run_id: RunId, may_read: Annotated[Reader, may]) -> Response:
        shown = dossier_page(_dossier(settings, run_id, may_read))
        return JSONResponse(shown.to_dict(), 409 if shown.chain.doubts else 200, headers=HEADERS)

    @router.get("/dossiers/{run_id}")
    def dossier(request: Request, run_id: RunId, may_read: Annotated[Reader, may]) -> Response:
        shown = dossier_page(_dossier(settings, run_id, may_read))
        broken = bool(shown.chain.doubts)
        return _html(request, "broken" if broken else "dossier", 409 if broken else 200, page=shown)

    @router.get("/dossiers/{run_id}/verdicts/{number}")
    def verdict(request: Request, run_id: RunId, number: Number, may_read: Annotated[Reader, may]) -> Response:
        shown = dossier_page(_dossier(settings, run_id, may_read))
        if shown.chain.doubts:
            return _html(request, "broken", 409, page=shown)
        section = shown.numbered(number)
        if section is None:
            raise HTTPException(404, f"There is no verdict at number {number} of this dossier.")
        return _html(request, "verdict", page=shown, section=section, sheet=section.sheet)

    @router.get("/dossiers/{run_id}/records/{digest}.json")
    def record(run_id: RunId, digest: Digest, may_read: Annotated[Reader, may]) -> Response:
        found = _dossier(settings, run_id, may_read)
        try:
            chain = found.records()
        except EvidenceError as error:
            raise HTTPException(409, f"This dossier is broken: {'; '.join(error.reasons)}") from None
        for each in chain:
            if each.digest == digest:
                return Response(canonical_json(each.to_dict()), media_type="application/json", headers=HEADERS)
        raise HTTPException(404, "This dossier has no such record.")

    @router.get("/models")
    def models(request: Request, may_read: Annotated[Reader, may]) -> Response:
        return _html(request, "models", rows=list_models(settings, may_read))

    @router.get("/models/{model}.json")
    def model_json(model: Model, may_read: Annotated[Reader, may]) -> Response:
        return JSONResponse(_model(settings, model, may_read).to_dict(), headers=HEADERS)

    @router.get("/models/{model}/versions/{version}/card")
    def card(model: Model, version: Version, may_read: Annotated[Reader, may]) -> Response:
        _require(may_read, model)
        try:
            content = card_page(settings, model, version)
        except CardError as error:
            raise HTTPException(404 if error.missing else 409, str(error)) from None
        return HTMLResponse(content, headers=CARD_HEADERS)

    @router.get("/models/{model}")
    def model(request: Request, model: Model, may_read: Annotated[Reader, may]) -> Response:
        return _html(request, "model", page=_model(settings, model, may_read), shown=SHOWN)

    return router


def _dossier(settings: Settings, run_id: str, may_read: Reader) -> Dossier:
    try:
        found = archive(settings).load(run_id)
    except EvidenceError as error:
        raise HTTPException(404, f"There is no such dossier: {'; '.join(error.reasons)}.") from None
    _require(may_read, found.model)
    return found


def _model(settings: Settings, name: str, may_read: Reader) -> ModelPage:
    _require(may_read, name)
    found = model_page(settings, name)
    if found is None:
        raise HTTPException(404, f"There is no model {name}.")
    return found


def _require(may_read: Reader, model: str) -> None:
    if not may_read(model):
        raise HTTPException(403, f"You may not read about the model {model}.")


def _html(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(page(template, root=request.scope.get("root_path", ""), **values), status, headers=HEADERS)


def _said(request: Request, status: int, sentence: str) -> Response:
    if request.url.path.endswith(".json"):
        return JSONResponse({"detail": sentence}, status, headers=HEADERS)
    return _html(request, "message", status, title=http.HTTPStatus(status).phrase, sentence=sentence)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)
    sentences = {401: "Sign in to Airflow to read this.", 404: "There is no such page."}
    known = error.detail != http.HTTPStatus(error.status_code).phrase and error.status_code != 401
    return _said(request, error.status_code, error.detail if known else sentences.get(error.status_code, error.detail))


async def _no_such_page(request: Request, _error: Exception) -> Response:
    return _said(request, 404, "There is no such page: what stands in its address is not an id.")


async def _unavailable(request: Request, error: Exception) -> Response:
    return _said(request, 503, f"The evidence cannot be read now. {error}.")


async def _broke(request: Request, error: Exception) -> Response:
    log.error("a page failed", exc_info=error)
    return _said(request, 500, "This page failed; the server's log says why.")
