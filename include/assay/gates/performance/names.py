"""What the performance gate's checks are called."""

from assay.gates import distinct_names
from assay.policy import Performance

SIZE = "size_mb"


def check_names(policy: Performance, *, rival: bool) -> list[tuple[str, str | None]]:
    """The name and the attribute of every check, in the order in which they are judged.

    Parameters
    ----------
    policy
        The gate's part of a policy.
    rival
        Whether there is a champion to be compared with.

    Examples
    --------
    >>> part = Performance(checks=[{"metric": "auc", "min": 0.8}], champion=[{"metric": "auc", "margin": 0.1}])
    >>> check_names(part, rival=True)
    [('auc', None), ('auc_vs_champion', None)]
    """
    priced = policy.cost
    names = distinct_names([check.metric for check in policy.checks])
    if rival:
        names += distinct_names([f"{check.metric}_vs_champion" for check in policy.champion])
    if priced is not None and priced.max is not None:
        names.append("cost")
    if priced is not None and priced.margin is not None and rival:
        names.append("cost_vs_champion")
    found: list[tuple[str, str | None]] = [(name, None) for name in names]
    floors = distinct_names([f"{floor.metric}_worst_slice" for floor in policy.floors])
    found += [(name, "*".join(attribute)) for attribute in policy.attributes for name in floors]
    if policy.weak_slices is not None:
        found.append(("weak_slice", None))
    found += [(latency_name(each.rows, at), None) for each in policy.latency for at in each.budgets]
    return found + ([(SIZE, None)] if policy.size_mb is not None else [])


def latency_name(rows: int, percentile: int) -> str:
    """What the check of a latency is called.

    Examples
    --------
    >>> latency_name(1, 99)
    'latency_p99_1_row'
    """
    return f"latency_p{percentile}_{rows}_row" + ("" if rows == 1 else "s")
