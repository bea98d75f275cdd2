"""What a policy says of the performance gate."""

from typing import Annotated, Literal

from pydantic import Field

from assay.core import Severity
from assay.policy.parts import Limited, OnInconclusive, Part, Share


class PerformanceCheck(Limited):
    """A limit on a metric of the holdout."""

    metric: Literal["auc", "log_loss", "brier", "ece"]


class ChampionCheck(Part):
    """Non-inferiority to the champion on the same rows: how much worse is still acceptable."""

    metric: Literal["auc", "log_loss", "brier", "ece"]
    margin: Annotated[float, Field(gt=0)]
    severity: Severity = "critical"


class Performance(Part):
    """The performance gate."""

    confidence: Share = 0.95
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    checks: Annotated[list[PerformanceCheck], Field(min_length=1)]
    champion: list[ChampionCheck] = []
    on_inconclusive: OnInconclusive = "block"
