"""The policy file as types. Unknown keys are refused; values are never coerced."""

import math
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from assay.core import Limit, Severity
from assay.policy.tiers import TIERS, RiskTier, Role, Tier

Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Column = Annotated[str, Field(min_length=1)]
OnInconclusive = Literal["block", "review"]


T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"named twice: {', '.join(repeated)}")
    return values


Columns = Annotated[list[Column], AfterValidator(_distinct)]


class Part(BaseModel):
    """A part of a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Limited(Part):
    """Anything with a limit: at least one side must be given, and they must not contradict."""

    min: float | None = None
    max: float | None = None
    severity: Severity = "critical"

    @model_validator(mode="after")
    def _sides(self) -> "Limited":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    @property
    def limit(self) -> Limit:
        """The limit in core's words."""
        return Limit(min=self.min, max=self.max)


class Data(Part):
    """Which rows and columns the model is made from.

    `mutable` names the features that a person could change: what a counterfactual may vary.
    """

    source: str
    key: Column
    label: Column
    positive: str | int | bool
    features: Annotated[Columns, Field(min_length=1)]
    sensitive: Annotated[Columns, Field(min_length=1)]
    mutable: Columns = []
    holdout: Share = 0.3

    @model_validator(mode="after")
    def _roles(self) -> "Data":
        clashes = {self.label, self.key} & set(self.features)
        if clashes:
            raise ValueError(f"the label and the key cannot be features: {', '.join(sorted(clashes))}")
        if self.label == self.key:
            raise ValueError("label and key are the same column")
        fixed = sorted(set(self.mutable) - set(self.features))
        if fixed:
            raise ValueError(f"mutable names columns that are not features: {', '.join(fixed)}")
        if self.label in self.sensitive:
            raise ValueError(f'the label "{self.label}" cannot be sensitive: its groups would be its own classes')
        return self

    @property
    def columns(self) -> list[str]:
        """Every column that the policy needs, each once: key, label, features, sensitive."""
        return list(dict.fromkeys([self.key, self.label, *self.features, *self.sensitive]))


class Training(Part):
    """How the candidate is made."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    threshold: Share = 0.5
    parameters: dict[str, str | int | float | bool] = {}


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


RateMetric = Literal[
    "selection_rate", "base_rate", "accuracy", "tpr", "fpr", "tnr", "fnr", "ppv", "npv", "fdr", "for"
]  # fmt: skip
ScoreMetric = Literal["auc", "brier", "log_loss", "ece"]


class FairnessCheck(Limited):
    """A limit on how a metric may differ between groups, or on what it may be in each of them.

    `within` compares rates as if every group had the same mix of that column's values.
    """

    metric: RateMetric | ScoreMetric
    compare: Literal["difference", "ratio", "level"] = "difference"
    within: Column | None = None

    @property
    def scored(self) -> bool:
        """Whether the metric is one of scores, not of decisions."""
        return self.metric in get_args(ScoreMetric)

    @property
    def name(self) -> str:
        """What the check is called in a verdict."""
        return f"{self.metric}_{self.compare}" + (f"_within_{self.within}" if self.within else "")

    @model_validator(mode="after")
    def _reachable(self) -> "FairnessCheck":
        greatest = math.inf if self.metric == "log_loss" and self.compare != "ratio" else 1
        for side in ("min", "max"):
            value = getattr(self, side)
            if value is not None and not 0 <= value <= greatest:
                raise ValueError(f"{side} must be between 0 and 1, got {value:g}")
        if self.compare == "level" and None not in (self.min, self.max):
            raise ValueError("a level has a floor or a ceiling: write min and max as two checks")
        if self.within is not None and self.scored:
            raise ValueError(f"within is for rates; {self.metric} is made of scores")
        return self


class Fairness(Part):
    """The fairness gate.

    `reference` names a column's value that its other values are compared with, in place of the
    largest with the smallest; a combination of columns has one when each of them has. `edges`
    cut a column of numbers into groups.
    """

    groups: Annotated[list[Column | Annotated[Columns, Field(min_length=1)]], Field(min_length=1)]
    reference: dict[Column, str] = {}
    edges: dict[Column, Annotated[list[float], Field(min_length=1)]] = {}
    min_group_size: Annotated[int, Field(ge=1)] = 100
    confidence: Share = 0.95
    checks: Annotated[list[FairnessCheck], Field(min_length=1)]
    on_inconclusive: OnInconclusive = "block"

    @property
    def attributes(self) -> list[tuple[str, ...]]:
        """`groups` with every entry a tuple of columns."""
        return [(entry,) if isinstance(entry, str) else tuple(entry) for entry in self.groups]

    @property
    def strata(self) -> list[str]:
        """The columns that some check compares within, each once."""
        return list(dict.fromkeys(check.within for check in self.checks if check.within is not None))

    @property
    def columns(self) -> list[str]:
        """Every column that groups or strata are made of, each once."""
        return list(dict.fromkeys([*(column for attribute in self.attributes for column in attribute), *self.strata]))

    @property
    def scored(self) -> bool:
        """Whether some check needs the scores."""
        return any(check.scored for check in self.checks)

    @model_validator(mode="after")
    def _once(self) -> "Fairness":
        combinations = [frozenset(attribute) for attribute in self.attributes]
        repeated = sorted({"*".join(a) for a in self.attributes if combinations.count(frozenset(a)) > 1})
        if repeated:
            raise ValueError(f"groups named twice: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _cuts(self) -> "Fairness":
        problems = [
            f"edges of {column} must rise: {', '.join(f'{edge:g}' for edge in edges)}"
            for column, edges in self.edges.items()
            if edges != sorted(set(edges))
        ]
        grouped = {column for attribute in self.attributes for column in attribute}
        for key, known in (("reference", grouped), ("edges", {*grouped, *self.strata})):
            if strangers := sorted(set(getattr(self, key)) - known):
                problems.append(f"{key} names columns that nothing is grouped by: {', '.join(strangers)}")
        if both := sorted(grouped & set(self.strata)):
            problems.append(f"within names columns of groups: {', '.join(both)}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


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
    """The robustness gate."""

    confidence: Share = 0.95
    draws: Annotated[int, Field(ge=100, le=100_000)] = 1000
    checks: Annotated[list[RobustnessCheck], Field(min_length=1)]
    on_inconclusive: OnInconclusive = "block"


class Gates(Part):
    """The gates between training and registration."""

    performance: Performance
    fairness: Fairness
    robustness: Robustness


class PartialGates(Part):
    """Some of the gates: what a gate command needs of a policy."""

    performance: Performance | None = None
    fairness: Fairness | None = None
    robustness: Robustness | None = None


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
        problems = [*self._unknown_groups(), *self._short_of_tier()]
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


def field_names(part: type[Part]) -> list[str]:
    """The keys that a part of a policy may have."""
    return [info.alias or name for name, info in part.model_fields.items()]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a policy file, for editors."""
    return Policy.model_json_schema(by_alias=True)
