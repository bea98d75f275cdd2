"""What a later model gained in fairness over an earlier one on the same rows, and what it paid in accuracy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.core import Check, Group, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.fairness import reasons
from assay.gates.fairness.counts import FairnessEvidence
from assay.gates.fairness.estimates import Compared, compare, named_checks
from assay.gates.fairness.joint import DRAWS, SEED, rate
from assay.gates.fairness.members import ALL_KINDS, PAIRS, RATES, PairedCounts, Weights
from assay.gates.fairness.reasons import Change
from assay.policy import Fairness, FairnessCheck
from assay.stats.counts import dirichlet
from assay.stats.intervals import normal_quantile
from assay.stats.simultaneous import max_t
from assay.stats.spread import fall_of_largest

Floats = NDArray[np.float64]

_MOST = 32  # groups: each gap between two of them before is held against each after, a million pairs of gaps
_DRAWN = 64  # gaps up to which the width is read off joint draws; beyond, Bonferroni's costs little more


def paired_checks(
    evidence: FairnessEvidence, policy: Fairness, confidence: float, max_accuracy_loss: float | None
) -> list[Check]:
    """What is gained in each comparison of rates, and what accuracy is paid for it.

    Parameters
    ----------
    evidence
        With the groups' rows by both models' decisions.
    confidence
        Level at which all of these intervals hold together.
    max_accuracy_loss
        What may be paid; None when nothing is asked of that.

    Returns
    -------
    list of Check
        For every check on rates of whole groups `<name>_gained`, which decides nothing: the gap before
        minus the gap after; for a ratio, by how much it rose; for a level, by how much the worst
        group's moved the wanted way. PASS when a gain is proven, FAIL when a loss is. And
        `accuracy_paid`: the accuracy before minus the accuracy after, critical when there is a limit.

    Notes
    -----
    Both models decide on the same rows, so their gaps vary together, and what they differ by is surer
    than either. Joint draws of label x decision before x decision after (a Dirichlet bootstrap of
    each group's table) give the standard errors; the estimates are the sample's own. Since the
    extreme groups may be others after than before, every gap before is held against every gap after,
    see `assay.stats.spread.fall_of_largest`.
    """
    named = {
        attribute: [one for one in named_checks(policy, attribute) if one[1].metric in RATES and one[1].within is None]
        for attribute in evidence.pairs
    }
    each = each_confidence(confidence, sum(map(len, named.values())) + 1)
    found = []
    for attribute, checks in named.items():
        pairs = evidence.pairs[attribute]
        drawn = _draws(pairs) if checks and len(pairs) <= _MOST else None
        found += [_gained(f"{name}_gained", attribute, check, pairs, drawn, policy, each) for name, check in checks]
    everyone = next(iter(evidence.pairs.values()), ())
    return [*found, _accuracy_paid(everyone, policy, each, max_accuracy_loss)]


def _draws(pairs: Sequence[PairedCounts]) -> Floats:
    """Shares of each group's `PAIRS` in joint draws, half a row more in each cell (Jeffreys' prior)."""
    return dirichlet(np.array([pair.cells() for pair in pairs]).reshape(-1, len(PAIRS)) + 0.5, DRAWS, SEED)


def _gained(
    name: str,
    attribute: str,
    check: FairnessCheck,
    pairs: Sequence[PairedCounts],
    drawn: Floats | None,
    policy: Fairness,
    confidence: float,
) -> Check:
    sides = [
        compare(FairnessEvidence(attributes={attribute: [pair.by(model) for pair in pairs]}), attribute, check, policy)
        for model in (0, 1)
    ]
    flawed = {str(group): (flaw, group) for side in sides for flaw, group in side.flaws}
    usable = [at for at, group in enumerate(sides[0].groups) if str(group) not in flawed]
    lost = any(side.lost for side in sides)
    gaps = None if lost else _gaps(check, len(usable), _reference(sides[0], [pairs[at].group for at in usable]))
    found = None
    if gaps is not None and drawn is not None:
        found = _fall(check, [pairs[at] for at in usable], drawn[:, usable], gaps, confidence)
    limit = Limit(min=0)
    estimate, interval = (None, None) if found is None else (found.moved, (found.low, found.high))
    outcome, _ = judge_interval(estimate=estimate, interval=interval, limit=limit)
    if found is None:
        reason = f"there is nothing to compare before and after, or there are more than {_MOST} groups"
    else:
        reason = reasons.gain(check, attribute, found)
    if flawed:
        outcome = Outcome.INCONCLUSIVE
        reason += reasons.unmeasured(list(flawed.values()))
    return Check(
        name=name,
        metric=check.metric,
        compare=check.compare,
        attribute=attribute,
        estimate=estimate,
        interval=interval,
        confidence=policy.confidence,
        limit=limit,
        support=min((pairs[at].by(1).support(check.metric) for at in usable), default=None),
        severity="info",
        outcome=outcome,
        reason=reason,
    )


def _reference(side: Compared, usable: Sequence[Group]) -> int | None:
    return None if side.reference is None else usable.index(side.usable[side.reference].group)


def _gaps(check: FairnessCheck, groups: int, reference: int | None) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Which groups each gap lies between, as positions; None when there are none."""
    if check.compare == "level":
        first = second = np.arange(groups)
    else:
        first, second = np.nonzero(~np.eye(groups, dtype=np.bool_))
        if reference is not None:
            wanted = (first == reference) | (second == reference)
            first, second = first[wanted], second[wanted]
    return (first, second) if len(first) else None


