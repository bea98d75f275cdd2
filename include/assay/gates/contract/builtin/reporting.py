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
    those that pass only the first is shown, and speaks for all.

    Parameters
    ----------
    checks
        In order of what is told first among those of one outcome.
    """
    severe = {"critical": 0, "warning": 1, "info": 2}
    bad = [check for check in checks if check.outcome is not Outcome.PASS]
    bad.sort(key=lambda check: (severe[check.severity], -check.outcome.rank))
    good = [check for check in checks if check.outcome is Outcome.PASS]
    return [*bad[:SHOWN], *_rest(bad[SHOWN:]), *_best(good)]


def _best(good: Sequence[Check]) -> list[Check]:
    if len(good) < 2:
        return list(good)
    others = "one other column keeps" if len(good) == 2 else f"{len(good) - 1:,} other columns keep"
    return [replace(good[0], reason=f"{good[0].reason}; {others} further from it")]


def _rest(bad: Sequence[Check]) -> list[Check]:
    if not bad:
        return []
    named = ", ".join(str(check.attribute) for check in bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
    severity = min((check.severity for check in bad), key=["critical", "warning", "info"].index)
    outcome = worst(check.outcome for check in bad if check.severity == severity)
    reason = f"{len(bad):,} more columns do not pass: {named}"
    return [
        Check(
            name=bad[0].name, metric=bad[0].metric, compare="level", severity=severity, outcome=outcome, reason=reason
        )
    ]
