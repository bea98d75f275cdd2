"""What running a suite found, and its judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assay.core import Check, Judgement, Limit, Outcome, Severity, decide, describe_limit
from assay.gates.contract import builtin
from assay.gates.contract.builtin import BuiltInEvidence
from assay.policy.contract import Contract

QUARANTINE = "quarantine"
_BLOCK = Contract()
_TOLD = 10  # expectations that a reason names


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
        Distinct offending values, in words.
    examples
        Offending rows, each as column to value with the key first, where it is known.
    key
        Column that names the rows of `examples`; None where they are not named.
    fallback
        Why it was evaluated in pandas and not in DuckDB; None when it was not.
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
    examples: Sequence[Mapping[str, str | None]] = ()
    key: str | None = None
    fallback: str | None = None
    note: str = ""
    error: str | None = None

    @property
    def reason(self) -> str:
        """Its name and column, as the reason of a row that is set aside for it."""
        return " ".join(filter(None, [self.expectation, self.attribute]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """The rows set aside, and what the suite found in the clean rest.

    Attributes
    ----------
    rows
        How many rows were set aside, each counted once.
    reasons
        For each finding, in their order, how many rows it set aside; a row may have several reasons.
    rest
        What the suite found in the other rows; empty when more than the policy's share would be set aside.
    """

    rows: int
    reasons: Sequence[int]
    rest: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractEvidence:
    """What a suite found in data of `rows` rows.

    `quarantine` is None where no row was set aside, `beyond` where the built-in checks were not made;
    `suited` is False where there was no suite, and these are all.
    """

    rows: int
    findings: Sequence[Finding]
    quarantine: Quarantine | None = None
    beyond: BuiltInEvidence | None = None
    suited: bool = True


def judge(evidence: ContractEvidence, policy: Contract = _BLOCK) -> Judgement:
    """Judge every expectation; the outcome is the worst of the critical ones.

    An expectation that could not be evaluated is ERROR, not FAIL, and one that found no row to look
    at is INCONCLUSIVE: a column without a single value meets nothing. A suite without critical
    expectations is INCONCLUSIVE.

    Where rows were set aside, the expectations are judged on the clean rest, and a check named
    ``quarantine`` holds their share against the policy's; above it, all rows are judged as they came.

    The built-in checks come after the suite's, and are always about all rows.
    """
    if evidence.quarantine is None or policy.max_quarantined is None:
        checks = [_check(finding) for finding in evidence.findings]
    else:
        checks = _set_aside(evidence, evidence.quarantine, policy.max_quarantined)
    critical = any(check.severity == "critical" for check in checks if check.name != QUARANTINE)
    if evidence.beyond is not None:
        checks += builtin.judge(evidence.beyond, policy)
    return Judgement(outcome=decide(checks) if critical or not evidence.suited else Outcome.INCONCLUSIVE, checks=checks)


def _set_aside(evidence: ContractEvidence, quarantine: Quarantine, most: float) -> list[Check]:
    share, clean = quarantine.rows / evidence.rows, evidence.rows - quarantine.rows
    done = len(quarantine.rest) == len(evidence.findings)
    within = share <= most and done
    counts = f"{quarantine.rows:,} of {evidence.rows:,} rows ({share:.3g} of all)"
    reason = f"{counts} set aside, {clean:,} clean" if done else f"{counts} would have to be set aside and none was"
    summary = Check(
        name=QUARANTINE,
        metric="quarantined_share",
        compare="level",
        estimate=share,
        limit=Limit(max=most),
        support=evidence.rows,
        outcome=Outcome.PASS if within else Outcome.FAIL,
        reason=reason + _objections(evidence.findings, quarantine.reasons),
    )
    if not done:
        return [summary, *map(_check, evidence.findings)]
    rest = [
        _with_quarantined(_check(now), found, rows)
        for now, found, rows in zip(quarantine.rest, evidence.findings, quarantine.reasons, strict=True)
    ]
    return [summary, *rest]


def _objections(findings: Sequence[Finding], counts: Sequence[int]) -> str:
    """How many rows each expectation objects to, most first."""
    found = sorted(
        ((rows, finding.reason) for finding, rows in zip(findings, counts, strict=True) if rows),
        key=lambda pair: -pair[0],
    )
    told = [f"{rows:,} for {reason}" for rows, reason in found[:_TOLD]]
    more = [f"and for {len(found) - _TOLD} more"] if len(found) > _TOLD else []
    return f": {', '.join([*told, *more])}" if told else ""


def _with_quarantined(check: Check, found: Finding, rows: int) -> Check:
    if not rows:
        return check
    named = f": {', '.join(found.offending)}" if found.offending else ""
    reason = f"{check.reason}; {rows:,} rows were set aside for it{named}"
    return replace(check, reason=reason, examples=check.examples or tuple(found.examples) or None)


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
        examples=tuple(finding.examples) or None,
    )


def _outcome(finding: Finding) -> tuple[Outcome, str]:
    how = f" (in pandas: {finding.fallback})" if finding.fallback else ""
    if finding.met is None:
        return Outcome.ERROR, f"could not be evaluated: {finding.error}"
    if finding.support == 0 and (finding.met or finding.attribute is not None):
        return Outcome.INCONCLUSIVE, "no row has a value to look at"
    if not finding.met:
        return Outcome.FAIL, _found(finding) + how
    return Outcome.PASS, _found(finding) + how


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
        text += f": {', '.join(finding.offending)}" if finding.offending else ""
        text += _rows(finding)
        text += f". {finding.note}" if finding.note else ""
    return text


def _rows(finding: Finding) -> str:
    """Which rows those are, unless the values themselves are the keys."""
    if finding.key is None or finding.key == finding.attribute:
        return ""
    keys = [str(row[finding.key]) for row in finding.examples]
    more = ", ..." if (finding.unexpected or 0) > len(keys) else ""
    return f", in {finding.key} {', '.join(keys)}{more}"
