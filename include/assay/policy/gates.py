"""What a policy says of the gates between the snapshot and registration."""

from typing import Annotated, Literal

from pydantic import Field

from assay.core import Severity
from assay.policy.contract import Contract
from assay.policy.fairness import Fairness
from assay.policy.parts import OnInconclusive, Part, Share
from assay.policy.performance import Performance


class RobustnessCheck(Part):
    """How far a metric may fall when the inputs are damaged in one way.

    `share` is the part of cells (missing, unknown_category), of rows (unit_error) that is
    damaged, or for `noise` the standard deviation added, as a multiple of the column's own.
    """

    scenario: Literal["missing", "noise", "unknown_category", "unit_error"]
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    metric: Literal["auc", "brier", "log_loss"] = "auc"
    max_drop: Annotated[float, Field(gt=0)]
    severity: Severity = "critical"


class Robustness(Part):
    """The robustness gate. `draws` has no say any more, since no interval is drawn; recorded policies name it."""

    confidence: Share = 0.95
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    checks: Annotated[list[RobustnessCheck], Field(min_length=1)]
    on_inconclusive: OnInconclusive = "block"


class Gates(Part):
    """The gates between the snapshot and registration."""

    contract: Contract = Contract()
    performance: Performance
    fairness: Fairness
    robustness: Robustness


class PartialGates(Part):
    """Some of the gates: what a gate command needs of a policy."""

    contract: Contract | None = None
    performance: Performance | None = None
    fairness: Fairness | None = None
    robustness: Robustness | None = None
