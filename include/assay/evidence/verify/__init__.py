"""Verify a registered version: every digest and signature, from the anchors down to the snapshot's files."""

from assay.evidence.verify.report import Check, Finding, Report
from assay.evidence.verify.whole import verify

__all__ = ["Check", "Finding", "Report", "verify"]
