"""Label shift: whether as large a share of the rows is positive as in the champion's snapshot."""

from dataclasses import dataclass

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates.contract.builtin.deciding import settled, surer
from assay.gates.contract.builtin.label import classes, positive_class
from assay.gates.contract.builtin.look import Look
from assay.policy.builtin import LabelShift
from assay.stats.intervals import newcombe_difference

NAME = "label_shift"


@dataclass(frozen=True, kw_only=True, slots=True)
class Positives:
    """Positive and labelled rows, in the reference and now; `positive` is the class, `label` its column."""

    label: str
    positive: str
    before: tuple[int, int]
    after: tuple[int, int]


def measure(look: Look) -> Positives | None:
    """Count them all; None without a reference, a label in both, or a class known to be positive."""
    label = look.roles.label
    if (
        look.reference is None
        or label is None
        or look.reference[0].column(label) is None
        or label not in look.facts.columns
    ):
        return None
    then, now = classes(look.reference[0], label), classes(look.table, label)
    positive = positive_class(then, look.roles.positive)
    if positive is None:
        return None
    before, after = ((counts.get(positive, 0), sum(counts.values())) for counts in (then, now))
    return Positives(label=label, positive=positive, before=before, after=after)


def judge(evidence: Positives, policy: LabelShift, confidence: float) -> list[Check]:
    """Hold the difference of both shares to the limit."""
    (one, before), (other, after) = evidence.before, evidence.after
    limit = Limit(min=-policy.max_difference, max=policy.max_difference)
    estimate, interval = None, None
    if before and after:
        estimate = other / after - one / before
        low, high = newcombe_difference(other, after, one, before, confidence)
        interval = (float(low), float(high))
    outcome, reason = judge_interval(estimate=estimate, interval=interval, limit=limit)
    if interval is not None:
        reason = (
            f"{other / after:.3g} of the rows are {evidence.positive}, in the reference {one / before:.3g}: a "
            f"difference of {reason}"
        )
    if outcome is Outcome.FAIL:
        reason += ". See whether the label is still defined, joined and waited for in the same way"
    made = Check(
        name=NAME, metric="positive_rate", compare="difference", attribute=evidence.label, estimate=estimate,
        interval=interval, confidence=confidence, limit=limit, support=min(before, after), severity=policy.severity,
        outcome=outcome, reason=reason,
    )  # fmt: skip
    if interval is None:
        return [made]
    low, high = newcombe_difference(other, after, one, before, surer(confidence))
    needed = ((interval[1] - interval[0]) / 2 / policy.max_difference) ** 2
    return [settled(made, policy, shown=bool(low > 0 or high < 0), needed=needed)]
