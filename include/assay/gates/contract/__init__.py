"""The contract gate: a Great Expectations suite that data must meet, run in DuckDB."""

from assay.gates.contract.distributions import described
from assay.gates.contract.evidence import ContractEvidence, Finding, Quarantine, judge
from assay.gates.contract.measure import measure
from assay.gates.contract.mount import as_parquet
from assay.gates.contract.quarantine import BadRows, as_taken, bad_rows
from assay.gates.contract.suite import load_suite

__all__ = [
    "BadRows",
    "ContractEvidence",
    "Finding",
    "Quarantine",
    "as_parquet",
    "as_taken",
    "bad_rows",
    "described",
    "judge",
    "load_suite",
    "measure",
]
