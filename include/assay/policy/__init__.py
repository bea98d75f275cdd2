"""Policies: one YAML file per model, strictly typed."""

from assay.policy.data import Consent, Data, DeltaSource, Pseudonymize, Source, Split, SqlSource, masked
from assay.policy.fairness import Fairness, FairnessCheck
from assay.policy.gates import Gates, PartialGates, Robustness, RobustnessCheck
from assay.policy.loader import ModelFolder, find_model, load_folder, load_gates, model_folders, parse_policy
from assay.policy.mitigation import Constraint, Mitigation, Parity, Reweighing, Target, Thresholds
from assay.policy.model_files import code_files, file_digests, read_model_files, write_model_files
from assay.policy.models import Approval, Policy, Retention, Rollout, Training, json_schema
from assay.policy.performance import ChampionCheck, Cost, Floor, Latency, Performance, PerformanceCheck, WeakSlices
from assay.policy.tiers import APPROVALS, TIERS, RiskTier, Role, Tier

__all__ = [
    "APPROVALS",
    "TIERS",
    "Approval",
    "ChampionCheck",
    "Consent",
    "Constraint",
    "Cost",
    "Data",
    "DeltaSource",
    "Fairness",
    "FairnessCheck",
    "Floor",
    "Gates",
    "Latency",
    "Mitigation",
    "ModelFolder",
    "Parity",
    "PartialGates",
    "Performance",
    "PerformanceCheck",
    "Policy",
    "Pseudonymize",
    "Retention",
    "Reweighing",
    "RiskTier",
    "Robustness",
    "RobustnessCheck",
    "Role",
    "Rollout",
    "Source",
    "Split",
    "SqlSource",
    "Target",
    "Thresholds",
    "Tier",
    "Training",
    "WeakSlices",
    "code_files",
    "file_digests",
    "find_model",
    "json_schema",
    "load_folder",
    "load_gates",
    "masked",
    "model_folders",
    "parse_policy",
    "read_model_files",
    "write_model_files",
]
