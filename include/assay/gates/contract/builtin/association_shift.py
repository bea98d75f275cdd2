"""Association shift: whether a column's values still go with those of the other columns of their rows.

A broken join, a column sorted by itself or dealt anew leaves every column as it was by itself, and nothing of what
held between them. One half of the reference's rows says what goes with what (`stats.association.pattern`); the other
half and the new rows are held against it, all partners of a column taken together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.coding import cells, shuffled
from assay.gates.contract.builtin.deciding import settled, surer
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import AssociationShift
from assay.stats.association import follows, pattern, ratio_interval
from assay.stats.intervals import normal_quantile

NAME = "association_shift"
_CELLS, _ROWS_EACH = 8, 20
_COLUMNS = 64  # of a wider table, the label and the first features
_BUDGET = 10_000_000  # rows times pairs of columns: 80,000 rows of 16 columns, 5,000 of 64
_FEWEST = 20  # rows of a side that have a value of both columns

Codes = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bond:
    """How closely a column's values go with the others of their rows, in the reference and now.

    Attributes
    ----------
    column
        Its name.
    partner
        The column with which most has been lost.
    before, before_error, after, after_error
        How closely the reference's second half and the new rows follow the pattern of the reference's first, and
        the standard errors.
    rows
        On the smaller side.
    """

    column: str
    partner: str
    before: float
    before_error: float
    after: float
    after_error: float
    rows: int


@dataclass(slots=True)
class _Side:
    """The rows of one side: each column's cells, and for each column what its pairs add up to so far."""

    codes: Mapping[str, Codes]
    rows: int
    values: dict[str, float] = field(default_factory=dict)
    pulls: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, one: str, other: str, shape: tuple[int, int], weights: NDArray[np.float64]) -> float:
        """Take in one more pair of columns, of which the last cell is for a missing value."""
        places, counts = self.counted(one, other, shape)
        known = counts[:-1, :-1]
        if (total := known.sum()) < _FEWEST:
            return 0.0
        value, pulls = follows(known, weights)
        by_cell = np.zeros(shape)
        by_cell[:-1, :-1] = pulls * (self.rows / total)
        by_row = by_cell.ravel()[places]
        for name in (one, other):
            self.values[name] = self.values.get(name, 0.0) + value
            self.pulls[name] = self.pulls[name] + by_row if name in self.pulls else by_row
        return value

    def counted(self, one: str, other: str, shape: tuple[int, int]) -> tuple[Codes, NDArray[np.float64]]:
        """Each row's place in the pair's table, and the table."""
        places = self.codes[one] * shape[1] + self.codes[other]
        return places, np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    def error(self, name: str) -> float:
        """The standard error of a column's value."""
        return float(np.sqrt(self.pulls[name].var() / self.rows))


def measure(look: Look) -> tuple[Bond, ...] | None:
    """The label, the features and the sensitive columns, in the sampled rows; None without a reference."""
    if look.reference is None:
        return None
    then, now = look.reference[1].sample, look.facts.sample
    label = [look.roles.label] if look.roles.label is not None else []
    named = [name for name in dict.fromkeys([*label, *look.used]) if name in then and name in now]
    named = [name for name in named if name not in look.roles.rekeyed]
    return bonds({name: (then[name], now[name]) for name in named if _alike(then[name], now[name])})


def _alike(then: Values, now: Values) -> bool:
    return (then.numbers is None) == (now.numbers is None)


