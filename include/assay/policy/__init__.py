"""Policies: one YAML file per model, strictly typed."""

from assay.policy.loader import ModelFolder, find_model, load_folder, load_gates, model_folders, parse_policy
from assay.policy.models import (
    Approval,
    ChampionCheck,
    Data,
    Fairness,
    FairnessCheck,
    Gates,
    PartialGates,
    Performance,
    PerformanceCheck,
    Policy,
    Robustness,
    RobustnessCheck,
    Rollout,
    Training,
    json_schema,
)

__all__ = [
    "Approval",
    "ChampionCheck",
    "Data",
    "Fairness",
    "FairnessCheck",
    "Gates",
    "ModelFolder",
    "PartialGates",
    "Performance",
    "PerformanceCheck",
    "Policy",
    "Robustness",
    "RobustnessCheck",
    "Rollout",
    "Training",
    "find_model",
    "json_schema",
    "load_folder",
    "load_gates",
    "model_folders",
    "parse_policy",
]
