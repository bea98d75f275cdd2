"""Run code that is not trusted, a team's `train.py`, where it can reach nothing: see docs/isolation.md."""

from assay.isolation.account import USER, sole_use
from assay.isolation.box import Box
from assay.isolation.level import AUTO, LEVELS, SETTING, Level, choose, isolation_setting, probe
from assay.isolation.limits import BoxError, Limits
from assay.isolation.output import read_out
from assay.isolation.platform_paths import readable_by_all
from assay.isolation.scratch import remove_folder

__all__ = [
    "AUTO",
    "LEVELS",
    "SETTING",
    "USER",
    "Box",
    "BoxError",
    "Level",
    "Limits",
    "choose",
    "isolation_setting",
    "probe",
    "read_out",
    "readable_by_all",
    "remove_folder",
    "sole_use",
]
