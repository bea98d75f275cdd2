"""How the columns are spread that did not pass, beside the reference: for the verdict's page."""

from assay.gates.contract.distributions.describe import described

__all__ = ["described"]
