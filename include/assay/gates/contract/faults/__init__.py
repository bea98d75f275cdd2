"""Ways in which data go wrong, each to be planted in good data: what the gate is tried on."""

from assay.gates.contract.faults.catalogue import BY_NAME, FAULTS
from assay.gates.contract.faults.fault import Fault, Target

__all__ = ["BY_NAME", "FAULTS", "Fault", "Target"]
