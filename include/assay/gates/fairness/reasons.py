"""Why a check came out as it did, for a reviewer who is no statistician."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from assay.core import Limit, Outcome
from assay.gates.fairness.estimates import Compared
from assay.gates.fairness.members import GroupCounts, Members
from assay.policy import FairnessCheck
from assay.stats.power import detectable_rates

WORDS = {
    "selection_rate": "selection rate",
    "base_rate": "base rate",
    "accuracy": "accuracy",
    "tpr": "true positive rate",
    "fpr": "false positive rate",
    "tnr": "true negative rate",
    "fnr": "false negative rate",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "fdr": "false discovery rate",
    "for": "false omission rate",
    "auc": "AUC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "calibration error",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mean_error": "mean error",
}
_COMES_TO = {Outcome.PASS: "the whole range is allowed", Outcome.FAIL: "no part of the range is allowed"}
_CANNOT_TELL = "these data cannot tell"
_MOST_DECIMALS = 6
_NAMED = 20  # groups that a reason names; the others stand in the verdict's `groups`


def quantity(compared: Compared, of: str | None) -> str:
    """What a check is about, in words; `of` names the class that is held against the rest."""
    within = compared.check.within
    mix = "" if within is None else f", at the same mix of {within},"
    return f"the {WORDS[compared.check.metric]}" + ("" if of is None else f" for {of}") + mix


def finding(
    compared: Compared,
    extremes: Sequence[Members],
    estimate: float,
    interval: tuple[float, float],
    outcome: Outcome,
    of: str | None,
) -> str:
    """What was found, how sure that is, what is allowed, and so what it comes to.

    `extremes` are the groups that the estimate is made of, the highest first. `outcome` is what the
    interval alone comes to.
    """
    limit = compared.check.limit
    shown, low, high = rounded(estimate, interval, limit)
    first, last = extremes[0], extremes[-1]
    what = quantity(compared, of)
    if compared.check.compare == "level":
        end = "highest" if compared.check.max is not None else "lowest"
        said = f"{_capital(what)} is {end} for {first}, at {shown}"
    elif compared.check.compare == "ratio":
        said = f"{_capital(what)} of {last} is {shown} times that of {first}"
    else:
        said = f"Between {first} and {last} {what} differs by {shown}"
    said += f" (somewhere between {low} and {high}); allowed is {allowed(limit)}: "
    return said + _COMES_TO.get(outcome, _CANNOT_TELL)


def allowed(limit: Limit) -> str:
    """A limit in words."""
    sides = (("at least", limit.min), ("at most", limit.max))
    return " and ".join(f"{word} {value:g}" for word, value in sides if value is not None)


def rounded(estimate: float, interval: tuple[float, float], limit: Limit | None) -> tuple[str, str, str]:
    """The numbers with as many decimals as tell them from each other, and the interval's ends from the limit.

    Examples
    --------
    >>> rounded(0.0812, (0.0304, 0.1299), Limit(max=0.1))
    ('0.081', '0.030', '0.130')
    >>> rounded(0.0912, (0.0304, 0.10004), Limit(max=0.1))
    ('0.09120', '0.03040', '0.10004')
    """
    width = interval[1] - interval[0]
    decimals = min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(width)))) if 0 < width < math.inf else 3
    bounds = [] if limit is None else [bound for bound in (limit.min, limit.max) if bound is not None]
    ends = [(end, bound) for end in interval for bound in bounds if end != bound]
    while decimals < _MOST_DECIMALS and any(float(f"{end:.{decimals}f}") == bound for end, bound in ends):
        decimals += 1
    shown, low, high = (f"{each:.{decimals}f}" for each in (estimate, *interval))
    return shown, low, high


def detectable(
    compared: Compared, extremes: Sequence[Members], interval: tuple[float, float], confidence: float
) -> str:
    """The smallest gap that groups of these sizes show: in every second sample, and in four of five."""
    sides = " and ".join(f"{compared.support(group)} {compared.called} ({group})" for group in extremes)
    counts = [group for group in extremes if isinstance(group, GroupCounts)]
    if not compared.plain or compared.check.compare == "level":
        return f". With {sides}, it is known to within {max(interval) - min(interval):.2g}"
    trials = [group.trials(compared.check.metric) for group in counts]
    sizes = [size for _, size in trials]
    common = sum(successes for successes, _ in trials) / sum(sizes)
    even, often = (detectable_rates(sizes[0], sizes[1], common, confidence, power) for power in (0.5, 0.8))
    if compared.check.compare == "difference":
        gap, surely = f"a difference above {even[0] - even[1]:.2g}", f"one of {often[0] - often[1]:.2g}"
    else:
        gap, surely = f"a ratio below {even[1] / even[0]:.2g}", f"one of {often[1] / often[0]:.2g}"
    return f". With {sides}, only {gap} can be told from equal rates, and {surely} in 4 of 5 such samples"


def unmeasured(flaws: Sequence[tuple[str, Members]]) -> str:
    """The groups that could not be measured, with their sizes, by what they lack."""
    named, more = flaws[:_NAMED], len(flaws) - _NAMED
    parts = []
    for flaw in dict.fromkeys(flaw for flaw, _ in named):
        groups = ", ".join(f"{group} ({group.n} rows)" for its, group in named if its == flaw)
        parts.append(f"; not measured, {flaw}: {groups}")
    return "".join(parts) + (f"; and {more} more groups" if more > 0 else "")


class Change(NamedTuple):
    """A quantity before and after, and by how much it moved, with that difference's interval."""

    before: float
    after: float
    moved: float
    low: float
    high: float


