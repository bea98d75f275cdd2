"""Whether the candidate's decisions differ between groups of people."""

from assay.gates.fairness.coding import MOST_VALUES, crowded, too_many_values
from assay.gates.fairness.counts import FairnessEvidence
from assay.gates.fairness.estimates import named_checks
from assay.gates.fairness.measure import measure, require_groups, wrong_targets
from assay.gates.fairness.members import GroupCounts
from assay.gates.fairness.spread import judge

__all__ = [
    "MOST_VALUES",
    "FairnessEvidence",
    "GroupCounts",
    "crowded",
    "judge",
    "measure",
    "named_checks",
    "require_groups",
    "too_many_values",
    "wrong_targets",
]
