"""How a check that looks at many columns answers: those that matter by themselves, the others in one line."""

from collections.abc import Sequence
from dataclasses import replace

from assay.core import Check, Outcome, worst

SHOWN = 20
_NAMED = 5


def reported(checks: Sequence[Check]) -> list[Check]:
    """What to say of the checks of one name, one for each column, most telling first.

    Each column that does not pass has a check of its own, up to `SHOWN` of them, the worst first; what is
    beyond that is one check more, so that nothing that fails can be waived by waiving others. Of
    those that pass only the first is shown, and speaks for all; so does the first of those that are undecided
    and do not block.

    Parameters
    ----------
    checks
        In order of what is told first among those of one outcome.
    """
    severe = {"critical": 0, "warning": 1, "info": 2}
    unsure = [check for check in checks if check.outcome is Outcome.INCONCLUSIVE and check.severity != "critical"]
    bad = [check for check in checks if check.outcome is not Outcome.PASS and check not in unsure]
    bad.sort(key=lambda check: (severe[check.severity], -check.outcome.rank))
    good = [check for check in checks if check.outcome is Outcome.PASS]
    return [*bad[:SHOWN], *_rest(bad[SHOWN:]), *_first(unsure), *_best(good)]


def _best(good: Sequence[Check]) -> list[Check]:
    if len(good) < 2:
        return list(good)
    others = "one other column keeps" if len(good) == 2 else f"{len(good) - 1:,} other columns keep"
    return [replace(good[0], reason=f"{good[0].reason}; {others} further from it")]


def _first(unsure: Sequence[Check]) -> list[Check]:
    if len(unsure) < 2:
        return list(unsure)
    return [replace(unsure[0], reason=f"{unsure[0].reason}. No more can be told of {_named(unsure[1:])}")]


def _named(checks: Sequence[Check]) -> str:
    return ", ".join(str(check.attribute) for check in checks[:_NAMED]) + (", ..." if len(checks) > _NAMED else "")


def _rest(bad: Sequence[Check]) -> list[Check]:
    if not bad:
        return []
    severity = min((check.severity for check in bad), key=["critical", "warning", "info"].index)
    outcome = worst(check.outcome for check in bad if check.severity == severity)
    reason = f"{len(bad):,} more columns do not pass: {_named(bad)}"
    return [
        Check(
            name=bad[0].name, metric=bad[0].metric, compare="level", severity=severity, outcome=outcome, reason=reason
        )
    ]