def gain(check: FairnessCheck, attribute: str, change: Change) -> str:
    """What became of the gap between the groups of an attribute."""
    what = WORDS[check.metric]
    shown, low, high = rounded(change.moved, (change.low, change.high), Limit(min=0))
    then, now = _like(shown, change.before), _like(shown, change.after)
    end = "highest" if check.max is not None else "lowest"
    said = {
        "difference": f"By {attribute} the {what} differed by {then} before and differs by {now} now",
        "ratio": f"By {attribute} the smallest {what} was {then} times the largest before and is {now} times it now",
        "level": f"By {attribute} the {end} {what} was {then} before and is {now} now",
    }[check.compare]
    proven = "a gain is" if change.low > 0 else "a loss is" if change.high < 0 else "neither gain nor loss is"
    return f"{said}: a gain of {shown} (somewhere between {low} and {high}); {proven} proven"


def payment(change: Change | None, rows: int, limit: Limit | None, outcome: Outcome) -> str:
    """What became of the accuracy."""
    if change is None:
        return "there are no decisions of an earlier model to compare with"
    shown, low, high = rounded(change.moved, (change.low, change.high), limit)
    then, now = _like(shown, change.before), _like(shown, change.after)
    said = (
        f"Of {rows} rows a share of {then} was decided rightly before and {now} is now: "
        f"{shown} is paid (somewhere between {low} and {high})"
    )
    return said if limit is None else f"{said}; allowed is {allowed(limit)}: {_COMES_TO.get(outcome, _CANNOT_TELL)}"


def _like(shown: str, value: float) -> str:
    """A number with as many decimals as another one has."""
    return f"{value:.{len(shown.partition('.')[2])}f}"


def nothing(attribute: str, compared: Compared) -> str:
    """Why there is no estimate."""
    groups, usable = compared.groups, compared.usable
    if not groups:
        return "there are no rows to measure on"
    if compared.check.compare == "level":
        return "no group can be measured"
    if compared.lost:
        return f"the reference group {compared.lost} cannot be measured or does not occur: there is nothing to compare"
    if len(groups) == 1:
        return f"{attribute} has only one group ({groups[0]}, {groups[0].n} rows): there is nothing to compare"
    if len(usable) < 2:
        return f"{len(usable)} of {len(groups)} groups can be measured: there is nothing to compare"
    return f"{quantity(compared, None)} is 0 in every group that can be measured, so a ratio does not exist"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
