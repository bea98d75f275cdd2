"""Whether the model keeps its head when its inputs are damaged."""

from assay.gates.robustness.damage import DAMAGES
from assay.gates.robustness.gate import Finding, RobustnessEvidence, judge, measure

__all__ = ["DAMAGES", "Finding", "RobustnessEvidence", "judge", "measure"]
