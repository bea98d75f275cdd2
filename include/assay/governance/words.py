"""Numbers and verdicts in words, the same on every page."""

from collections.abc import Collection, Mapping

from assay.core import Check, Outcome, Verdict
from assay.evidence import course
from assay.evidence.card.words import NOTHING as NOTHING
from assay.evidence.card.words import TIMES as TIMES
from assay.evidence.card.words import interval as interval
from assay.evidence.card.words import isolation as isolation
from assay.evidence.card.words import limit as limit
from assay.evidence.card.words import number as number
from assay.evidence.card.words import plain
from assay.evidence.pictures.checks import sides as sides

GATES = {
    "contract": "Data contract",
    "performance": "Performance",
    "fairness": "Fairness",
    "robustness": "Robustness",
    "approval": "Approval",
    "risk_approval": "Risk approval",
    "canary": "Canary",
}
"""Every gate of a retraining in its order, and its heading."""

TASKS = {**course.TASKS, "canary": "canary_promotion"}
"""The orchestrator's name of a gate's task, where it is another."""

_SAID = {
    Outcome.PASS: "passes",
    Outcome.FAIL: "fails",
    Outcome.INCONCLUSIVE: "is inconclusive",
    Outcome.ERROR: "could not be measured",
}


def task(verdict: Verdict, mitigated: Collection[str]) -> str:
    """The orchestrator's name of the task that a verdict came from, `mitigated` being what mitigation made."""
    name = TASKS.get(verdict.gate, verdict.gate)
    again = verdict.model in mitigated and verdict.gate in course.JUDGED_AGAIN
    return f"mitigated_{name}" if again else name


def heading(gate: str) -> str:
    """The name of a gate, or of a kind of event, for people."""
    return GATES.get(gate, gate.replace("_", " ").capitalize())


def check_name(check: Check) -> str:
    """A check's name and what it is about, as one phrase."""
    if check.attribute is None:
        return check.name
    return f"{check.name} {'of' if check.name.startswith('expect_') else 'by'} {attribute(check.attribute)}"


def in_short(check: Check) -> str:
    """A check's name, and what it found where that is a number.

    Examples
    --------
    >>> from assay.core import Limit
    >>> held = Limit(max=0.25)
    >>> in_short(Check(name="shift", metric="psi", estimate=0.31, limit=held, outcome=Outcome.FAIL, reason=""))
    'shift: psi 0.31, allowed ≤ 0.25'
    """
    if check.estimate is None:
        return plain(check.name)
    held = "" if check.limit is None else f", allowed {limit(check.limit)}"
    return f"{plain(check.name)}: {plain(check.metric or '')} {number(check.estimate)}{held}"


def attribute(columns: str) -> str:
    """The columns that a check is about, as one phrase."""
    return columns.replace("*", f" {TIMES} ")


def waived(tags: Mapping[str, str], gate: str) -> int:
    """How many checks of a gate went on by a waiver, as a run's tags say.

    Examples
    --------
    >>> waived({"waiver.fairness.tpr_difference.sex": "0a1b until 2026-05-31"}, "fairness")
    1
    """
    return sum(tag.startswith(f"waiver.{gate}.") for tag in tags)


def summary(verdict: Verdict) -> str:
    """A verdict in a sentence, for whoever reads nothing else."""
    check = verdict.worst_check
    if check is None:
        return "Nothing was checked, so nothing is shown."
    if len(verdict.checks) == 1:
        return _sentence(check.reason)
    passed = verdict.passed
    if passed == len(verdict.checks):
        return f"All {passed} checks pass."
    counted = f"{passed} of {len(verdict.checks)} checks pass"
    if verdict.outcome is Outcome.PASS:
        return f"{counted}, among them every critical one."
    return f"{counted}; the worst is {check_name(check)}, which {_SAID[check.outcome]}: {check.reason.rstrip('.')}."


def when(time: str) -> str:
    """A time in UTC, to the minute.

    Examples
    --------
    >>> when("2026-01-05T10:00:59.123Z")
    '2026-01-05 10:00 UTC'
    """
    return f"{time[:16].replace('T', ' ')} UTC"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else "No reason was given."
