"""What becomes of an estimate that shows a limit neither kept nor broken.

It stays INCONCLUSIVE. Whether it stops a run is a matter of what it shows: a change that chance does not
explain, and that lies beyond the limit by its best estimate, keeps the check's own severity. Where no such change
is shown only more rows would help, which nobody has at night: that gets the milder severity that the policy
gives to what is undecided.
"""

from collections.abc import Sequence
from dataclasses import replace

from assay.core import Check, Limit, Outcome, Severity
from assay.policy.builtin import Estimate
from assay.stats.intervals import SUREST

_SURER = 5
_SEVERITIES: Sequence[Severity] = ("critical", "warning", "info")


def surer(confidence: float) -> float:
    """The level at which a change counts as shown: a fifth of the error, one false stop in a hundred at 0.95."""
    return min(SUREST, 1 - (1 - confidence) / _SURER)


def settled(check: Check, policy: Estimate, *, shown: bool, needed: float | None = None) -> Check:
    """The check with the severity that it deserves, and with what would decide it.

    Parameters
    ----------
    check
        As judged by its whole interval.
    shown
        Whether the data show, more than chance explains, that there is any change at all.
    needed
        How many times as many rows could show that the limit is kept, if there was no change; None where it is
        not rows that are missing.
    """
    if check.outcome is not Outcome.INCONCLUSIVE or check.estimate is None or check.interval is None:
        return check
    if shown and _beyond(check.estimate, check.limit or Limit()):
        said = "there is a change that chance does not explain, and its best estimate lies beyond the limit"
        return replace(check, reason=f"{check.reason}; {said}")
    severity = milder(policy)
    what = "a change within the limit is likelier" if shown else "no change is shown, nor that there is none"
    what += ", so that it does not block" if policy.severity == "critical" != severity else ""
    more = f"; without any change it takes about {rows(needed * check.support)} rows to tell" if (
        needed and needed > 1 and check.support
    ) else ""  # fmt: skip
    return replace(check, severity=severity, reason=f"{check.reason}; {what}{more}")


def milder(policy: Estimate) -> Severity:
    """The severity of what is undecided, which is never above the check's own."""
    return max(policy.severity, policy.undecided, key=_SEVERITIES.index)


def counts_in_full(check: Check) -> bool:
    """Whether a check stops a run."""
    return check.severity == "critical" and check.outcome is not Outcome.PASS


def _beyond(estimate: float, limit: Limit) -> bool:
    return (limit.max is not None and estimate > limit.max) or (limit.min is not None and estimate < limit.min)


def rows(number: float) -> str:
    """A number of rows, to two digits.

    Examples
    --------
    >>> rows(1234.5), rows(18)
    ('1,200', '18')
    """
    return f"{float(f'{number:.2g}'):,.0f}"
