"""The canary: begin a rollout, move it on evidence, and publish what it came to."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx

from assay.core import (
    AssayError,
    Check,
    Event,
    Judgement,
    Outcome,
    Settings,
    UnavailableError,
    Verdict,
    fault_point,
    sha256_json,
    utc_now,
)
from assay.evidence.opening import archive, model_lock, rollouts
from assay.pipeline.approval import require_approvals
from assay.pipeline.run import GateFailed, Run

if TYPE_CHECKING:
    from assay.registry.dossier import Dossier
    from assay.rollout.records import RolloutRow
    from assay.rollout.rollouts import Rollouts

log = logging.getLogger(__name__)

CANARY, CHAMPION, PREVIOUS = "canary", "champion", "previous"
_GATEWAY_PATIENCE = 60.0  # seconds for the gateway to serve a promoted version; it reads the row every second


def begin(run: Run) -> "RolloutRow":
    """Begin the rollout of the approved version, or find the one that an earlier attempt began.

    Raises
    ------
    EvidenceError
        When a gate or the approval is missing, or belongs to something else.
    UnavailableError
        When the gateway does not answer: without it no evidence can come.
    """
    from assay.rollout.records import ModelRef

    begun = rollouts(run.settings).find(run.run_key)
    people = require_approvals(run, at=begun.started_at if begun else utc_now())
    _ask_gateway(run.settings, "/healthz")
    _load_back(run)  # what was gated must still be there before anything serves it
    policy = run.folder.policy
    ref = ModelRef(
        model=policy.model,
        version=run.version,
        digest=run.candidate.digest,
        path=run.candidate.path,
        entity_column=policy.data.key,
    )
    ground = {"dossier": run.dossier.run_id, "head": run.dossier.head(), "approved_by": people}
    row = rollouts(run.settings).begin(ref=ref, run_key=run.run_key, policy=policy.rollout, evidence=ground)
    fault_point("rollout.begun")
    _record_moves(run.dossier, row, rollouts(run.settings))
    if row.active:
        _publish_aliases(run.dossier, row, rollouts(run.settings))
    log.info("%s version %d: %s", row.model, row.version, row.stage_name)
    return row


def move(run: Run) -> dict[str, Any] | None:
    """Judge the rollout and make the move that follows; publish its end.

    Returns
    -------
    dict or None
        None while the rollout goes on; the version that became champion at its end.

    Raises
    ------
    GateFailed
        When the version was rolled back.
    """
    from assay.rollout.judge import Decision
    from assay.rollout.records import StaleEpochError

    book = rollouts(run.settings)
    row = book.find(run.run_key)
    if row is None:
        row = begin(run)
    if row.active:
        assessment = book.assess(row.id)
        log.info("%s: %s (%s)", assessment.stage, assessment.decision, assessment.reason)
        if assessment.decision is Decision.PROMOTE:  # while the champion before it still serves
            require_approvals(run, at=row.started_at)  # a waiver may have expired since the rollout began
            _load_back(run)
        try:
            row = book.act(assessment)
        except StaleEpochError as stale:
            log.warning("%s", stale)
            row = book.get(row.id)
        fault_point("rollout.moved")
    _record_moves(run.dossier, row, book)
    if row.active:
        log.info("now %s", row.stage_name)
        return None
    return _publish(run, row, book)


def abandon(settings: Settings, run_key: str, reason: str) -> None:
    """Roll back what a run began and may not go on with, and record it; nothing when it began nothing.

    The traffic comes first: a registry that is away, or a dossier that is broken, must not keep it.
    """
    book = rollouts(settings)
    row = book.find(run_key)
    if row is None:
        return
    if row.active:
        row = book.roll_back(row.id, row.epoch, reason=reason)
        log.warning("%s version %d: %s, %s", row.model, row.version, row.state, row.reason)
    try:
        dossier = archive(settings).find(model=row.model, run_key=run_key)
        _record_moves(dossier, row, book)
        _publish_aliases(dossier, row, book)
    except AssayError as error:
        log.warning("the end of rollout %d could not be shown everywhere: %s", row.id, error)


def _publish(run: Run, row: "RolloutRow", book: "Rollouts") -> dict[str, Any]:
    """Record the end in the dossier, then show it in MLflow. Every part may be done again."""
    from assay.registry.lineage import close_run

    promoted = row.state == "champion"
    now = book.current(row.model)
    serves = promoted and now is not None and now.champion == row.canary  # a task cleared later may find a successor
    if serves:
        _load_back(run)
        _wait_until_served(run.settings, row.model, row.version)
    try:
        verdict = _recorded(run, row) or run.decide("canary", lambda: _judgement(row, book))
    except GateFailed as failed:  # kept, and raised again once MLflow shows it
        verdict = failed.verdict
    _publish_aliases(run.dossier, row, book)
    run.dossier.show(version=row.version)
    close_run(run.dossier, succeeded=promoted)
    if not promoted:
        raise GateFailed(verdict)
    return {"champion": row.version, "verdict": verdict.digest}


def _load_back(run: Run) -> None:
    """Read the version's bytes from the registry, their digest and signature checked."""
    _ = run.onnx.inputs


