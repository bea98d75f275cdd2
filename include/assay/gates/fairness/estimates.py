"""A metric of every group, each with its interval, and which groups lack it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.core import Group
from assay.gates import distinct_names
from assay.gates.fairness.counts import FairnessEvidence
from assay.gates.fairness.members import RATES, GroupCounts, Members
from assay.policy import Fairness, FairnessCheck
from assay.stats.intervals import Estimates, rates
from assay.stats.spread import comparisons

Key = tuple[tuple[str, str], ...]


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
    groups: Sequence[Members]
    usable: Sequence[Members]
    flaws: Sequence[tuple[str, Members]]
    reference: int | None = None
    lost: str | None = None
    cells: Sequence[Mapping[str, GroupCounts]] = ()
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether the metric is a rate of whole groups: what can be drawn from their counts."""
        return self.check.metric in RATES and self.check.within is None

    @property
    def called(self) -> str:
        """What the metric is counted among."""
        return RATES[self.check.metric].called if self.check.metric in RATES else "rows"

    @property
    def intervals(self) -> int:
        """How many intervals must hold together."""
        if self.check.compare == "level":
            return len(self.usable)
        return comparisons(len(self.usable), reference=self.reference is not None) if len(self.usable) > 1 else 0

    def support(self, group: Members) -> int:
        """How many of a group's rows the metric is counted among."""
        return group.support(self.check.metric)

    def estimates(self, confidence: float) -> Estimates:
        """Of each usable group, with intervals that each hold at `confidence`."""
        if self.check.within is not None:
            found = [_standardised(cells, self.shares, self.check.metric, confidence) for cells in self.cells]
        else:
            found = [group.estimate(self.check.metric, confidence) for group in self.usable]
        return Estimates(*np.array(found, dtype=np.float64).reshape(-1, 3).T)


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


def named_checks(policy: Fairness, attribute: str) -> list[tuple[str, FairnessCheck]]:
    """The checks made for an attribute, a column or several joined by ``*``, by their names in a verdict."""
    checks = policy.checks_on(attribute.split("*"))
    return list(zip(distinct_names([check.name for check in checks]), checks, strict=True))


def _wanted(attribute: str, policy: Fairness) -> Group | None:
    columns = attribute.split("*")
    return {column: policy.reference[column] for column in columns} if set(columns) <= set(policy.reference) else None


def _key(group: Group) -> Key:
    return tuple(group.items())


def _strata(evidence: FairnessEvidence, attribute: str, check: FairnessCheck) -> dict[Key, dict[str, GroupCounts]]:
    """By group and stratum; empty for a check that looks at whole groups."""
    found: dict[Key, dict[str, GroupCounts]] = {}
    if check.within is not None:
        for cell in evidence.strata[attribute, check.within]:
            *group, (_, stratum) = cell.group.items()
            found.setdefault(tuple(group), {})[stratum] = cell
    return found


def _flaw(
    group: Members, check: FairnessCheck, smallest: int, strata: Mapping[Key, Mapping[str, GroupCounts]]
) -> str | None:
    """Why a group has no such metric, or None when it has."""
    if group.n < smallest:
        return f"fewer than {smallest} rows"
    flaw = group.flaw(check.metric)
    if flaw is not None or check.within is None:
        return flaw
    _, whole, called = RATES[check.metric]
    wanted = {name for cells in strata.values() for name, cell in cells.items() if cell.weight(whole)}
    own = {name for name, cell in strata[_key(group.group)].items() if cell.weight(whole)}
    absent = sorted(wanted - own)
    return f"no {called} in {check.within} {', '.join(absent)}" if absent else None


def _shares(cells: Sequence[Mapping[str, GroupCounts]], metric: str) -> dict[str, float]:
    """What part of all that the rate is counted among lies in each stratum."""
    whole = RATES[metric].whole
    weights: dict[str, float] = {}
    for name, cell in ((name, cell) for each in cells for name, cell in each.items()):
        weights[name] = weights.get(name, 0.0) + cell.weight(whole)
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def _standardised(
    cells: Mapping[str, GroupCounts], shares: Mapping[str, float], metric: str, confidence: float
) -> tuple[float, float, float]:
    """A group's rate, had it the same mix of strata as all groups together: direct standardisation."""
    successes, trials = np.array([cells[name].trials(metric) for name in shares]).T
    value, low, high = rates(successes, trials, confidence)
    share = np.array(list(shares.values()))
    mean = float(share @ value)
    below, above = (float(np.linalg.norm(share * gap)) for gap in (value - low, high - value))
    return mean, max(0.0, mean - below), min(1.0, mean + above)
