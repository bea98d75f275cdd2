"""The words everything else is said in. Standard library only; imports no other room."""

from assay.core.anchor import Anchor, Anchors, AnchorTakenError
from assay.core.budget import Budget
from assay.core.canonical import canonical_json, sha256_bytes, sha256_file, sha256_json, sha256_tree
from assay.core.cells import MISSING
from assay.core.clock import Stopwatch, utc_now
from assay.core.distribution import Distribution
from assay.core.errors import AssayError, Problem, UnavailableError, UserError, did_you_mean, problem
from assay.core.event import Event, Record, record_from_dict
from assay.core.faults import fault_point
from assay.core.files import replace_file
from assay.core.judge import describe_estimate, describe_limit, judge_interval
from assay.core.limit import Limit
from assay.core.outcome import EXIT_CODES, Outcome, worst
from assay.core.settings import Settings, code_version
from assay.core.verdict import (
    TIMED,
    Check,
    Group,
    GroupMetrics,
    Judgement,
    Measured,
    Severity,
    Subject,
    Verdict,
    bind,
    decide,
    worst_first,
)

__all__ = [
    "EXIT_CODES",
    "MISSING",
    "TIMED",
    "Anchor",
    "AnchorTakenError",
    "Anchors",
    "AssayError",
    "Budget",
    "Check",
    "Distribution",
    "Event",
    "Group",
    "GroupMetrics",
    "Judgement",
    "Limit",
    "Measured",
    "Outcome",
    "Problem",
    "Record",
    "Settings",
    "Severity",
    "Stopwatch",
    "Subject",
    "UnavailableError",
    "UserError",
    "Verdict",
    "bind",
    "canonical_json",
    "code_version",
    "decide",
    "describe_estimate",
    "describe_limit",
    "did_you_mean",
    "fault_point",
    "judge_interval",
    "problem",
    "record_from_dict",
    "replace_file",
    "sha256_bytes",
    "sha256_file",
    "sha256_json",
    "sha256_tree",
    "utc_now",
    "worst",
    "worst_first",
]
