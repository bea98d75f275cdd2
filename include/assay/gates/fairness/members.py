"""A group's rows as what its metrics are made of: counts by label and prediction."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from assay.core import Group, Measured
from assay.gates.fairness.scores import FEWEST, Scores, few
from assay.stats.counts import effective_size
from assay.stats.intervals import Estimates, normal_quantile, rates

ALL_KINDS = ("tp", "fp", "fn", "tn")
# What a row was by an earlier model's decision, and what it is by the later one's.
PAIRS = (
    ("tp", "tp"), ("tp", "fn"), ("fn", "tp"), ("fn", "fn"), ("fp", "fp"), ("fp", "tn"), ("tn", "fp"), ("tn", "tn")
)  # fmt: skip
Weights = tuple[tuple[float, float], ...]


class Rate(NamedTuple):
    """The number of rows of some kinds among the rows of others, and what those others are called."""

    part: tuple[str, ...]
    whole: tuple[str, ...]
    called: str


RATES: Mapping[str, Rate] = {
    "selection_rate": Rate(("tp", "fp"), ALL_KINDS, "rows"),
    "tpr": Rate(("tp",), ("tp", "fn"), "positives"),
    "fpr": Rate(("fp",), ("fp", "tn"), "negatives"),
    "base_rate": Rate(("tp", "fn"), ALL_KINDS, "rows"),
    "accuracy": Rate(("tp", "tn"), ALL_KINDS, "rows"),
    "tnr": Rate(("tn",), ("fp", "tn"), "negatives"),
    "fnr": Rate(("fn",), ("tp", "fn"), "positives"),
    "ppv": Rate(("tp",), ("tp", "fp"), "positive predictions"),
    "npv": Rate(("tn",), ("tn", "fn"), "negative predictions"),
    "fdr": Rate(("fp",), ("tp", "fp"), "positive predictions"),
    "for": Rate(("fn",), ("tn", "fn"), "negative predictions"),
}
_SCORES = ("auc", "brier", "log_loss", "ece")


@dataclass(frozen=True, kw_only=True, slots=True)
class Members(ABC):
    """What is known of one group's rows."""

    group: Group

    def __str__(self) -> str:
        return ", ".join(f"{column}={value}" for column, value in self.group.items())

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of rows."""

    @abstractmethod
    def support(self, metric: str) -> int:
        """Number of rows that a metric is counted among."""

    @abstractmethod
    def flaw(self, metric: str) -> str | None:
        """Why the group has no such metric, or no interval for it; None when it has both."""

    @abstractmethod
    def estimate(self, metric: str, confidence: float) -> tuple[float, float, float]:
        """A metric with its interval at `confidence`; NaN in place of what does not exist."""

    @abstractmethod
    def metrics(self, confidence: float) -> dict[str, Measured]:
        """Every metric, each with its own interval at `confidence`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupCounts(Members):
    """One group's rows by label and prediction.

    Attributes
    ----------
    weights
        For each of `ALL_KINDS` the sum of its rows' weights and of their squares; None when every
        row weighs 1.
    scores
        What the group's scores come to, if there are any.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    weights: Weights | None = None
    scores: Scores | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.of(ALL_KINDS)

    def of(self, kinds: Sequence[str]) -> int:
        """Number of rows of these kinds together."""
        return sum(getattr(self, kind) for kind in kinds)

    def weight(self, kinds: Sequence[str]) -> float:
        """The weight of the rows of these kinds together."""
        return float(self.of(kinds)) if self.weights is None else self._sum(self.weights, kinds, 0)

    def effective(self, kinds: Sequence[str]) -> float:
        """How many rows of equal weight tell as much about a rate among these kinds (Kish)."""
        if self.weights is None:
            return float(self.of(kinds))
        return float(effective_size(self._sum(self.weights, kinds, 0), self._sum(self.weights, kinds, 1)))

    def cells(self) -> list[float]:
        """For each of `ALL_KINDS` how many rows of equal weight would tell as much."""
        scale = self.effective(ALL_KINDS) / self.weight(ALL_KINDS)
        return [self.weight([kind]) * scale for kind in ALL_KINDS]

    def trials(self, metric: str) -> tuple[float, float]:
        """Successes and trials of a rate, in rows that tell as much as the weighted ones do."""
        part, whole, _ = RATES[metric]
        weight, size = self.weight(whole), self.effective(whole)
        return (min(size, self.weight(part) * size / weight), size) if weight else (0.0, 0.0)

    def support(self, metric: str) -> int:
        """Number of rows that a metric is counted among."""
        return self.of(RATES[metric].whole) if metric in RATES else self.n

    def flaw(self, metric: str) -> str | None:
        """Why the group has no such metric, or no interval for it; None when it has both."""
        if not self.weight(ALL_KINDS):
            return "no weight"
        if metric in RATES:
            return None if self.weight(RATES[metric].whole) else f"no {RATES[metric].called}"
        sides = ((("tp", "fn"), "positives"), (("fp", "tn"), "negatives"))
        for kinds, called in sides if metric == "auc" else ((ALL_KINDS, "rows"),):
            if not self.weight(kinds):
                return f"no {called}"
            if few(self.effective(kinds)):
                return f"fewer than {FEWEST} {called}" + ("" if self.weights is None else " as they weigh")
        return "scores that do not vary" if np.isnan(self.estimate(metric, 0.95)[1]) else None

    def estimate(self, metric: str, confidence: float) -> tuple[float, float, float]:
        """A metric with its interval at `confidence`; NaN in place of what does not exist."""
        if metric in RATES:
            return _one(rates(*self.trials(metric), confidence))
        return (np.nan, np.nan, np.nan) if self.scores is None else self.scores.interval(metric, confidence)

    def metrics(self, confidence: float) -> dict[str, Measured]:
        """Every metric, each with its own interval at `confidence`."""
        successes, trials = np.array([self.trials(name) for name in RATES]).T
        found = zip(*rates(successes, trials, confidence), strict=True)
        metrics = {name: measured(*one, self.support(name)) for name, one in zip(RATES, found, strict=True)}
        if self.scores is None:
            return metrics
        mean, deviation = self.scores.moments["score"]
        half = normal_quantile(confidence) * deviation / self.scores.size**0.5
        low, high = (max(0.0, mean - half), min(1.0, mean + half)) if self.n > 1 else (np.nan, np.nan)
        metrics["mean_score"] = measured(mean, low, high, self.n)
        return metrics | {name: measured(*self.scores.interval(name, confidence), self.n) for name in _SCORES}

    @staticmethod
    def _sum(weights: Weights, kinds: Sequence[str], at: int) -> float:
        return sum(pair[at] for kind, pair in zip(ALL_KINDS, weights, strict=True) if kind in kinds)


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedCounts:
    """One group's rows by what two models make of them.

    Attributes
    ----------
    rows, weights
        For each of `PAIRS` the number of rows, and the sum of their weights and of the weights' squares.
    """

    group: Group
    rows: tuple[int, ...]
    weights: Weights | None = None

    def by(self, model: int) -> GroupCounts:
        """The group's counts by the decisions of the first (0) or the second (1) model."""
        places = [[at for at, pair in enumerate(PAIRS) if pair[model] == kind] for kind in ALL_KINDS]
        tp, fp, fn, tn = (sum(self.rows[at] for at in own) for own in places)
        return GroupCounts(group=self.group, tp=tp, fp=fp, fn=fn, tn=tn, weights=self._weights(places))

    def cells(self) -> list[float]:
        """For each of `PAIRS` how many rows of equal weight would tell as much."""
        if self.weights is None:
            return list(map(float, self.rows))
        total, squares = np.array(self.weights).sum(axis=0)
        scale = effective_size(total, squares) / total if total else 0.0
        return [float(weight * scale) for weight, _ in self.weights]

    def _weights(self, places: Sequence[Sequence[int]]) -> Weights | None:
        if self.weights is None:
            return None
        one, two = zip(*self.weights, strict=True)
        return tuple((sum(one[at] for at in own), sum(two[at] for at in own)) for own in places)


def _one(estimates: Estimates) -> tuple[float, float, float]:
    value, low, high = map(float, estimates)
    return value, low, high


def measured(value: float, low: float, high: float, support: int) -> Measured:
    """An estimate in a verdict's form, where NaN is None."""
    return Measured(
        estimate=None if np.isnan(value) else float(value),
        interval=None if np.isnan(low) else (float(low), float(high)),
        support=support,
    )
