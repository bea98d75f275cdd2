"""What the tasks from snapshot to registration do. Each may be killed at any instant and run again."""

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.core import Judgement
from assay.evidence.judging import judge_gate, train
from assay.pipeline.run import CODE, LATEST, VERSION, Run
from assay.registry.dossier import POLICY, SNAPSHOT, open_dossier

if TYPE_CHECKING:
    from assay.training.onnx_model import OnnxModel

log = logging.getLogger(__name__)

GATES = ("performance", "fairness", "robustness")


def snapshot(run: Run) -> dict[str, Any]:
    """Fix the data: a new snapshot of the source, or the one that was asked for; then begin the dossier."""
    from assay.data.snapshots import create_snapshot, open_snapshot

    policy, root = run.folder.policy, run.settings.snapshots
    if run.snapshot == LATEST:
        taken = create_snapshot(source=run.folder.source, data=policy.data, model=policy.model, root=root)
    else:
        taken = open_snapshot(root=root, model=policy.model, snapshot_id=run.snapshot)
    facts = {
        POLICY: run.folder.policy_sha256,
        CODE: run.code_version,
        SNAPSHOT: taken.id,
        "assay.seed": str(run.seed),
        "assay.requester": run.requester or "(schedule)",
        "assay.reason": run.reason,
    }
    open_dossier(run.settings, model=policy.model, run_key=run.run_key, facts=facts)
    dossier = run.dossier  # refuses a run that is repeated under another policy or other code
    dossier.store("policy.yaml", run.folder.policy_bytes)
    dossier.tag({SNAPSHOT: taken.id})  # a repeated run may meet changed data: what follows must be about this
    log.info("snapshot %s: %s rows", taken.id, f"{taken.rows:,}")
    return {"snapshot": taken.id, "rows": taken.rows, "dossier": dossier.run_id}


def data_validation(run: Run) -> dict[str, Any]:
    """Hold the snapshot to its data contract."""
    verdict = run.decide("contract", lambda: judge_gate(run.case, "contract"), trained=False)
    return {"verdict": verdict.digest}


def training(run: Run) -> dict[str, Any]:
    """Train the candidate, export it, check that both forms agree, and store it in the registry."""
    from assay.registry.candidates import log_candidate
    from assay.registry.lineage import log_training

    run.require("contract", trained=False)
    policy = run.folder.policy
    made = train(run.case, run.folder.train)
    facts = {
        **policy.training.parameters,
        "seed": run.seed,
        "threshold": policy.training.threshold,
    }
    rows = {"training_rows": made.training_rows, "holdout_rows": made.holdout_rows}
    candidate = log_candidate(
        run.settings,
        run.dossier,
        onnx=made.onnx,
        reference=made.reference,
        inputs=dict(made.kinds),
        parameters={**facts, **rows},
        tags={SNAPSHOT: run.snapshot_id, POLICY: run.folder.policy_sha256, CODE: run.code_version},
    )
    log_training(
        run.dossier,
        parameters=facts,
        metrics={"onnx_parity": made.parity, **rows},  # a repeated run may meet other rows, and MLflow fixes parameters
        snapshot=run.snapshot_id,
        source=run.settings.snapshots,
        rows=run.opened.rows,
    )
    size = f"{len(made.onnx)} bytes of ONNX, parity with scikit-learn {made.parity:.1g}"
    log.info("candidate %s, %s", candidate.model_id, size)
    return {"candidate": candidate.model_id, "sha256": candidate.digest}


def performance_gate(run: Run) -> dict[str, Any]:
    """Measure the candidate on the holdout, against the policy's limits and the champion."""
    run.require("contract")

    def judge() -> Judgement:
        champion = _champion(run) if run.folder.policy.gates.performance.champion else None
        return judge_gate(replace(run.case, onnx=run.onnx, champion=champion), "performance")

    return {"verdict": run.decide("performance", judge).digest}


def fairness_gate(run: Run) -> dict[str, Any]:
    """Compare the candidate's decisions between the groups that the policy names."""
    run.require("contract", "performance")
    judge = partial(_judge_candidate, run, "fairness")
    return {"verdict": run.decide("fairness", judge).digest}


def robustness_gate(run: Run) -> dict[str, Any]:
    """Damage the inputs in the ways that the policy names and measure what is lost."""
    run.require("contract", "performance", "fairness")
    judge = partial(_judge_candidate, run, "robustness")
    return {"verdict": run.decide("robustness", judge).digest}


def registration(run: Run) -> dict[str, Any]:
    """Make the candidate a registered version that carries every verdict."""
    from assay.registry.versions import register

    verdicts = run.require("contract", *GATES)
    subject = {
        POLICY: run.folder.policy_sha256,
        SNAPSHOT: run.snapshot_id,
        CODE: run.code_version,
        "assay.dossier": run.dossier.run_id,
    }
    version = register(run.dossier, run.candidate, verdicts, subject)
    run.dossier.tag({VERSION: str(version)})
    log.info("registered %s version %d", run.folder.policy.model, version)
    return {"version": version}


def _judge_candidate(run: Run, gate: str) -> Judgement:
    return judge_gate(replace(run.case, onnx=run.onnx), gate)


def _champion(run: Run) -> "tuple[int, OnnxModel] | None":
    """The version that serves now and its model, the bytes checked; None where there is none."""
    from assay.pipeline.promotion import rollouts
    from assay.registry.artifacts import fetch_artifact
    from assay.training.onnx_model import OnnxModel

    current = rollouts(run.settings).current(run.folder.policy.model)
    if current is None or current.champion is None:
        return None
    champion = current.champion
    return champion.version, OnnxModel(fetch_artifact(run.settings.tracking_uri, champion.path, champion.digest))
