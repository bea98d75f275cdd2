"""What a policy says of the performance gate."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.core import Severity
from assay.policy.metrics import OF_DECISIONS, SHARES, MetricName
from assay.policy.parts import Column, Columns, Limited, OnInconclusive, Part, Share, starred

Positive = Annotated[float, Field(gt=0)]


class PerformanceCheck(Limited):
    """A limit on a metric of the holdout."""

    metric: MetricName

    @model_validator(mode="after")
    def _reachable(self) -> "PerformanceCheck":
        for side in ("min", "max"):
            value = getattr(self, side)
            if value is not None and self.metric in SHARES and not 0 <= value <= 1:
                raise ValueError(f"{side} must be between 0 and 1, as {self.metric} is, got {value:g}")
        return self


class Floor(PerformanceCheck):
    """A limit that every declared slice must keep: the worst of them is judged."""

    @model_validator(mode="after")
    def _one_side(self) -> "Floor":
        if None not in (self.min, self.max):
            raise ValueError("the worst slice has a floor or a ceiling: write min and max as two floors")
        return self


class ChampionCheck(Part):
    """Non-inferiority to the champion on the same rows: how much worse is still acceptable."""

    metric: MetricName
    margin: Positive
    severity: Severity = "critical"


class WeakSlices(Part):
    """A search for slices that the model serves badly, which nobody thought of.

    A tree of at most `max_depth` cuts looks for rows of high loss in one half of the holdout; what it
    finds is judged in the other half. `max_excess` is how much higher than elsewhere the mean loss of a
    slice may be. `columns` are what slices may be made of: the features and the sensitive columns
    unless they are named.
    """

    metric: Literal["log_loss", "brier", "accuracy"] = "log_loss"
    max_excess: Positive
    max_depth: Annotated[int, Field(ge=1, le=4)] = 2
    min_size: Annotated[int, Field(ge=20)] = 200
    columns: Annotated[Columns, Field(min_length=1)] | None = None
    severity: Severity = "critical"


class Cost(Part):
    """What each kind of decision costs, in one currency: above 0 a cost, below 0 a gain.

    `max` limits the mean cost of a decision, `margin` how much more it may be than the champion's.
    """

    currency: Annotated[str, Field(min_length=1, max_length=12)]
    tp: float
    fp: float
    fn: float
    tn: float
    max: float | None = None
    margin: Positive | None = None
    severity: Severity = "critical"

    @property
    def prices(self) -> tuple[float, float, float, float]:
        """Of a true positive, a false positive, a false negative and a true negative."""
        return self.tp, self.fp, self.fn, self.tn

    @model_validator(mode="after")
    def _limited(self) -> "Cost":
        if self.max is None and self.margin is None:
            raise ValueError("give max, margin or both")
        if len({self.tp, self.fp, self.fn, self.tn}) == 1:
            raise ValueError("every decision costs the same: no model could make a difference")
        return self


class Latency(Part):
    """How long the served model may take for a request of so many rows, in milliseconds."""

    rows: Annotated[int, Field(ge=1, le=100_000)]
    p50_ms: Positive | None = None
    p99_ms: Positive | None = None
    severity: Severity = "critical"

    @model_validator(mode="after")
    def _limited(self) -> "Latency":
        if self.p50_ms is None and self.p99_ms is None:
            raise ValueError("give p50_ms, p99_ms or both")
        return self

    @property
    def budgets(self) -> dict[int, float]:
        """Percentile to its budget."""
        return {at: ms for at, ms in ((50, self.p50_ms), (99, self.p99_ms)) if ms is not None}


class Performance(Part):
    """The performance gate.

    `slices` are columns, alone or combined, whose every value must keep the `floors`; `edges` cut a
    column of numbers. `draws` has no say any more, since no interval is drawn; recorded policies name it.
    """

    confidence: Share = 0.95
    draws: Annotated[int, Field(ge=100, le=100_000, json_schema_extra={"deprecated": True})] = 1000
    checks: Annotated[list[PerformanceCheck], Field(min_length=1)]
    champion: list[ChampionCheck] = []
    slices: list[Column | Annotated[Columns, Field(min_length=1)]] = []
    edges: dict[Column, Annotated[list[float], Field(min_length=1)]] = {}
    min_slice_size: Annotated[int, Field(ge=20)] = 100
    floors: list[Floor] = []
    weak_slices: WeakSlices | None = None
    cost: Cost | None = None
    latency: list[Latency] = []
    size_mb: Positive | None = None
    on_inconclusive: OnInconclusive = "block"

    @property
    def attributes(self) -> list[tuple[str, ...]]:
        """`slices` with every entry a tuple of columns."""
        return [(entry,) if isinstance(entry, str) else tuple(entry) for entry in self.slices]

    @property
    def slice_columns(self) -> list[str]:
        """Every column that declared slices are made of, each once."""
        return list(dict.fromkeys(column for attribute in self.attributes for column in attribute))

    @property
    def columns(self) -> list[str]:
        """Every column that the policy names for slices, declared or looked for, each once."""
        looked = [] if self.weak_slices is None else self.weak_slices.columns or []
        return list(dict.fromkeys([*self.slice_columns, *looked]))

    @property
    def compares(self) -> bool:
        """Whether there is something to compare with the champion."""
        return bool(self.champion) or (self.cost is not None and self.cost.margin is not None)

    @property
    def decides(self) -> bool:
        """Whether some check needs the candidate's decisions, not only its scores."""
        named = [each.metric for each in self.checks] + [each.metric for each in self.floors]
        named += [each.metric for each in self.champion] + [each.metric for each in [self.weak_slices] if each]
        return self.cost is not None or any(metric in OF_DECISIONS for metric in named)

    @property
    def compares_decisions(self) -> bool:
        """Whether some check needs the champion's decisions."""
        priced = self.cost is not None and self.cost.margin is not None
        return priced or any(check.metric in OF_DECISIONS for check in self.champion)

    @property
    def timed(self) -> bool:
        """Whether something is judged that only the model itself can show: its speed or its size."""
        return bool(self.latency) or self.size_mb is not None

    @model_validator(mode="after")
    def _consistent(self) -> "Performance":
        problems = [*self._wrong_slices(), *self._wrong_edges(), *self._contradictions(), *self._repeated()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _wrong_slices(self) -> Iterator[str]:
        if bool(self.slices) != bool(self.floors):
            yield "slices and floors belong together: " + ("give floors" if self.slices else "give slices")
        combinations = [frozenset(attribute) for attribute in self.attributes]
        repeated = sorted({"*".join(a) for a in self.attributes if combinations.count(frozenset(a)) > 1})
        if repeated:
            yield f"slices named twice: {', '.join(repeated)}"
        yield from starred(self.slice_columns)

    def _wrong_edges(self) -> Iterator[str]:
        for column, edges in self.edges.items():
            if edges != sorted(set(edges)):
                yield f"edges of {column} must rise: {', '.join(f'{edge:g}' for edge in edges)}"
        if strangers := sorted(set(self.edges) - set(self.slice_columns)):
            yield f"edges names columns that no slice is made of: {', '.join(strangers)}"

    def _contradictions(self) -> Iterator[str]:
        parts: tuple[tuple[str, Sequence[PerformanceCheck | Floor]], ...] = (
            ("checks", self.checks),
            ("floors", self.floors),
        )
        for key, limits in parts:
            for metric in dict.fromkeys(each.metric for each in limits):
                low = max((each.min for each in limits if each.metric == metric and each.min is not None), default=-inf)
                high = min((each.max for each in limits if each.metric == metric and each.max is not None), default=inf)
                # a floor holds the lowest slice, a ceiling the highest: both can be kept only where they leave room
                if low > high:
                    yield f"{key} on {metric} contradict each other: at least {low:g} and at most {high:g}"

    def _repeated(self) -> Iterator[str]:
        sizes = [each.rows for each in self.latency]
        if twice := sorted({rows for rows in sizes if sizes.count(rows) > 1}):
            yield f"latency names twice: {', '.join(map(str, twice))} rows"
