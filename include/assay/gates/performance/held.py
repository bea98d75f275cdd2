"""One quantity held against its limit, and why there may be nothing to hold."""

from dataclasses import dataclass

from assay.core import Check, Limit, Severity, judge_interval
from assay.stats.influence import FEWEST


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A quantity with its interval, and what of: see `assay.core.Check`."""

    metric: str
    compare: str
    estimate: float | None
    interval: tuple[float, float] | None


def held(about: Held, limit: Limit, severity: Severity, *, rows: int | None, confidence: float | None) -> Check:
    """The check, named after its metric for the time being."""
    outcome, reason = judge_interval(estimate=about.estimate, interval=about.interval, limit=limit)
    return Check(
        name=about.metric,
        metric=about.metric,
        compare=about.compare,
        estimate=about.estimate,
        interval=about.interval,
        confidence=confidence,
        limit=limit,
        support=rows,
        severity=severity,
        outcome=outcome,
        reason=reason,
    )


def unmeasured(metric: str, rows: int, positives: int, estimate: float | None) -> str:
    """Why a metric, or how sure it is, is not known.

    Examples
    --------
    >>> unmeasured("auc", 20, 20, None)
    'auc needs rows of both classes; there are 20 positive and 0 negative rows'
    """
    classes = f"{positives} positive and {rows - positives} negative rows"
    if rows == 0:
        return "there are no rows to measure on"
    if estimate is None:
        if 0 < positives < rows:
            return f"{metric} does not exist for these decisions on {classes}"
        return f"{metric} needs rows of both classes; there are {classes}"
    return (
        f"{metric} is {estimate:.4g}, but how sure that is cannot be told from {classes}: fewer than {FEWEST} of one "
        "class, or scores that separate the classes without a single error (look for a feature that gives the label "
        "away)"
    )
