"""The tasks that judge the candidate, and, where the policy names a mitigation, what that made of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core import Judgement
from assay.evidence.judging import Case, judge_gate
from assay.evidence.opening import rollouts
from assay.pipeline.run import Run

if TYPE_CHECKING:
    from assay.training.onnx_model import OnnxModel


def performance_gate(run: Run) -> dict[str, Any]:
    """Measure the candidate on the holdout, against the policy's limits and the champion."""
    return _performance(run.about("first"))


def fairness_gate(run: Run) -> dict[str, Any]:
    """Compare the candidate's decisions between the groups that the policy names."""
    run = run.about("first")
    run.require("contract", "performance")
    return _decided(run, "fairness")


def mitigated_performance_gate(run: Run) -> dict[str, Any]:
    """Measure what mitigation made, as the candidate was measured."""
    return _performance(run.about("mitigated"))


def mitigated_fairness_gate(run: Run) -> dict[str, Any]:
    """Audit what mitigation made as the candidate was audited, and say what was gained and what was paid."""
    first, run = run.about("first"), run.about("mitigated")
    run.require("contract", "performance")
    return _decided(run, "fairness", before=first.onnx)


def robustness_gate(run: Run) -> dict[str, Any]:
    """Damage the inputs in the ways that the policy names and measure what is lost."""
    run.require("contract", "performance", "fairness")
    return _decided(run, "robustness")


def _performance(run: Run) -> dict[str, Any]:
    run.require("contract")
    return _decided(run, "performance")


def _decided(run: Run, gate: str, *, before: "OnnxModel | None" = None) -> dict[str, Any]:
    """Judge a gate; the reference to its verdict."""

    def judge() -> Judgement:
        return judge_gate(_case(run, gate, before), gate)

    return {"verdict": run.decide(gate, judge).digest}


def _case(run: Run, gate: str, before: "OnnxModel | None") -> Case:
    compared = gate == "performance" and run.folder.policy.gates.performance.compares
    attempts: Mapping[str, int] = {gate: run.attempt(gate)}
    champion = _champion(run) if compared else None
    return replace(run.case, onnx=run.onnx, champion=champion, before=before, attempts=attempts)


def _champion(run: Run) -> "tuple[int, OnnxModel] | None":
    """The version that serves now and its model, the bytes checked; None where there is none."""
    from assay.registry.artifacts import fetch_model
    from assay.training.onnx_model import OnnxModel

    current = rollouts(run.settings).current(run.folder.policy.model)
    if current is None or current.champion is None:
        return None
    champion = current.champion
    return champion.version, OnnxModel(fetch_model(run.settings, champion.path, champion.digest))
