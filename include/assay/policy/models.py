"""The policy file as types. Unknown keys are refused; values are never coerced."""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from assay.policy.data import Data
from assay.policy.gates import Gates, PartialGates
from assay.policy.mitigation import Mitigation
from assay.policy.parts import Columns, Name, Part, Share
from assay.policy.tiers import TIERS, RiskTier, Role, Tier


class TrainingLimits(Part):
    """What the team's code may use while it trains; the box ends whatever uses more.

    `memory_gb` counts all its processes together, and so does `cpu_minutes`, whose default is what `minutes` allows on
    four cores. `file_gb` bounds one file, `scratch_gb` all that it writes.
    """

    memory_gb: Annotated[float, Field(gt=0, le=4096)] = 4
    minutes: Annotated[float, Field(gt=0, le=60 * 24 * 7)] = 120
    cpu_minutes: Annotated[float, Field(gt=0, le=60 * 24 * 7 * 64)] | None = None
    processes: Annotated[int, Field(ge=1, le=4096)] = 64
    file_gb: Annotated[float, Field(gt=0, le=1024)] = 1
    scratch_gb: Annotated[float, Field(gt=0, le=4096)] = 4

    def for_box(self) -> dict[str, float]:
        """The limits in bytes and seconds, as `assay.isolation.Limits` names them."""
        cpu = self.minutes * 4 if self.cpu_minutes is None else self.cpu_minutes
        return {
            "memory_bytes": int(self.memory_gb * 2**30),
            "cpu_seconds": cpu * 60,
            "wall_seconds": self.minutes * 60,
            "processes": self.processes,
            "file_bytes": int(self.file_gb * 2**30),
            "scratch_bytes": int(self.scratch_gb * 2**30),
        }


