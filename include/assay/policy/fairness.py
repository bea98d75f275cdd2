"""What a policy says of the fairness gate."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from assay.policy.parts import Column, Columns, Limited, OnInconclusive, Part, Share, starred

RateMetric = Literal[
    "selection_rate", "base_rate", "accuracy", "tpr", "fpr", "tnr", "fnr", "ppv", "npv", "fdr", "for"
]  # fmt: skip
ScoreMetric = Literal["auc", "brier", "log_loss", "ece"]
ErrorMetric = Literal["mae", "rmse", "mean_error"]
FairnessMetric = Literal[RateMetric, ScoreMetric, ErrorMetric]


def _each_once(entries: list[str | list[str]]) -> list[str | list[str]]:
    sets = [frozenset(_columns(entry)) for entry in entries]
    repeated = sorted({"*".join(_columns(entry)) for entry in entries if sets.count(frozenset(_columns(entry))) > 1})
    problems = [f"groups named twice: {', '.join(repeated)}"] if repeated else []
    problems += starred(column for entry in entries for column in _columns(entry))
    if problems:
        raise ValueError("; ".join(problems))
    return entries


def _columns(entry: str | Sequence[str]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)


Attributes = Annotated[
    list[Column | Annotated[Columns, Field(min_length=1)]], Field(min_length=1), AfterValidator(_each_once)
]


class FairnessCheck(Limited):
    """A limit on how a metric may differ between groups, or on what it may be in each of them.

    `within` compares rates as if every group had the same mix of that column's values. `groups` are
    those of the part's that the check is made for; without it, all.
    """

    metric: FairnessMetric
    compare: Literal["difference", "ratio", "level"] = "difference"
    within: Column | None = None
    groups: Attributes | None = None

    @property
    def scored(self) -> bool:
        """Whether the metric is one of scores, not of decisions."""
        return self.metric in get_args(ScoreMetric)

    @property
    def numeric(self) -> bool:
        """Whether the metric is one of predicted numbers, not of decisions."""
        return self.metric in get_args(ErrorMetric)

    @property
    def name(self) -> str:
        """What the check is called in a verdict."""
        return f"{self.metric}_{self.compare}" + (f"_within_{self.within}" if self.within else "")

    def covers(self, attribute: Sequence[str]) -> bool:
        """Whether it is made for the groups by these columns."""
        return self.groups is None or any(set(_columns(entry)) == set(attribute) for entry in self.groups)

    @model_validator(mode="after")
    def _reachable(self) -> "FairnessCheck":
        unbounded = (self.numeric or self.metric == "log_loss") and self.compare != "ratio"
        signed = self.metric == "mean_error" and self.compare == "level"
        for side in ("min", "max"):
            value = getattr(self, side)
            if value is None or (value >= 0 and unbounded) or signed or 0 <= value <= 1:
                continue
            raise ValueError(f"{side} must be {'0 or more' if unbounded else 'between 0 and 1'}, got {value:g}")
        if self.compare == "level" and None not in (self.min, self.max):
            raise ValueError("a level has a floor or a ceiling: write min and max as two checks")
        if self.within is not None and (self.scored or self.numeric):
            raise ValueError(f"within is for rates; {self.metric} is made of {'scores' if self.scored else 'numbers'}")
        if self.metric == "mean_error" and self.compare == "ratio":
            raise ValueError("mean_error has a sign, so a ratio says nothing: compare its difference or its level")
        return self


class Fairness(Part):
    """The fairness gate.

    `reference` names a column's value that its other values are compared with, in place of the
    largest with the smallest; a combination of columns has one when each of them has. `edges`
    cut a column of numbers into groups. `classes` are those of a label with more than two, each of
    which is compared as one against the rest.
    """

    groups: Attributes
    reference: dict[Column, str] = {}
    edges: dict[Column, Annotated[list[float], Field(min_length=1)]] = {}
    classes: Annotated[list[str | int], Field(min_length=1)] | None = None
    min_group_size: Annotated[int, Field(ge=1)] = 100
    confidence: Share = 0.95
    checks: Annotated[list[FairnessCheck], Field(min_length=1)]
    on_inconclusive: OnInconclusive = "block"

    @property
    def attributes(self) -> list[tuple[str, ...]]:
        """`groups` with every entry a tuple of columns."""
        return [_columns(entry) for entry in self.groups]

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

    @property
    def numeric(self) -> bool:
        """Whether the model predicts numbers: its label and its predictions are no classes."""
        return any(check.numeric for check in self.checks)

    def checks_on(self, attribute: Sequence[str]) -> list[FairnessCheck]:
        """The checks that are made for the groups by these columns."""
        return [check for check in self.checks if check.covers(attribute)]

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, data: Any, handler: ModelWrapValidatorHandler["Fairness"]) -> "Fairness":
        """Tell limits that contradict each other also where some key is wrong, for which they would have to wait."""
        try:
            return handler(data)
        except ValidationError as error:
            lines = [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {}))
                for each in error.errors(include_url=False)
            ]
            found = "; ".join(contradictions(*_readable(data)))
            if not found or any(not each["loc"] for each in lines):  # the whole was looked at: it is told already
                raise
            told = PydanticCustomError("value_error", "{error}", {"error": found})
            lines.append(InitErrorDetails(type=told, loc=(), input=data))
            raise ValidationError.from_exception_data(cls.__name__, lines) from None

    @model_validator(mode="after")
    def _consistent(self) -> "Fairness":
        problems = [*self._cuts(), *self._strangers(), *self._kinds()]
        problems += contradictions(enumerate(self.checks), self.attributes)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _cuts(self) -> Iterator[str]:
        for column, edges in self.edges.items():
            if edges != sorted(set(edges)):
                yield f"edges of {column} must rise: {', '.join(f'{edge:g}' for edge in edges)}"

    def _strangers(self) -> Iterator[str]:
        """What is named and does not belong to anything, or is compared by nobody."""
        grouped = {column for attribute in self.attributes for column in attribute}
        for key, known in (("reference", grouped), ("edges", {*grouped, *self.strata})):
            if strangers := sorted(set(getattr(self, key)) - known):
                yield f"{key} names columns that nothing is grouped by: {', '.join(strangers)}"
        if both := sorted(grouped & set(self.strata)):
            yield f"within names columns of groups: {', '.join(both)}"
        known_sets = {frozenset(attribute) for attribute in self.attributes}
        for at, check in enumerate(self.checks):
            own = [_columns(entry) for entry in check.groups or ()]
            if unknown := ["*".join(each) for each in own if frozenset(each) not in known_sets]:
                yield f"checks.{at}.groups are not among groups: {', '.join(unknown)}"
        if idle := ["*".join(attribute) for attribute in self.attributes if not self.checks_on(attribute)]:
            yield f"no check is made for the groups {', '.join(idle)}"

    def _kinds(self) -> Iterator[str]:
        """Metrics that need labels of another kind than the rest do."""
        numeric = sorted({check.metric for check in self.checks if check.numeric})
        others = sorted({check.metric for check in self.checks if not check.numeric})
        scored = sorted({check.metric for check in self.checks if check.scored})
        if numeric and others:
            yield f"{', '.join(numeric)} need numbers and {', '.join(others)} need classes: one model has one of them"
        if self.classes is None:
            return
        words = [str(each) for each in self.classes]
        if repeated := sorted({each for each in words if words.count(each) > 1}):
            yield f"classes named twice: {', '.join(repeated)}"
        if numeric:
            yield f"classes have no {', '.join(numeric)}: these are metrics of predicted numbers"
        if scored:
            yield f"classes have no {', '.join(scored)}: one score does not say how likely each class is"


def contradictions(checks: Iterable[tuple[int, FairnessCheck]], attributes: Sequence[Sequence[str]]) -> Iterator[str]:
    """Checks of one quantity, by their places, whose limits nothing can meet together."""
    for (at, one), (to, other) in combinations(checks, 2):
        same = (one.metric, one.compare, one.within) == (other.metric, other.compare, other.within)
        if not same or not any(one.covers(each) and other.covers(each) for each in attributes):
            continue
        for (low, floor), (high, ceiling) in (((at, one), (to, other)), ((to, other), (at, one))):
            if floor.min is not None and ceiling.max is not None and floor.min > ceiling.max:
                yield (
                    f"checks.{low} and checks.{high} contradict each other: {floor.name} of at least "
                    f"{floor.min:g} and of at most {ceiling.max:g}"
                )


def _readable(data: Any) -> tuple[list[tuple[int, FairnessCheck]], list[tuple[str, ...]]]:
    """Of a part that is not right as a whole, the checks that are, by their places, and the groups."""
    raw = data if isinstance(data, dict) else {}
    entries, written = (each if isinstance(each, list) else [] for each in (raw.get("groups"), raw.get("checks")))
    attributes = [
        _columns(entry)
        for entry in entries
        if isinstance(entry, str) or (isinstance(entry, list) and all(isinstance(each, str) for each in entry))
    ]
    checks = []
    for at, each in enumerate(written):
        with suppress(ValidationError):
            checks.append((at, FairnessCheck.model_validate(each)))
    return checks, attributes
