"""Compare what MLflow and the operations database show with the dossiers, and set images back on command."""

from assay.evidence.audit.deviation import Deviation
from assay.evidence.audit.incidents import Seen
from assay.evidence.audit.whole import Audit, audit, close_incident

__all__ = ["Audit", "Deviation", "Seen", "audit", "close_incident"]
