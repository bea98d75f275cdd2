"""Hold an interval against a limit: the only place where an outcome is decided from numbers."""

from assay.core.limit import Limit
from assay.core.outcome import Outcome


def judge_interval(
    *, estimate: float | None, interval: tuple[float, float] | None, limit: Limit
) -> tuple[Outcome, str]:
    """Judge by the whole interval.

    Returns
    -------
    outcome, reason
        PASS when all of `interval` is inside `limit`, FAIL when all of it is outside, and
        INCONCLUSIVE when it crosses a limit or there is nothing to judge.

    Examples
    --------
    >>> judge_interval(estimate=0.05, interval=(0.02, 0.08), limit=Limit(max=0.1))[0]
    <Outcome.PASS: 'PASS'>
    >>> judge_interval(estimate=0.09, interval=(0.06, 0.12), limit=Limit(max=0.1))[0]
    <Outcome.INCONCLUSIVE: 'INCONCLUSIVE'>
    """
    if estimate is None or interval is None:
        return Outcome.INCONCLUSIVE, "nothing was measured"
    low, high = interval
    if not low <= high:  # also catches NaN, which must never pass
        return Outcome.INCONCLUSIVE, "the interval is undefined"
    allowed = describe_limit(limit)
    shown = describe_estimate(estimate, interval)
    if limit.min is not None and high < limit.min:
        return Outcome.FAIL, f"{shown} lies below {allowed}"
    if limit.max is not None and low > limit.max:
        return Outcome.FAIL, f"{shown} lies above {allowed}"
    if (limit.min is None or low >= limit.min) and (limit.max is None or high <= limit.max):
        return Outcome.PASS, f"{shown} lies within {allowed}"
    return Outcome.INCONCLUSIVE, f"{shown} crosses {allowed}: this much data cannot tell"


def describe_estimate(estimate: float, interval: tuple[float, float] | None) -> str:
    """An estimate with its interval, if it has one.

    Examples
    --------
    >>> describe_estimate(0.05, (0.02, 0.08))
    '0.05 [0.02, 0.08]'
    """
    return f"{estimate:.4g}" + ("" if interval is None else f" [{interval[0]:.4g}, {interval[1]:.4g}]")


def describe_limit(limit: Limit) -> str:
    """The limit in words.

    Examples
    --------
    >>> describe_limit(Limit(max=0.1))
    'the limit of at most 0.1'
    """
    parts = []
    if limit.min is not None:
        parts.append(f"at least {limit.min:g}")
    if limit.max is not None:
        parts.append(f"at most {limit.max:g}")
    return "the limit of " + " and ".join(parts) if parts else "no limit"
