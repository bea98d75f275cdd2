"""The canary: begin a rollout, move it on evidence, and publish what it came to."""

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from assay.core import Check, Judgement, Outcome, Settings, UnavailableError, Verdict
from assay.pipeline.run import GateFailed, Run
from assay.pipeline.steps import GATES

if TYPE_CHECKING:
    from assay.rollout.records import RolloutRow
    from assay.rollout.rollouts import Rollouts

log = logging.getLogger(__name__)

CANARY, CHAMPION, PREVIOUS = "canary", "champion", "previous"
_GATEWAY_PATIENCE = 60.0  # seconds for the gateway to serve a promoted version; it reads the row every second


@cache
def rollouts(settings: Settings) -> "Rollouts":
    """The rollouts in the operations database, its tables made if need be."""
    from assay.rollout.rollouts import Rollouts

    return Rollouts.open(settings.operations_db)


def begin(run: Run) -> "RolloutRow":
    """Begin the rollout of the approved version, or find the one that an earlier attempt began.

    Raises
    ------
    EvidenceError
        When a gate or the approval is missing, or belongs to something else.
    UnavailableError
        When the gateway does not answer: without it no evidence can come.
    """
    from assay.registry.versions import set_alias
    from assay.rollout.records import ModelRef

    run.require("contract", *GATES, "approval")
    _ask_gateway(run.settings, "/healthz")
    policy = run.folder.policy
    ref = ModelRef(
        model=policy.model,
        version=run.version,
        digest=run.candidate.digest,
        path=run.candidate.path,
        entity_column=policy.data.key,
    )
    row = rollouts(run.settings).begin(ref=ref, run_key=run.run_key, policy=policy.rollout)
    if row.active:
        set_alias(run.dossier, CANARY, row.version)
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
    from assay.rollout.records import StaleEpochError

    book = rollouts(run.settings)
    row = book.find(run.run_key)
    if row is None:
        row = begin(run)
    if row.active:
        assessment = book.assess(row.id)
        log.info("%s: %s (%s)", assessment.stage, assessment.decision, assessment.reason)
        try:
            row = book.act(assessment)
        except StaleEpochError as stale:
            log.warning("%s", stale)
            row = book.get(row.id)
    if row.active:
        log.info("now %s", row.stage_name)
        return None
    return _publish(run, row, book)


def abandon(settings: Settings, run_key: str, reason: str) -> None:
    """Roll back what a run began and may not go on with; nothing when it began nothing or has ended."""
    book = rollouts(settings)
    row = book.find(run_key)
    if row is not None and row.active:
        ended = book.roll_back(row.id, row.epoch, reason=reason)
        log.warning("%s version %d: %s, %s", ended.model, ended.version, ended.state, ended.reason)


def _publish(run: Run, row: "RolloutRow", book: "Rollouts") -> dict[str, Any]:
    """Record the end in the dossier, then show it in MLflow. Every part may be done again."""
    from assay.registry.lineage import close_run
    from assay.registry.versions import delete_alias, set_alias, tag_version

    promoted = row.state == "champion"
    now = book.current(row.model)
    serves = promoted and now is not None and now.champion == row.canary  # a task cleared later may find a successor
    if serves:
        _wait_until_served(run.settings, row.model, row.version)
    try:
        verdict = _recorded(run, row) or run.decide("canary", lambda: _judgement(row, book))
    except GateFailed as failed:  # kept, and raised again once MLflow shows it
        verdict = failed.verdict
    tag_version(run.dossier, row.version, {"assay.rollout": row.state, "assay.verdict.canary": str(verdict.outcome)})
    if serves and row.champion is not None:
        set_alias(run.dossier, PREVIOUS, row.champion.version)
    if serves:
        set_alias(run.dossier, CHAMPION, row.version)
    delete_alias(run.dossier, CANARY, row.version)
    close_run(run.dossier, succeeded=promoted)
    if not promoted:
        raise GateFailed(verdict)
    return {"champion": row.version, "verdict": verdict.digest}


def _recorded(run: Run, row: "RolloutRow") -> Verdict | None:
    """The rollout's verdict, when an earlier attempt was killed after it had written it."""
    about = ("canary", run.candidate.digest, _outcome(row))
    found = [each for each in run.dossier.verdicts() if (each.gate, each.model, each.outcome) == about]
    return found[-1] if found else None


def _outcome(row: "RolloutRow") -> Outcome:
    return Outcome.PASS if row.state == "champion" else Outcome.FAIL


def _judgement(row: "RolloutRow", book: "Rollouts") -> Judgement:
    last = [each for each in book.history(row.model) if each.rollout_id == row.id][-1]
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