def bonds(columns: Mapping[str, tuple[Values, Values]]) -> tuple[Bond, ...]:
    """How closely each column goes with the others, from its values in the reference and now.

    Columns with one cell only are left out: they go with nothing.
    """
    coded = {name: _coded(*each) for name, each in columns.items()}
    names = [name for name, each in coded.items() if len(np.unique(each.before)) > 1][:_COLUMNS]
    most = _BUDGET // max(1, len(names) * (len(names) - 1) // 2)
    before, after = (
        _thinned({name: getattr(coded[name], side) for name in names}, most) for side in ("before", "after")
    )
    first, second, new = (
        _Side(codes=codes, rows=len(next(iter(codes.values()), ())))
        for codes in (*({name: codes[at::2] for name, codes in before.items()} for at in (0, 1)), after)
    )
    lost: dict[str, tuple[float, str]] = {}
    for at, one in enumerate(names):
        for other in names[:at]:
            shape = (coded[one].count, coded[other].count)
            weights = pattern(first.counted(one, other, shape)[1][:-1, :-1])
            loss = second.add(one, other, shape, weights) - new.add(one, other, shape, weights)
            for name, partner in ((one, other), (other, one)):
                lost[name] = max(lost.get(name, (loss, partner)), (loss, partner))
    return tuple(
        _bond(name, lost[name][1], second, new) for name in names if name in second.pulls and name in new.pulls
    )


@dataclass(frozen=True, slots=True)
class _Coded:
    """A column's number of cells, and each row's cell in the reference and now."""

    count: int
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def _coded(then: Values, now: Values) -> _Coded:
    coding = cells(then, _CELLS, _ROWS_EACH)
    return _Coded(coding.count, coding.of(then), coding.of(now))


def _thinned(codes: Mapping[str, NDArray[np.int64]], most: int) -> dict[str, Codes]:
    """No more than `most` of the rows, in an order that has nothing to do with theirs."""
    rows = len(next(iter(codes.values()), ()))
    step = -(-rows // max(1, most)) or 1
    chosen = shuffled(rows)[::step]
    return {name: each[chosen].astype(np.intp) for name, each in codes.items()}


def _bond(name: str, partner: str, second: _Side, new: _Side) -> Bond:
    return Bond(
        column=name, partner=partner, before=second.values[name], before_error=second.error(name),
        after=new.values[name], after_error=new.error(name), rows=min(2 * second.rows, new.rows),
    )  # fmt: skip


def judge(evidence: Sequence[Bond], policy: AssociationShift, confidence: float) -> list[Check]:
    """Hold what is left of each column's association to the limit, the least first.

    A column that goes with no other in the reference itself has nothing to lose, and has no check.
    """
    level = each_confidence(confidence, len(evidence))
    judged = [check for each in evidence if (check := _check(each, policy, level)) is not None]
    judged.sort(key=lambda check: check.estimate or 0.0)
    return reported(judged)


def _check(found: Bond, policy: AssociationShift, level: float) -> Check | None:
    interval, limit = _interval(found, level), Limit(min=policy.min_ratio)
    if interval is None:
        return None
    ratio = found.after / found.before
    outcome, reason = judge_interval(estimate=ratio, interval=interval, limit=limit)
    said = f"how closely its values go with the others of their rows, as a multiple of the reference: {reason}"
    if ratio < 1 and outcome is not Outcome.PASS:
        said += f"; most is lost with {found.partner}"
    if outcome is Outcome.FAIL:
        said += (f". It is as if {max(0.0, min(1.0, 1 - ratio)):.0%} of its values stood in the wrong rows: look at "
                 "joins, at sorting and at the order of columns; a relation that truly changed needs a waiver, or "
                 "another limit in the policy")  # fmt: skip
    made = Check(
        name=NAME, metric="association", compare="ratio", attribute=found.column, estimate=ratio, interval=interval,
        confidence=level, limit=limit, support=found.rows, severity=policy.severity, outcome=outcome, reason=said,
    )  # fmt: skip
    sure = _interval(found, surer(level))
    half = normal_quantile(level) * float(np.hypot(found.before_error, found.after_error)) / found.before
    needed = (half / (1 - policy.min_ratio)) ** 2
    return settled(made, policy, shown=sure is not None and sure[1] < 1, needed=needed)


def _interval(found: Bond, level: float) -> tuple[float, float] | None:
    return ratio_interval(found.after, found.after_error, found.before, found.before_error, level)
