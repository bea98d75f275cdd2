"""Run a model's folder through box and gates on this machine alone: the code of the pipeline, and nothing recorded.

A real run judges more strictly: it counts every candidate that was measured on the same data, compares with the
champion and the data of earlier runs, and asks a person. Here a candidate is judged as the first one is.
"""

from assay.evidence.dry_run.plan import Plan
from assay.evidence.dry_run.walk import NAMES, DryRun, Step

__all__ = ["NAMES", "DryRun", "Plan", "Step"]
