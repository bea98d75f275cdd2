"""The results of a global explanation, as they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assay.core import Group, Measured

_FEATURES = 20
AUC_DROP, BRIER_RISE, MEAN_SHAPLEY = "auc_drop", "brier_rise", "mean_shapley"


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How much is sampled: on eleven features about two million scored rows.

    Attributes
    ----------
    rows
        Most rows of the holdout whose features are permuted.
    repeats
        Permutations of each feature.
    explained
        Rows whose Shapley values are averaged overall; of a group at least `grouped`, if it has them.
    pairs
        Background rows that each explained row meets.
    background
        Most rows of the training data that stand for the average row.
    """

    rows: int = 20_000
    repeats: int = 5
    explained: int = 800
    grouped: int = 200
    pairs: int = 50
    background: int = 1_000

    @classmethod
    def of(cls, features: int) -> "Effort":
        """The effort for so many features: from twenty on, fewer rows, so that the time hardly grows.

        Examples
        --------
        >>> Effort.of(11) == Effort(), Effort.of(200).rows, Effort.of(200).explained
        (True, 2000, 100)
        """
        share = min(1.0, _FEATURES / max(1, features))
        whole = cls()
        return cls(rows=max(2_000, int(whole.rows * share)), explained=max(100, int(whole.explained * share)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """One measure of every feature over one population.

    Attributes
    ----------
    measure
        ``auc_drop`` or ``brier_rise``: how much worse the metric is with the feature permuted.
        ``mean_shapley``: mean of the Shapley values without their sign, in probability.
    group
        Column to value; empty for all rows.
    rows
        How many rows it was taken from.
    features
        Feature to what was measured; no interval where not one row's score depends on the feature.
    absent
        Why nothing was measured; empty when something was.
    """

    measure: str
    group: Group
    rows: int
    features: Mapping[str, Measured]
    absent: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What a model's scores hang on.

    Attributes
    ----------
    model
        SHA-256 of the explained bytes.
    snapshot
        The data's id.
    holdout
        Rows of the holdout, of which rankings may have used a sample.
    seed
        Seed of every draw.
    confidence
        Level at which the intervals of all features of one ranking hold together.
    effort
        How much was sampled.
    rankings
        Overall first, then by group.
    """

    model: str
    snapshot: str
    holdout: int
    seed: int
    confidence: float
    effort: Effort
    rankings: Sequence[Ranking]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        plain = asdict(self)
        for ranking in plain["rankings"]:
            for measured in ranking["features"].values():
                measured["interval"] = measured["interval"] and list(measured["interval"])
        return {**plain, "rankings": list(plain["rankings"])}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Explanation":
        """Read back what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError
            When `data` does not have the form of an explanation.
        """
        rankings = tuple(
            Ranking(**{**raw, "features": {name: _measured(each) for name, each in raw["features"].items()}})
            for raw in data["rankings"]
        )
        return cls(**{**data, "effort": Effort(**data["effort"]), "rankings": rankings})


def _measured(raw: Mapping[str, Any]) -> Measured:
    interval = raw["interval"]
    return Measured(
        estimate=raw["estimate"],
        interval=None if interval is None else (interval[0], interval[1]),
        support=raw["support"],
    )
