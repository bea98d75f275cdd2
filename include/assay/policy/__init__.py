"""Policies: one YAML file per model, strictly typed."""

from assay.policy.data import Consent, Data, DeltaSource, Pseudonymize, Source, Split, SqlSource, masked
from assay.policy.fairness import Fairness, FairnessCheck
from assay.policy.gates import Gates, PartialGates, Robustness, RobustnessCheck
from assay.policy.loader import ModelFolder, find_model, load_folder, load_gates, model_folders, parse_policy
from assay.policy.models import Approval, Policy, Retention, Rollout, Training, json_schema
from assay.policy.performance import ChampionCheck, Performance, PerformanceCheck
from assay.policy.tiers import APPROVALS, TIERS, RiskTier, Role, Tier

__all__ = [
    "APPROVALS",
    "TIERS",
    "Approval",
    "ChampionCheck",
    "Consent",
    "Data",
    "DeltaSource",
    "Fairness",
    "FairnessCheck",
    "Gates",
    "ModelFolder",
    "PartialGates",
    "Performance",
    "PerformanceCheck",
    "Policy",
    "Pseudonymize",
    "Retention",
    "RiskTier",
    "Robustness",
    "RobustnessCheck",
    "Role",
    "Rollout",
    "Source",
    "Split",
    "SqlSource",
    "Tier",
    "Training",
    "find_model",
    "json_schema",
    "load_folder",
    "load_gates",
    "masked",
    "model_folders",
    "parse_policy",
]
