"""What a policy says of the fairness gate."""

import math
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from assay.policy.parts import Column, Columns, Limited, OnInconclusive, Part, Share

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
