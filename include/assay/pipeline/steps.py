"""What the tasks from snapshot to registration do. Each may be killed at any instant and run again."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core import Judgement, problem
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
    from assay.gates import contract

    def judge() -> Judgement:
        suite = contract.load_suite(run.folder.contract)
        return contract.judge(contract.measure(files=run.opened.files(), suite=suite))

    verdict = run.decide("contract", judge, trained=False)
    return {"verdict": verdict.digest}


def training(run: Run) -> dict[str, Any]:
    """Train the candidate, export it, check that both forms agree, and store it in the registry."""
    import pandas as pd

    from assay.data.features import kinds, model_inputs, positives, training_frame
    from assay.registry.candidates import log_candidate
    from assay.registry.lineage import log_training
    from assay.training.export import check_parity, export, reference
    from assay.training.onnx_model import OnnxModel
    from assay.training.run import fit

    run.require("contract", trained=False)
    policy = run.folder.policy
    types = kinds(run.rows.schema, policy.data.features)
    seen, unseen = run.rows.filter(~run.held_out), run.rows.filter(run.held_out)
    if not (seen.num_rows and unseen.num_rows):
        raise problem("data.holdout", f"holds out {unseen.num_rows} of {run.rows.num_rows} rows", "give more rows")
    pipeline = fit(
        module=run.folder.train,
        features=training_frame(seen, types),
        label=pd.Series(positives(seen[policy.data.label], policy.data.positive).astype(int), name=policy.data.label),
        seed=run.seed,
        parameters=policy.training.parameters,
    )
    content = export(
        pipeline,
        kinds=types,
        model=policy.model,
        classes=_classes(run),
        threshold=policy.training.threshold,
    )
    gap = check_parity(
        pipeline, OnnxModel(content), frame=training_frame(unseen, types), inputs=model_inputs(unseen, types)
    )
    facts = {
        **policy.training.parameters,
        "seed": run.seed,
        "threshold": policy.training.threshold,
    }
    rows = {"training_rows": seen.num_rows, "holdout_rows": unseen.num_rows}
    candidate = log_candidate(
        run.settings,
        run.dossier,
        onnx=content,
        reference=reference(pipeline),
        inputs=dict(types),
        parameters={**facts, **rows},
        tags={SNAPSHOT: run.snapshot_id, POLICY: run.folder.policy_sha256, CODE: run.code_version},
    )
    log_training(
        run.dossier,
        parameters=facts,
        metrics={"onnx_parity": gap, **rows},  # a repeated run may meet other rows, and MLflow fixes parameters
        snapshot=run.snapshot_id,
        source=run.settings.snapshots,
        rows=run.rows.num_rows,
    )
    log.info("candidate %s, %s bytes of ONNX, parity with scikit-learn %.1g", candidate.model_id, len(content), gap)
    return {"candidate": candidate.model_id, "sha256": candidate.digest}


def performance_gate(run: Run) -> dict[str, Any]:
    """Measure the candidate on the holdout, against the policy's limits and the champion."""
    from assay.data.features import model_inputs
    from assay.gates import performance

    run.require("contract")

    def judge() -> Judgement:
        policy = run.folder.policy.gates.performance
        version, champion = (_champion(run) if policy.champion else None) or (None, None)
        rows, label = run.holdout(also=champion.inputs if champion else ())
        evidence = performance.measure(
            label=label,
            score=run.onnx.score(model_inputs(rows, run.onnx.inputs)),
            champion_score=None if champion is None else champion.score(model_inputs(rows, champion.inputs)),
            policy=policy,
            seed=run.seed,
        )
        return _against(version, performance.judge(evidence, policy))

    return {"verdict": run.decide("performance", judge).digest}


def fairness_gate(run: Run) -> dict[str, Any]:
    """Compare the candidate's decisions between the groups that the policy names."""
    from assay.data.features import encode, model_inputs
    from assay.gates import fairness

    run.require("contract", "performance")

    def judge() -> Judgement:
        rows, label = run.holdout()
        policy = run.folder.policy.gates.fairness
        evidence = fairness.measure(
            label=label,
            prediction=run.onnx.score(model_inputs(rows, run.onnx.inputs)) >= run.onnx.threshold,
            groups={column: encode(rows[column], "text")[:, 0] for column in run.folder.policy.data.sensitive},
            policy=policy,
        )
        return fairness.judge(evidence, policy)

    return {"verdict": run.decide("fairness", judge).digest}


def robustness_gate(run: Run) -> dict[str, Any]:
    """Damage the inputs in the ways that the policy names and measure what is lost."""
    from assay.data.features import model_inputs
    from assay.gates import robustness

    run.require("contract", "performance", "fairness")

    def judge() -> Judgement:
        rows, label = run.holdout()
        policy = run.folder.policy.gates.robustness
        evidence = robustness.measure(
            score=run.onnx.score,
            inputs=model_inputs(rows, run.onnx.inputs),
            label=label,
            policy=policy,
            seed=run.seed,
        )
        return robustness.judge(evidence, policy)

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


def _against(version: int | None, judgement: Judgement) -> Judgement:
    """Name the champion in the comparisons with it: another may serve by the time they are read."""
    sides = ({"version": "candidate"}, {"version": str(version)})
    checks = [replace(check, groups=sides) if check.compare == "difference" else check for check in judgement.checks]
    return replace(judgement, checks=checks)


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


def _classes(run: Run) -> tuple[str, str]:
    """The negative and the positive class, as text."""
    import pyarrow.compute as pc

    from assay.data.features import encode, positives

    data = run.folder.policy.data
    found = encode(pc.unique(run.rows[data.label]), "text")[:, 0]
    positive = positives(found, data.positive)
    if len(found) != 2 or positive.sum() != 1:
        raise problem(
            data.label, f"has the classes {', '.join(map(repr, found))}", "a label has two, one being `positive`"
        )
    return str(found[~positive][0]), str(found[positive][0])
