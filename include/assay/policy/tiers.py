"""What a risk tier asks for: whom, how long, and how much must be written down."""

from dataclasses import dataclass
from typing import Literal

RiskTier = Literal["low", "medium", "high"]
Role = Literal["model_owner", "risk_officer"]

APPROVALS: dict[Role, str] = {"model_owner": "approval", "risk_officer": "risk_approval"}
"""The gate, and task, at which each role answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """The rules of one risk tier.

    Attributes
    ----------
    roles
        Who must approve a version, each a different person and none of them the requester.
    named
        Whether the policy must name the people of each role; where it names none, anybody may answer.
    reason_required
        Whether an approval needs a reason.
    waiver_days
        The longest that a waiver may last.
    waiver_people
        How many people must sign a waiver.
    retention_years
        How long a dossier is kept at least.
    """

    roles: tuple[Role, ...]
    named: bool
    reason_required: bool
    waiver_days: int
    waiver_people: int
    retention_years: int


TIERS: dict[RiskTier, Tier] = {
    "low": Tier(
        roles=("model_owner",), named=False, reason_required=False,
        waiver_days=180, waiver_people=1, retention_years=1,
    ),
    "medium": Tier(
        roles=("model_owner",), named=False, reason_required=True,
        waiver_days=90, waiver_people=1, retention_years=5,
    ),
    "high": Tier(
        roles=("model_owner", "risk_officer"), named=True, reason_required=True,
        waiver_days=30, waiver_people=2, retention_years=10,
    ),
}  # fmt: skip