class Training(Part):
    """How the candidate is made."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    threshold: Share = 0.5
    parameters: dict[str, str | int | float | bool] = {}
    limits: TrainingLimits = TrainingLimits()


class Approval(Part):
    """The people who must say yes, by the names that they sign in with; the risk tier says how many.

    An unanswered question expires after `expires_hours`. An approval counts for `valid_days`.
    """

    expires_hours: Annotated[float, Field(gt=0, le=24 * 90)] = 72
    valid_days: Annotated[int, Field(ge=1, le=365)] = 30
    model_owners: Columns = []
    risk_officers: Columns = []

    def people(self, role: Role) -> list[str]:
        """Who may answer in a role; nobody named is nobody in particular."""
        return self.model_owners if role == "model_owner" else self.risk_officers


class Retention(Part):
    """How long the evidence is kept; never less than the risk tier asks for."""

    dossier_years: Annotated[int, Field(ge=1, le=100)]


class Rollout(Part):
    """How a registered version earns its traffic.

    `margin` is the largest excess of the canary's Brier score over the champion's that is still
    acceptable; `max_brier` bounds a first version, which has no champion to be compared with.
    """

    stages: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)] = [5, 25, 50, 100]
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    max_brier: Share
    max_error_rate: Share = 0.02
    alpha: Share = 0.05
    min_labels: Annotated[int, Field(ge=1)] = 200
    max_hours: Annotated[float, Field(gt=0, le=24 * 90)] = 24

    @model_validator(mode="after")
    def _rising(self) -> "Rollout":
        if self.stages != sorted(set(self.stages)) or self.stages[-1] != 100:
            raise ValueError("stages must rise and end at 100")
        return self


def _cron(text: str) -> str:
    from croniter import croniter  # only a policy with a schedule pays for it

    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(f'is not a cron expression of five fields, such as "0 2 * * 1": {text!r}')
    return text


def _known_schema(value: object) -> object:
    if isinstance(value, bool):  # which Python takes for an integer
        raise ValueError(f"must be 1, got {value}")
    if isinstance(value, int) and value > 1:
        raise ValueError(
            f"is {value}, the form of a later release; this one reads 1: upgrade Assay, or write that form"
        )
    return value


class Policy(Part):
    """All that governs one model."""

    schema_version: Annotated[Literal[1], BeforeValidator(_known_schema), Field(alias="schema")]
    model: Name
    owner: Annotated[str, Field(min_length=1)]
    description: str = ""
    risk_tier: RiskTier
    schedule: Annotated[str, AfterValidator(_cron)] | None = None
    data: Data
    training: Training = Training()
    gates: Gates
    mitigation: Mitigation | None = None
    approval: Approval = Approval()
    rollout: Rollout
    retention: Retention | None = None

    @property
    def tier(self) -> Tier:
        """The rules of its risk tier."""
        return TIERS[self.risk_tier]

    @property
    def retention_years(self) -> int:
        """How many years a dossier is kept."""
        return self.tier.retention_years if self.retention is None else self.retention.dossier_years

    @model_validator(mode="after")
    def _consistent(self) -> "Policy":
        problems = [
            *self._unknown_groups(),
            *self._two_classes(),
            *self._unknown_attributes(),
            *self._short_of_tier(),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unknown_groups(self) -> Iterator[str]:
        wanted: Iterable[str] = (column for group in self.gates.fairness.attributes for column in group)
        unknown = sorted(set(wanted) - set(self.data.sensitive))
        if unknown:
            yield f"gates.fairness.groups names columns that are not in data.sensitive: {', '.join(unknown)}"
        strangers = sorted(set(self.gates.fairness.strata) - {*self.data.sensitive, *self.data.features})
        if strangers:
            yield f"gates.fairness.checks compare within columns that data does not have: {', '.join(strangers)}"
        if lost := sorted(set(self.gates.performance.columns) - {*self.data.sensitive, *self.data.features}):
            yield f"gates.performance makes slices of columns that data does not have: {', '.join(lost)}"

    def _two_classes(self) -> Iterator[str]:
        """What the fairness gate can ask of a file of predictions, but not of a model that is trained here."""
        if self.gates.fairness.classes is not None:
            yield "gates.fairness.classes are for labels of several classes; this model decides between two"
        if self.gates.fairness.numeric:
            yield "gates.fairness.checks ask for metrics of predicted numbers; this model decides between two classes"

    def _unknown_attributes(self) -> Iterator[str]:
        if self.mitigation is None:
            return
        attributes = set(self.mitigation.attributes)
        if unknown := sorted(attributes - set(self.data.sensitive)):
            yield f"mitigation.attributes names columns that are not in data.sensitive: {', '.join(unknown)}"
        if cut := sorted(attributes & set(self.gates.fairness.edges)):
            yield (
                f"mitigation.attributes names columns that gates.fairness.edges cut: {', '.join(cut)}; "
                "derive a column that holds the group"
            )

    def _short_of_tier(self) -> Iterator[str]:
        needed = self.tier.roles if self.tier.named else ()
        unnamed = [f"approval.{role}s" for role in needed if not self.approval.people(role)]
        if unnamed:
            yield f"risk tier {self.risk_tier} needs people named in {' and '.join(unnamed)}"
        if self.retention_years < self.tier.retention_years:
            kept = self.tier.retention_years
            yield (
                f"retention.dossier_years is {self.retention_years}; "
                f"risk tier {self.risk_tier} keeps dossiers for {kept} years"
            )


def _optional(part: type[Part]) -> dict[str, Any]:
    """The fields of a part, none of them required."""
    fields = {name: copy(info) for name, info in part.model_fields.items()}
    for info in fields.values():
        info.default = None
    return {name: (info.annotation, info) for name, info in fields.items()}


# What a gate command reads: any piece of a policy that holds gates, each key held to its own form.
_PIECE = _optional(Policy) | {"gates": (PartialGates, ...)}
GatePolicy: type[Part] = create_model("GatePolicy", __base__=Part, **_PIECE)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a policy file, for editors."""
    return Policy.model_json_schema(by_alias=True)
