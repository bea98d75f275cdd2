"""What running a suite found, and its judgement."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core import Check, Judgement, Limit, Outcome, Severity, decide, describe_limit

SHOWN = 20
"""How many offending values a reason names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one expectation found.

    Attributes
    ----------
    expectation
        Its type; a second one of the same type on the same columns is numbered ``:2``, and so on.
    attribute
        The column, or columns joined by ``*``; None for the whole table.
    severity
        From the suite.
    met
        Whether the data meet it; None when it could not be evaluated.
    estimate
        For expectations on rows the share of unexpected rows in [0, 1], else the number observed.
    limit
        What the estimate was held against, where that is a number.
    unexpected
        Count of unexpected rows, for expectations on rows.
    support
        Number of rows evaluated.
    observed
        What was found, in words, where it is not a number.
    offending
        Distinct offending values.
    note
        What the suite says about why it expects this.
    error
        Why it could not be evaluated.
    """

    expectation: str
    attribute: str | None
    severity: Severity
    met: bool | None
    estimate: float | None = None
    limit: Limit | None = None
    unexpected: int | None = None
    support: int | None = None
    observed: str | None = None
    offending: Sequence[str] = ()
    note: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractEvidence:
    """What a suite found in data of `rows` rows."""

    rows: int
    findings: Sequence[Finding]


def judge(evidence: ContractEvidence) -> Judgement:
    """Judge every expectation; the outcome is the worst of the critical ones.

    An expectation that could not be evaluated is ERROR, not FAIL, and one that found no row to look
    at is INCONCLUSIVE: a column without a single value meets nothing. A suite without critical
    expectations is INCONCLUSIVE.
    """
    checks = [_check(finding) for finding in evidence.findings]
    return Judgement(outcome=decide(checks), checks=checks)


def _check(finding: Finding) -> Check:
    outcome, reason = _outcome(finding)
    return Check(
        name=finding.expectation,
        metric="unexpected_share" if finding.unexpected is not None else "observed",
        compare="level",
        attribute=finding.attribute,
        estimate=finding.estimate,
        limit=finding.limit,
        support=finding.support,
        severity=finding.severity,
        outcome=outcome,
        reason=reason,
    )


def _outcome(finding: Finding) -> tuple[Outcome, str]:
    if finding.met is None:
        return Outcome.ERROR, f"could not be evaluated: {finding.error}"
    if not finding.met:
        return Outcome.FAIL, _found(finding)
    if finding.support == 0:
        return Outcome.INCONCLUSIVE, "no row has a value to look at"
    return Outcome.PASS, _found(finding)


def _found(finding: Finding) -> str:
    if finding.unexpected is not None and finding.support:
        text = f"{finding.unexpected:,} of {finding.support:,} rows unexpected"
        if finding.estimate:
            text += f" ({finding.estimate:.3g} of all)"
    elif finding.estimate is not None:
        text = f"observed {finding.estimate:g}"
    elif finding.observed is not None:
        text = f"observed {finding.observed}"
    else:
        text = "as expected" if finding.met else "not as expected"
    if not finding.met:
        text += f", against {describe_limit(finding.limit)}" if finding.limit else ""
        text += f": {', '.join(finding.offending[:SHOWN])}" if finding.offending else ""
        text += f". {finding.note}" if finding.note else ""
    return text