def _fall(
    check: FairnessCheck,
    pairs: Sequence[PairedCounts],
    draws: Floats,
    gaps: tuple[NDArray[np.intp], NDArray[np.intp]],
    confidence: float,
) -> Change | None:
    """The comparison before and after, and the gain with its interval; None where a ratio does not exist."""
    rates = [rate(cells, check.metric) for cells in _by_model(np.array([pair.cells() for pair in pairs]))]
    if check.compare == "ratio" and not all(each.any() for each in rates):
        return None
    before, after = (_of_gaps(check, each, gaps) for each in rates)
    drawn = [_of_gaps(check, rate(shares, check.metric), gaps) for shares in _by_model(draws)]
    gain, low, high = fall_of_largest(before, after, _half_widths(drawn[0], drawn[1], confidence))
    sign = 1.0 if check.compare == "difference" or (check.compare == "level" and check.max is not None) else -1.0
    return Change(sign * float(before.max()), sign * float(after.max()), gain, max(-1.0, low), min(1.0, high))


def _by_model(cells: Floats) -> tuple[Floats, Floats]:
    """Cells by `PAIRS` along the last axis as cells by `ALL_KINDS`, of the first and the second model."""
    first, second = (
        cells @ np.array([[pair[model] == kind for kind in ALL_KINDS] for pair in PAIRS], dtype=np.float64)
        for model in (0, 1)
    )
    return first, second


def _of_gaps(check: FairnessCheck, rates: Floats, gaps: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    """What each gap comes to, so written that the check is about the largest of them and more is worse."""
    first, second = rates[..., gaps[0]], rates[..., gaps[1]]
    if check.compare == "level":
        return first if check.max is not None else -first
    if check.compare == "difference":
        return first - second
    # ratios above 1 are never the smallest; bounded, they do not blur what is
    ratio = np.divide(first, second, out=np.ones_like(first), where=second > 0)
    return -np.minimum(ratio, 1.0)


def _half_widths(before: Floats, after: Floats, confidence: float) -> Floats:
    """For every gap before less every gap after, from joint draws of shape (DRAWS, gaps)."""
    gaps = before.shape[1]
    one, other = before - before.mean(axis=0), after - after.mean(axis=0)
    covariance = one.T @ other / (len(before) - 1)
    variance = before.var(axis=0, ddof=1)[:, None] + after.var(axis=0, ddof=1)[None, :] - 2 * covariance
    error: Floats = np.sqrt(np.maximum(variance, 0.0))  # negative only by rounding
    if gaps > _DRAWN:
        return normal_quantile(each_confidence(confidence, gaps**2)) * error
    return max_t((before[:, :, None] - after[:, None, :]).reshape(len(before), -1), confidence) * error


def _accuracy_paid(pairs: Sequence[PairedCounts], policy: Fairness, confidence: float, max_loss: float | None) -> Check:
    limit = None if max_loss is None else Limit(max=max_loss)
    found = _paid(pairs, confidence)
    estimate, interval = (None, None) if found is None else (found.moved, (found.low, found.high))
    outcome, _ = judge_interval(estimate=estimate, interval=interval, limit=limit or Limit())
    rows = sum(sum(pair.rows) for pair in pairs)
    return Check(
        name="accuracy_paid",
        metric="accuracy",
        compare="difference",
        estimate=estimate,
        interval=interval,
        confidence=policy.confidence,
        limit=limit,
        support=rows,
        severity="info" if max_loss is None else "critical",
        outcome=outcome,
        reason=reasons.payment(found, rows, limit, outcome),
    )


def _paid(pairs: Sequence[PairedCounts], confidence: float) -> Change | None:
    """Accuracy before and after, and what is paid with its interval; None without rows."""
    everyone = PairedCounts(
        group={},
        rows=tuple(sum(column) for column in zip(*(pair.rows for pair in pairs), strict=True)),
        weights=_summed([pair.weights for pair in pairs if pair.weights is not None]),
    )
    cells = np.array(everyone.cells())
    if not cells.sum():
        return None
    right = np.array([[pair[model] in ("tp", "tn") for pair in PAIRS] for model in (0, 1)], dtype=np.float64)
    before, after = right @ cells / cells.sum()
    drawn = _draws([everyone])[:, 0] @ (right[0] - right[1])
    half = normal_quantile(confidence) * float(drawn.std(ddof=1))
    paid = float(before - after)
    return Change(float(before), float(after), paid, max(-1.0, paid - half), min(1.0, paid + half))


def _summed(weights: Sequence[Weights]) -> Weights | None:
    total = np.sum(weights, axis=0).tolist()
    return tuple((one, two) for one, two in total) if weights else None
