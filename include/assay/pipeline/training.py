"""The tasks that make candidates: the one as trained, and the one that mitigation makes from it."""

import logging
from typing import TYPE_CHECKING, Any

from assay.core import Settings, Verdict, fault_point, sha256_bytes
from assay.evidence import course
from assay.evidence.training import collect, prepare
from assay.pipeline.run import NotNeeded, Run, Which
from assay.registry.dossier import EvidenceError
from assay.registry.images import CODE, POLICY, SNAPSHOT
from assay.training.job import JobFolder

if TYPE_CHECKING:
    from assay.evidence.training import Trained
    from assay.registry.candidates import SignedCandidate

log = logging.getLogger(__name__)


def training(run: Run) -> dict[str, Any]:
    """Train the candidate in a box, check what comes out, and store it in the registry."""
    from assay.training.relay import run_job

    job = job_folder(run.settings, run.run_key, "first")
    try:
        training_rows(run)
        run_job(job)
        return candidate(run)
    finally:
        job.remove()  # it holds rows, and an attempt begins anew


def training_rows(run: Run) -> dict[str, Any]:
    """Lay out the training job: the model's files and the rows that training may see."""
    run.require("contract", trained=False)
    return _lay_out(run, "first")


def candidate(run: Run) -> dict[str, Any]:
    """Check what training made, and store it in the registry."""
    from assay.registry.lineage import log_training

    run.require("contract", trained=False)
    job = job_folder(run.settings, run.run_key, "first")
    made = collect(run.case, job)
    fault_point("training.trained")
    stored = _stored(run, made)
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
    _record_training(run, made, stored)
    job.remove()
    return _reference(made, stored)


def mitigation(run: Run) -> dict[str, Any]:
    """Make from a candidate that was found unfair one that the policy's mitigation has worked on.

    Raises
    ------
    NotNeeded
        When the fairness gate has not found the candidate unfair.
    EvidenceError
        When mitigation changes nothing.
    """
    from assay.training.relay import run_job

    job = job_folder(run.settings, run.run_key, "mitigated")
    try:
        mitigation_rows(run)
        run_job(job)
        return mitigated_candidate(run)
    finally:
        job.remove()


def mitigation_rows(run: Run) -> dict[str, Any]:
    """Lay out the job that mitigates; see `mitigation`."""
    run = run.about("first")
    _refusal(run)
    run.require("contract")
    return _lay_out(run, "mitigated")


def mitigated_candidate(run: Run) -> dict[str, Any]:
    """Check what mitigation made, and store it in the registry; see `mitigation`."""
    run = run.about("first")
    verdict = _refusal(run)
    run.require("contract")
    job = job_folder(run.settings, run.run_key, "mitigated")
    made = collect(run.case, job, mitigated=True)
    fault_point("mitigation.trained")
    stored = _stored(run, made)
    fault_point("mitigation.logged")
    first = run.candidate.digest
    if stored.digest == first:
        raise EvidenceError(["mitigation: gives the very model that was found unfair; name another one in the policy"])
    _record_training(run, made, stored, mitigates=first)
    settings = run.folder.policy.mitigation.model_dump() if run.folder.policy.mitigation else {}
    # what the box says comes first, so that it can replace nothing that we know
    facts = {**(made.mitigation or {}), **settings, "from": first, "to": stored.digest, "verdict": verdict.digest}
    run.record("mitigation", f"mitigation:{verdict.digest}:{stored.digest}", facts)
    job.remove()
    return _reference(made, stored)


def job_folder(settings: Settings, run_key: str, which: Which) -> JobFolder:
    """Where a run's training job is laid out: the same place for every task and attempt."""
    return JobFolder(settings.jobs_folder / sha256_bytes(f"{run_key}\0{which}".encode())[:16])


def _lay_out(run: Run, which: Which) -> dict[str, Any]:
    from assay.training.stale_jobs import remove_stale_jobs

    job = job_folder(run.settings, run.run_key, which)
    remove_stale_jobs(job.path.parent)
    prepare(run.case, run.model_files, job, mitigated=which == "mitigated")
    return {"job": job.path.name}


def _refusal(run: Run) -> Verdict:
    """The verdict by which the candidate is unfair."""
    about = [each for each in run.seen if isinstance(each, Verdict) and each.model == run.candidate.digest]
    judged = [each for each in about if each.gate == course.MITIGABLE]
    if not judged:
        raise NotNeeded("the fairness gate has not judged this run's candidate")
    if not course.calls_for_mitigation(judged[-1].gate, judged[-1].outcome):
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
            "isolation": made.isolation,
            **made.rows,
            **({} if made.validation_for is None else {"validation_for": made.validation_for}),
            **({} if mitigates is None else {"mitigates": mitigates}),
        },
    )


def _reference(made: "Trained", candidate: "SignedCandidate") -> dict[str, Any]:
    size = f"{len(made.onnx)} bytes of ONNX, parity with scikit-learn {made.parity:.1g}"
    log.info("candidate %s, %s", candidate.model_id, size)
    return {"candidate": candidate.model_id, "sha256": candidate.digest}
