"""Whether the candidate's decisions differ between groups of people."""

from assay.gates.fairness.counts import FairnessEvidence, GroupCounts, measure
from assay.gates.fairness.spread import judge, named_checks

__all__ = ["FairnessEvidence", "GroupCounts", "judge", "measure", "named_checks"]
