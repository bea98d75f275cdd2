"""Group support: enough rows in each group for the fairness gate to be able to decide at its limits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from assay.core import MISSING, Check, Limit, Outcome
from assay.gates import each_confidence
from assay.gates.contract.builtin.deciding import rows
from assay.gates.contract.builtin.label import classes, positive_class, spelling
from assay.gates.contract.builtin.look import Look
from assay.policy.builtin import GroupSupport
from assay.stats.power import detectable_rates

if TYPE_CHECKING:
    from assay.policy.fairness import Fairness, FairnessCheck

NAME = "group_support"
_Rates = Callable[[float, float], tuple[float, float]]
_ENDLESS, _HALVINGS = 2.0**40, 10
_MOST = 1000  # groups of one attribute; what has more is no group but nearly a key

# Of which rows of a group each rate is made.
_POSITIVES, _NEGATIVES, _ALL = "positive rows", "negative rows", "rows"
TRIALS = {
    "selection_rate": _ALL, "base_rate": _ALL, "accuracy": _ALL, "tpr": _POSITIVES, "fnr": _POSITIVES,
    "fpr": _NEGATIVES, "tnr": _NEGATIVES, "ppv": _POSITIVES, "fdr": _POSITIVES, "npv": _NEGATIVES, "for": _NEGATIVES,
}  # fmt: skip
# Near these rates they are looked for before there is a model: as often as the label is positive, else
# one half, where a gap is hardest to tell.
_AS_THE_LABEL = ("selection_rate", "base_rate", "fpr")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group's rows and positive rows, of all; `values` are in the order of its attribute's columns."""

    values: tuple[str, ...]
    rows: int
    positives: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Support:
    """Each attribute's groups, the share of rows that is tested on, and what the fairness gate asks."""

    groups: "dict[tuple[str, ...], tuple[Group, ...]]"
    test_share: float
    fairness: "Fairness"


def measure(look: Look) -> Support | None:
    """Count all rows; None without a fairness policy, a label whose positive class is known, or a share for testing."""
    label = look.table.column(look.roles.label) if look.roles.label is not None else None
    share = look.test_share
    if look.split is not None and look.table.rows:
        share = float(look.split.testing.sum()) / look.table.rows
    if look.fairness is None or share is None or label is None:
        return None
    positive = positive_class(classes(look.table, label.name), look.roles.positive)
    if positive is None:
        return None
    found = {
        attribute: _groups(look, attribute, label.value, positive)
        for attribute in look.fairness.attributes
        if all(name in look.facts.columns for name in attribute)
    }
    return Support(groups=found, test_share=share, fairness=look.fairness)


def _groups(look: Look, attribute: tuple[str, ...], label: str, positive: str) -> tuple[Group, ...]:
    assert look.fairness is not None
    parts = []
    for name in attribute:
        column, edges = look.facts.columns[name], look.fairness.edges.get(name)
        parts.append(
            "+".join(f"CAST({column.value} > {edge!r} AS INTEGER)" for edge in edges) if edges else column.value
        )
    asked = ", ".join(f"CAST({part} AS VARCHAR)" for part in parts)
    counted = f"SELECT {asked}, CAST({label} AS VARCHAR) AS v, count(*) FROM {{rows}} GROUP BY ALL LIMIT {4 * _MOST}"
    totals: dict[tuple[str, ...], list[int]] = {}
    for *values, value, count in look.table.ask(counted):
        if value is not None:
            found = totals.setdefault(tuple(MISSING if each is None else str(each) for each in values), [0, 0])
            found[0] += count
            found[1] += count if spelling(value) == positive else 0
    return tuple(Group(values=values, rows=n, positives=p) for values, (n, p) in sorted(totals.items()))


