"""A metric of every group, each with its interval, by where the metric comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.core import Group
from assay.gates.fairness.counts import ALL_KINDS, RATES, FairnessEvidence, GroupCounts
from assay.policy import Fairness, FairnessCheck
from assay.stats.bootstrap import level_interval
from assay.stats.intervals import Estimates, rates
from assay.stats.spread import comparisons


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One check on one attribute: the groups that have its metric, and why others have not.

    Attributes
    ----------
    reference
        Position among `usable` of the group that the others are compared with; None when all pairs are.
    lost
        The reference group's words, when it is wanted and not among `usable`.
    cells
        For a comparison within strata, each usable group's counts by stratum, and the strata's shares.
    """

    check: FairnessCheck
    groups: Sequence[GroupCounts]
    usable: Sequence[GroupCounts]
    flaws: Sequence[tuple[str, GroupCounts]]
    reference: int | None = None
    lost: str | None = None
    cells: Sequence[Mapping[str, GroupCounts]] = ()
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether the metric is a rate of whole groups: what can be drawn from their counts."""
        return not self.check.scored and self.check.within is None

    @property
    def kind(self) -> str:
        """What the metric is counted among."""
        return RATES[self.check.metric][2] if not self.check.scored else "rows"

    @property
    def whole(self) -> Sequence[str]:
        """The kinds that make the metric's denominator."""
        return RATES[self.check.metric][1] if not self.check.scored else ALL_KINDS

    @property
    def intervals(self) -> int:
        """How many intervals must hold together."""
        if self.check.compare == "level":
            return len(self.usable)
        return comparisons(len(self.usable), reference=self.reference is not None) if len(self.usable) > 1 else 0

    def estimates(self, confidence: float) -> Estimates:
        """Of each usable group, with intervals that each hold at `confidence`."""
        if self.check.scored:
            found = [_score(group, self.check.metric, confidence) for group in self.usable]
            return Estimates(*np.array(found, dtype=np.float64).reshape(-1, 3).T)
        if self.check.within is None:
            return _rates(self.usable, self.check.metric, confidence)
        parts = [_standardised(cells, self.shares, self.check.metric, confidence) for cells in self.cells]
        return Estimates(*np.array(parts, dtype=np.float64).reshape(-1, 3).T)


def compare(evidence: FairnessEvidence, attribute: str, check: FairnessCheck, policy: Fairness) -> Compared:
    """Which groups of an attribute a check can compare."""
    groups = evidence.attributes[attribute]
    strata = _strata(evidence, attribute, check)
    flaws = [(flaw, group) for group in groups if (flaw := _flaw(group, check, policy.min_group_size, strata))]
    lacking = {id(group) for _, group in flaws}
    usable = [group for group in groups if id(group) not in lacking]
    wanted = _wanted(attribute, policy) if check.compare != "level" else None
    at = next((place for place, group in enumerate(usable) if group.group == wanted), None)
    cells = [strata[_key(group.group)] for group in usable] if check.within else []
    return Compared(
        check=check,
        groups=groups,
        usable=usable,
        flaws=flaws,
        reference=at,
        lost=", ".join(f"{k}={v}" for k, v in wanted.items()) if wanted is not None and at is None else None,
        cells=cells,
        shares=_shares(cells, check.metric) if cells else {},
    )


def effective_rate(group: GroupCounts, metric: str) -> tuple[float, float]:
    """Successes and trials of a rate, in rows that tell as much as the weighted ones do."""
    part, whole, _ = RATES[metric]
    weight, size = group.weight(whole), group.effective(whole)
    return (min(size, group.weight(part) * size / weight), size) if weight else (0.0, 0.0)


def _wanted(attribute: str, policy: Fairness) -> Group | None:
    columns = attribute.split("*")
    return {column: policy.reference[column] for column in columns} if set(columns) <= set(policy.reference) else None


def _key(group: Group) -> tuple[tuple[str, str], ...]:
    return tuple(group.items())


def _strata(
    evidence: FairnessEvidence, attribute: str, check: FairnessCheck
) -> dict[tuple[tuple[str, str], ...], dict[str, GroupCounts]]:
    """By group and stratum; empty for a check that looks at whole groups."""
    found: dict[tuple[tuple[str, str], ...], dict[str, GroupCounts]] = {}
    if check.within is not None:
        for cell in evidence.strata[attribute, check.within]:
            *group, (_, stratum) = cell.group.items()
            found.setdefault(tuple(group), {})[stratum] = cell
    return found


def _flaw(
    group: GroupCounts,
    check: FairnessCheck,
    smallest: int,
    strata: Mapping[tuple[tuple[str, str], ...], Mapping[str, GroupCounts]],
) -> str | None:
    """Why a group has no such metric, or None when it has."""
    if group.n < smallest:
        return f"fewer than {smallest} rows"
    if not group.weight(ALL_KINDS):
        return "no weight"
    if check.scored:
        return _score_flaw(group, check.metric)
    _, whole, kind = RATES[check.metric]
    if not group.weight(whole):
        return f"no {kind}"
    if check.within is None:
        return None
    wanted = {name for cells in strata.values() for name, cell in cells.items() if cell.weight(whole)}
    own = {name for name, cell in strata[_key(group.group)].items() if cell.weight(whole)}
    absent = sorted(wanted - own)
    return f"no {kind} in {check.within} {', '.join(absent)}" if absent else None


def _score_flaw(group: GroupCounts, metric: str) -> str | None:
    for kinds, kind in ((("tp", "fn"), "positives"), (("fp", "tn"), "negatives")):
        if metric == "auc" and not group.weight(kinds):
            return f"no {kind}"
    return None if not np.isnan(_score(group, metric, 0.95)[1]) else "scores that do not vary"


def _score(group: GroupCounts, metric: str, confidence: float) -> tuple[float, float, float]:
    estimate = None if group.scores is None else group.scores.estimate(metric)  # type: ignore[arg-type]  # a ScoreMetric
    interval = None if estimate is None else level_interval(metric, estimate, confidence)  # type: ignore[arg-type]
    if estimate is None or interval is None:
        return (np.nan if estimate is None else estimate.value, np.nan, np.nan)
    return estimate.value, *interval


def _rates(groups: Sequence[GroupCounts], metric: str, confidence: float) -> Estimates:
    successes, trials = np.array([effective_rate(group, metric) for group in groups]).reshape(-1, 2).T
    return rates(successes, trials, confidence)


def _shares(cells: Sequence[Mapping[str, GroupCounts]], metric: str) -> dict[str, float]:
    """What part of all that the rate is counted among lies in each stratum."""
    whole = RATES[metric][1]
    weights: dict[str, float] = {}
    for name, cell in ((name, cell) for each in cells for name, cell in each.items()):
        weights[name] = weights.get(name, 0.0) + cell.weight(whole)
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def _standardised(
    cells: Mapping[str, GroupCounts], shares: Mapping[str, float], metric: str, confidence: float
) -> tuple[float, float, float]:
    """A group's rate, had it the same mix of strata as all groups together: direct standardisation."""
    value, low, high = _rates([cells[name] for name in shares], metric, confidence)
    share = np.array(list(shares.values()))
    mean = float(share @ value)
    below, above = (float(np.linalg.norm(share * gap)) for gap in (value - low, high - value))
    return mean, max(0.0, mean - below), min(1.0, mean + above)
