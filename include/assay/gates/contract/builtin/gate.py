"""All built-in checks together: what is measured, and how it is judged."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from assay.core import Check, Outcome, Problem, did_you_mean, problem, utc_now
from assay.gates import each_confidence
from assay.gates.contract.builtin import (
    all_null,
    association_shift,
    constant,
    duplicate_column,
    duplicate_rows,
    freshness,
    group_support,
    label_leakage,
    label_shift,
    pii,
    shift,
    split_overlap,
    volume,
)
from assay.gates.contract.builtin.facts import look_at
from assay.gates.contract.builtin.look import Look, Past, Roles, Split
from assay.gates.contract.builtin.reporting import reported
from assay.gates.contract.builtin.table import open_table
from assay.gates.contract.builtin.twins import twins
from assay.policy.builtin import BuiltIn

if TYPE_CHECKING:
    from assay.policy.fairness import Fairness

_DEFAULT = BuiltIn()
Report = Callable[[str], None]

# By the policy's name for each, in the order in which they are told.
CHECKS: Mapping[str, ModuleType] = {
    "volume": volume,
    "freshness": freshness,
    "all_null": all_null,
    "constant": constant,
    "duplicate_column": duplicate_column,
    "duplicate_rows": duplicate_rows,
    "label_leakage": label_leakage,
    "split_overlap": split_overlap,
    "shift": shift,
    "label_shift": label_shift,
    "association_shift": association_shift,
    "group_support": group_support,
    "pii": pii,
}
ABSENT = "absent_column"
_OF_TWINS = ("duplicate_rows", "split_overlap")


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltInEvidence:
    """What the built-in checks found in data of `rows` rows, each by its name.

    A check that does not apply is not there: without a reference nothing can have shifted. `absent`
    are the columns with a role that the data do not have, each with a hint. `undealt` is what keeps
    rows from being dealt to training and test.
    """

    rows: int
    found: Mapping[str, Any]
    absent: Mapping[str, str] = field(default_factory=dict)
    undealt: Problem | None = None


def measure(
    *,
    files: Sequence[Path],
    roles: Roles,
    policy: BuiltIn = _DEFAULT,
    reference: Sequence[Path] = (),
    history: Sequence[Past] = (),
    split: Split | None = None,
    test_share: float | None = None,
    fairness: "Fairness | None" = None,
    taken_at: datetime | None = None,
    report: Report | None = None,
) -> BuiltInEvidence:
    """Measure what the built-in checks judge, out of core.

    Parameters
    ----------
    files
        CSV or Parquet files that together hold the rows.
    roles
        What the columns are for.
    policy
        Says which checks are made; its limits are for `judge`.
    reference
        Files of the champion's snapshot, for the checks of shift.
    history
        Earlier snapshots, the oldest first, for volume and freshness.
    split, test_share
        Which rows are for training and for testing, in the order of the files; or at least what share is tested on.
    fairness
        What the fairness gate will ask.
    taken_at
        When the rows were taken, in UTC; now, where nothing is said.
    report
        Is told what is looked at.

    Raises
    ------
    UserError
        When a file cannot be read, or the split is of other rows.
    UnavailableError
        When DuckDB has no room.
    """
    told = report or (lambda _: None)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(files))
        _check_split(split, table.rows)
        told(f"{len(table.columns)} columns of {table.rows:,} rows")
        facts, compared = look_at(table), None
        if reference and (policy.shift or policy.label_shift or policy.association_shift or policy.volume):
            other = stack.enter_context(open_table(reference))
            told(f"the reference, {other.rows:,} rows")
            compared = (other, look_at(other))
        look = Look(
            table=table, facts=facts, roles=roles, taken_at=taken_at or datetime.fromisoformat(utc_now()),
            reference=compared, history=history, split=split, test_share=test_share, fairness=fairness,
        )  # fmt: skip
        absent = _absent(roles, list(facts.columns))
        return BuiltInEvidence(rows=table.rows, found=_measured(look, policy, told), absent=absent)


def _measured(look: Look, policy: BuiltIn, told: Report) -> dict[str, Any]:
    wanted = [name for name in CHECKS if getattr(policy, name) is not None]
    if not look.table.rows:  # no other check has anything to look at
        wanted = [name for name in wanted if name == "volume"]
    if any(name in wanted for name in _OF_TWINS):
        told("rows that are the same")
        same = twins(look, near=look.split is not None and "split_overlap" in wanted)
    found = {}
    for name in wanted:
        told(name)
        more = (same,) if name in _OF_TWINS else ()
        if (evidence := CHECKS[name].measure(look, *more)) is not None:
            found[name] = evidence
    return found


def judge(evidence: BuiltInEvidence, policy: BuiltIn = _DEFAULT) -> list[Check]:
    """Judge what was measured, in the order of `CHECKS`; a check that does not apply is not made.

    A column that has a role and is not in the data fails: without the label there would be no word of its leaking.
    """
    checks = reported(
        [
            Check(name=ABSENT, attribute=name, outcome=Outcome.FAIL, reason=f"no such column in the data ({hint})")
            for name, hint in evidence.absent.items()
        ]
    )
    if evidence.undealt is not None:
        place, reason = evidence.undealt.path, f"{evidence.undealt.message} ({evidence.undealt.mend})"
        checks.append(Check(name=split_overlap.NAME, attribute=place, outcome=Outcome.FAIL, reason=reason))
    level = each_confidence(policy.confidence, len(evidence.found))
    for name, found in evidence.found.items():
        if (part := getattr(policy, name)) is not None:
            checks += [_jointly(check, policy) for check in CHECKS[name].judge(found, part, level)]
    return checks


def _jointly(check: Check, policy: BuiltIn) -> Check:
    """What a check's `confidence` reports is the level at which all intervals of the gate hold together."""
    return replace(check, confidence=None if check.interval is None else policy.confidence)


def _absent(roles: Roles, columns: Sequence[str]) -> dict[str, str]:
    named = dict.fromkeys([roles.key, roles.label, roles.time, *roles.features, *roles.sensitive])
    return {name: did_you_mean(name, columns) for name in named if name is not None and name not in columns}


def _check_split(split: Split | None, rows: int) -> None:
    if split is not None and not len(split.training) == len(split.testing) == rows:
        message = f"is of {len(split.training):,} and {len(split.testing):,} rows, the data have {rows:,}"
        raise problem("split", message)
