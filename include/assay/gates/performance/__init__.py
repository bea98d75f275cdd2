"""Whether the candidate is good enough, everywhere, and no worse than the champion."""

from assay.gates.performance.evidence import PerformanceEvidence
from assay.gates.performance.judge import judge
from assay.gates.performance.measure import measure, require_slices
from assay.gates.performance.names import check_names

__all__ = ["PerformanceEvidence", "check_names", "judge", "measure", "require_slices"]
