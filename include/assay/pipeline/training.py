"""The tasks that make candidates: the one as trained, and the one that mitigation makes from it."""

import logging
from typing import TYPE_CHECKING, Any

from assay.core import Outcome, Verdict, fault_point
from assay.evidence.training import train
from assay.pipeline.run import NotNeeded, Run
from assay.registry.dossier import EvidenceError
from assay.registry.images import CODE, POLICY, SNAPSHOT

if TYPE_CHECKING:
    from assay.evidence.training import Trained
    from assay.registry.candidates import SignedCandidate

log = logging.getLogger(__name__)


def training(run: Run) -> dict[str, Any]:
    """Train the candidate, export it, check that both forms agree, and store it in the registry."""
    from assay.registry.lineage import log_training

    run.require("contract", trained=False)
    made = train(run.case, run.folder.train)
    fault_point("training.trained")
    candidate = _stored(run, made)
    fault_point("training.logged")
    log_training(
        run.dossier,
        parameters=_parameters(run, made),
        # a repeated run may meet other rows, and MLflow fixes parameters
        metrics={"onnx_parity": made.parity, **made.rows},
        snapshot=run.snapshot_id,
        source=run.settings.snapshots,
        rows=run.opened.rows,
    )
    _record_training(run, made, candidate)
    return _reference(made, candidate)


def mitigation(run: Run) -> dict[str, Any]:
    """Make from a candidate that was found unfair one that the policy's mitigation has worked on.

    Raises
    ------
    NotNeeded
        When the fairness gate has not found the candidate unfair.
    EvidenceError
        When mitigation changes nothing.
    """
    run = run.about("first")
    verdict = _refusal(run)
    run.require("contract")
    made = train(run.case, run.folder.train, mitigated=True)
    fault_point("mitigation.trained")
    candidate = _stored(run, made)
    fault_point("mitigation.logged")
    first = run.candidate.digest
    if candidate.digest == first:
        raise EvidenceError(["mitigation: gives the very model that was found unfair; name another one in the policy"])
    _record_training(run, made, candidate, mitigates=first)
    settings = run.folder.policy.mitigation.model_dump() if run.folder.policy.mitigation else {}
    facts = {"from": first, "to": candidate.digest, "verdict": verdict.digest, **settings, **(made.mitigation or {})}
    run.record("mitigation", f"mitigation:{verdict.digest}:{candidate.digest}", facts)
    return _reference(made, candidate)


def _refusal(run: Run) -> Verdict:
    """The verdict by which the candidate is unfair."""
    about = [each for each in run.seen if isinstance(each, Verdict) and each.model == run.candidate.digest]
    judged = [each for each in about if each.gate == "fairness"]
    if not judged:
        raise NotNeeded("the fairness gate has not judged this run's candidate")
    if judged[-1].outcome is not Outcome.FAIL:
        raise NotNeeded(f"the fairness gate said {judged[-1].outcome}; mitigation answers to FAIL alone")
    return judged[-1]


def _parameters(run: Run, made: "Trained") -> dict[str, Any]:
    return {**run.folder.policy.training.parameters, "seed": run.seed, "threshold": made.threshold}


def _stored(run: Run, made: "Trained") -> "SignedCandidate":
    """Keep what was made in the registry, signed, once."""
    from assay.registry.candidates import log_candidate

    return log_candidate(
        run.settings,
        run.dossier,
        onnx=made.onnx,
        reference=made.reference,
        inputs=dict(made.kinds),
        parameters={**_parameters(run, made), **made.rows},
        tags={SNAPSHOT: run.snapshot_id, POLICY: run.folder.policy_sha256, CODE: run.code_version},
    )


def _record_training(run: Run, made: "Trained", candidate: "SignedCandidate", *, mitigates: str | None = None) -> None:
    earlier = run.dossier.events("training")
    if earlier and earlier[-1].facts["files"] == dict(candidate.files):
        return
    run.record(
        "training",
        f"training:{len(earlier) + 1}",
        {
            "candidate": candidate.model_id,
            "path": candidate.path,
            "sha256": candidate.digest,
            "files": dict(candidate.files),
            "key": candidate.key,
            "seed": run.seed,
            "threshold": made.threshold,
            "parameters": dict(run.folder.policy.training.parameters),
            "parity": made.parity,
            **made.rows,
            **({} if made.validation_for is None else {"validation_for": made.validation_for}),
            **({} if mitigates is None else {"mitigates": mitigates}),
        },
    )


def _reference(made: "Trained", candidate: "SignedCandidate") -> dict[str, Any]:
    size = f"{len(made.onnx)} bytes of ONNX, parity with scikit-learn {made.parity:.1g}"
    log.info("candidate %s, %s", candidate.model_id, size)
    return {"candidate": candidate.model_id, "sha256": candidate.digest}