def judge(evidence: Support, policy: GroupSupport, confidence: float) -> list[Check]:
    """For each attribute the group that could be told least: the gap that it could show, in multiples of the limit.

    The test is the fairness gate's own, at its confidence, so `confidence` has no part in it.
    """
    checks = [check for check in evidence.fairness.checks if not check.scored and check.compare != "level"]
    return [
        found
        for attribute, groups in evidence.groups.items()
        if (found := _check(attribute, groups, checks, evidence, policy)) is not None
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gap:
    """What a group could show of one rate: the gap told apart, the gap allowed, and the rows that it has and needs."""

    group: Group
    check: str
    told: float
    allowed: float
    trials: float
    of: str
    needed: Callable[[], float]

    @property
    def ratio(self) -> float:
        return self.told / self.allowed if self.allowed > 0 else float("inf")


def _check(
    attribute: tuple[str, ...],
    groups: Sequence[Group],
    checks: "Sequence[FairnessCheck]",
    evidence: Support,
    policy: GroupSupport,
) -> Check | None:
    if len(groups) > _MOST or not checks:
        return None
    made = Check(
        name=NAME, metric="detectable_gap", compare="ratio", attribute="*".join(attribute), limit=Limit(max=1.0),
        severity=policy.severity, outcome=Outcome.INCONCLUSIVE, reason="there are no two groups to compare",
    )  # fmt: skip
    gaps = list(_gaps(groups, checks, evidence, policy.power)) if len(groups) > 1 else []
    if not gaps:
        return made
    worst = max(gaps, key=lambda each: each.ratio)
    short = {each.group.values for each in gaps if each.ratio > 1}
    name = ", ".join(worst.group.values)
    reason = (f"{name} has about {worst.trials:,.0f} {worst.of} to be tested on: of {worst.check} a gap of "
              f"{worst.told:.3g} would be told apart, against {worst.allowed:.3g} allowed")  # fmt: skip
    if short:
        reason += (
            f"; it takes about {rows(worst.needed())}. {len(short)} of {len(groups)} groups are too small for the gate "
            "to decide: collect more of their rows, test on a larger share, or allow a wider gap"
        )
    return Check(
        name=made.name, metric=made.metric, compare=made.compare, attribute=made.attribute, estimate=worst.ratio,
        groups=[dict(zip(attribute, worst.group.values, strict=True))], limit=made.limit, support=int(worst.trials),
        severity=policy.severity, outcome=Outcome.FAIL if short else Outcome.PASS, reason=reason,
    )  # fmt: skip


def _gaps(
    groups: Sequence[Group], checks: "Sequence[FairnessCheck]", evidence: Support, power: float
) -> Iterator[_Gap]:
    """Each group but the largest against the largest, for each check."""
    base = sum(group.positives for group in groups) / sum(group.rows for group in groups)
    largest = max(groups, key=lambda group: group.rows)
    level = each_confidence(evidence.fairness.confidence, len(checks) * (len(groups) - 1))
    for check in checks:
        of = TRIALS[check.metric]
        rate = base if check.metric in _AS_THE_LABEL else 0.5
        for group in groups:
            if group is not largest:
                trials, others = (_trials(each, of, evidence.test_share) for each in (group, largest))
                sides = partial(_sides, rate=rate, level=level, power=power)
                high, low = sides(trials, others)
                yield _Gap(
                    group=group, check=check.name, told=high - low, allowed=_allowed(check, high), of=of, trials=trials,
                    needed=partial(_needed, check, sides, trials, others),
                )  # fmt: skip


def _sides(trials: float, others: float, *, rate: float, level: float, power: float) -> tuple[float, float]:
    """The two rates nearest to each other that would be told apart."""
    return (1.0, 0.0) if not trials or not others else detectable_rates(trials, others, rate, level, power)


def _needed(
    check: "FairnessCheck", sides: Callable[[float, float], tuple[float, float]], one: float, two: float
) -> float:
    """How many trials the group would have, were there so many times as many rows of all groups that it is enough."""

    def short(times: float) -> bool:
        high, low = sides(max(1.0, one) * times, max(1.0, two) * times)
        return high - low > _allowed(check, high)

    most = 2.0
    while short(most) and most < _ENDLESS:
        most *= 2
    least = most / 2
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if short(middle) else (least, middle)
    return max(1.0, one) * most


def _trials(group: Group, of: str, test_share: float) -> float:
    counted = {_ALL: group.rows, _POSITIVES: group.positives, _NEGATIVES: group.rows - group.positives}
    return counted[of] * test_share


def _allowed(check: "FairnessCheck", high: float) -> float:
    """The gap that the check allows; of a ratio, below the higher rate."""
    if check.compare == "ratio":
        least = check.min if check.min is not None else 1 / check.max if check.max else 1.0
        return high * (1 - least)
    sides = [abs(side) for side in (check.min, check.max) if side is not None]
    return min(sides)