def _record_moves(dossier: "Dossier", row: "RolloutRow", book: "Rollouts") -> None:
    """Record in the dossier every move of the rollout, whoever made it."""
    done = _operations(dossier)
    for move in book.history(row.model, rollout_id=row.id):
        if move.op_key in done:
            continue
        facts = {
            **{key: getattr(move, key) for key in ("rollout_id", "epoch", "action", "from_stage", "to_stage")},
            "version": row.version,
            "reason": str(move.evidence.get("reason", "")),
            "evidence_sha256": sha256_json(move.evidence),
            "moved_at": move.at,
            "run_key": move.run_key,
        }
        dossier.record(_event("rollout", move.op_key, row, facts), version=row.version)


def _publish_aliases(dossier: "Dossier", row: "RolloutRow", book: "Rollouts") -> None:
    """Make MLflow's aliases say what the operations database says now, and record each change.

    Held by one process at a time, and read anew: whoever comes last publishes the latest state.
    """
    from assay.registry.versions import delete_alias, set_alias
    from assay.rollout.exclusive import exclusive

    with exclusive(book.engine, model_lock(row.model)):
        now = book.current(row.model)
        if now is None or now.canary != row.canary:
            delete_alias(dossier, CANARY, row.version)
            if f"alias:{CANARY}:{row.id}" in _operations(dossier):
                facts = {"alias": CANARY, "version": None, "previous": row.version}
                dossier.record(_event("alias", f"alias:{CANARY}:{row.id}:removed", row, facts))
        wanted = {}
        if now is not None and now.canary == row.canary:
            wanted[CANARY] = row.version
        if now is not None and now.champion == row.canary:
            wanted |= {PREVIOUS: row.champion.version} if row.champion is not None else {}
            wanted[CHAMPION] = row.version
        for alias, version in wanted.items():
            before = set_alias(dossier, alias, version)
            fault_point(f"alias.{alias}")
            if before == version:  # set by an attempt that was killed before it was recorded
                before = row.champion.version if alias == CHAMPION and row.champion is not None else None
            facts = {"alias": alias, "version": version, "previous": before}
            dossier.record(_event("alias", f"alias:{alias}:{row.id}", row, facts))


def _event(kind: str, operation: str, row: "RolloutRow", facts: Mapping[str, Any]) -> Event:
    return Event(event=kind, operation=operation, by=row.run_key, at=utc_now(), facts=facts)


def _operations(dossier: "Dossier") -> set[str | None]:
    """Keys of the operations that the dossier records."""
    return {anchor.operation for anchor in dossier.anchors.of(dossier.run_id)}


def _recorded(run: Run, row: "RolloutRow") -> Verdict | None:
    """The rollout's verdict, when an earlier attempt was killed after it had written it."""
    about = ("canary", run.candidate.digest, _outcome(row))
    found = [each for each in run.dossier.verdicts() if (each.gate, each.model, each.outcome) == about]
    return found[-1] if found else None


def _outcome(row: "RolloutRow") -> Outcome:
    return Outcome.PASS if row.state == "champion" else Outcome.FAIL


def _judgement(row: "RolloutRow", book: "Rollouts") -> Judgement:
    last = book.history(row.model, rollout_id=row.id)[-1]
    watched = [Check.from_dict(raw) for raw in last.evidence.get("checks", ())]
    outcome = _outcome(row)
    reason = str(last.evidence.get("reason", row.reason))
    return Judgement(outcome=outcome, checks=[Check(name="rollout", outcome=outcome, reason=reason), *watched])


def _wait_until_served(settings: Settings, model: str, version: int) -> None:
    deadline = time.monotonic() + _GATEWAY_PATIENCE
    while True:
        served = _ask_gateway(settings, f"/models/{model}").get("champion") or {}
        if served.get("version") == version:
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the gateway at {settings.gateway_url} still serves version {served.get('version')} of {model}, "
                f"not {version}; read its log"
            )
        time.sleep(0.5)


def _ask_gateway(settings: Settings, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {settings.gateway_token}"}
    try:
        answer = httpx.get(settings.gateway_url + path, headers=headers, timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UnavailableError(f"the gateway at {settings.gateway_url} did not answer {path}: {reason}") from error
    return found
