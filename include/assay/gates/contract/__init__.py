"""The contract gate: a Great Expectations suite that data must meet, run in DuckDB."""

from assay.gates.contract.evidence import ContractEvidence, Finding, judge
from assay.gates.contract.measure import measure
from assay.gates.contract.suite import load_suite

__all__ = ["ContractEvidence", "Finding", "judge", "load_suite", "measure"]
