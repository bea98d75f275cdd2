"""The columns that did not pass, each with what was said of it and how its values are spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.core import Check, Distribution, Outcome, Verdict, worst_first


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: how it is spread, and the checks that speak of it and do not pass, the worst first."""

    spread: Distribution
    checks: Sequence[Check]


def columns(verdict: Verdict) -> list[Column]:
    """Every column of a verdict that has a distribution, the worst first."""
    told = {each.column: each for each in verdict.distributions}
    unmet = sorted((each for each in verdict.checks if _speaks(each)), key=worst_first)
    return [
        Column(spread=spread, checks=[check for check in unmet if name in _about(check, told)])
        for name, spread in told.items()
    ]


def _speaks(check: Check) -> bool:
    return check.attribute is not None and (check.outcome is not Outcome.PASS or bool(check.examples))


def _about(check: Check, known: Mapping[str, Distribution]) -> Sequence[str]:
    attribute = check.attribute or ""
    return [attribute] if attribute in known else attribute.split("*")
