"""Count how the columns are spread that did not pass: a look at a sample for the cells, one scan for their rows."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from assay.core import Distribution, Judgement, Outcome, utc_now, worst_first
from assay.core.distribution import LEAST, Kind, Rows
from assay.gates.contract.builtin import Roles, pii
from assay.gates.contract.builtin.facts import Facts, Values, look_at
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.table import Column, Table, open_table
from assay.gates.contract.distributions.allowed import Allowed, allowed
from assay.gates.contract.distributions.cells import ByName, ByRange, Cut, counts
from assay.gates.contract.distributions.grid import grid
from assay.gates.contract.distributions.names import few, named
from assay.policy.builtin import Pii
from assay.policy.contract import Contract

MOST = 20
"""Columns that are described; those whose checks come first."""
_BLOCK = Contract()


def described(
    judgement: Judgement,
    *,
    files: Sequence[Path],
    suite: Mapping[str, Any],
    roles: Roles,
    policy: Contract = _BLOCK,
    reference: Sequence[Path] = (),
    report: Callable[[str], None] | None = None,
) -> Judgement:
    """The judgement, with how the values of the columns are spread that did not pass, beside the reference's.

    No number of fewer than ten rows is told and no exact one, no value of fewer than ten rows, and none of a
    column of keys, of pseudonyms or of personal data: a verdict is read by more people than the data are.

    Parameters
    ----------
    judgement
        What `judge` came to.
    files, suite, reference
        What was measured, and beside what.
    roles
        What the columns are for.
    policy
        Says what counts as personal.
    report
        Is told that it is done.

    Raises
    ------
    UnavailableError
        When DuckDB has no room.
    """
    checks = [each for each in judgement.checks if each.outcome is not Outcome.PASS or each.examples]
    about = [each.attribute for each in sorted(checks, key=worst_first) if each.attribute is not None]
    if not about:
        return judgement
    with ExitStack() as stack:
        table = stack.enter_context(open_table(files))
        wanted = _columns(about, [column.name for column in table.columns])
        if not wanted:
            return judgement
        if report is not None:
            report(f"how {len(wanted)} columns are spread")
        sides = [_side(table, wanted)]
        if reference:
            sides.append(_side(stack.enter_context(open_table(reference)), wanted))
        private = _private(sides[0], roles, policy)
        subjects = [_subject(name, sides, allowed(suite["expectations"], name), private) for name in wanted]
        return replace(judgement, distributions=tuple(_told(subjects, sides)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """The data or the reference: its rows, and what is known of the columns in question."""

    table: Table
    facts: Facts


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """A column, what it may be, how it is cut into cells, and why it is not, or has nothing beside it."""

    name: str
    allowed: Allowed
    cut: Cut | None = None
    compared: bool = False
    note: str = ""


def _columns(about: Sequence[str], known: Sequence[str]) -> list[str]:
    """The columns that checks are about; of one that is about several, each."""
    names: dict[str, None] = {}
    for attribute in about:
        parts = [attribute] if attribute in known else attribute.split("*")
        names |= dict.fromkeys(name for name in parts if name in known)
    return list(names)[:MOST]


def _side(table: Table, wanted: Sequence[str]) -> _Side:
    columns = tuple(column for name in wanted if (column := table.column(name)) is not None)
    narrow = replace(table, columns=columns)
    return _Side(
        table=narrow,
        facts=look_at(narrow, profiled=False) if columns else Facts(rows=table.rows, columns={}, profiles={}),
    )


def _private(data: _Side, roles: Roles, policy: Contract) -> dict[str, str]:
    """The columns whose values nobody is shown, and why."""
    look = Look(table=data.table, facts=data.facts, roles=roles, taken_at=datetime.fromisoformat(utc_now()))
    part = policy.pii or Pii()
    found = {
        each.column: f"its values look like {each.kind}"
        for each in pii.measure(look)
        if each.known and each.rows / each.known > part.max_share and each.column not in part.allow
    }
    found |= dict.fromkeys(roles.declared, "its values are pseudonyms")
    return found | ({roles.key: "its values name the rows"} if roles.key is not None else {})


def _subject(name: str, sides: Sequence[_Side], may: Allowed, private: Mapping[str, str]) -> _Subject:
    column, found = sides[0].facts.columns[name], _Subject(name=name, allowed=may)
    others = [side.facts.columns[name] for side in sides[1:] if name in side.facts.columns]
    like = [other for other in others if other.kind == column.kind]
    found = replace(found, compared=bool(like), note=_apart(column, others) if len(sides) > 1 and not like else "")
    if column.kind == "other" or name in private:
        return replace(found, note=private.get(name, f"values of the type {column.type} are not drawn"))
    samples = [side.facts.sample[name] for side in sides[: 1 + len(like)]]
    if sum(map(_known, samples)) < LEAST:
        return replace(found, note=f"fewer than {LEAST} rows have a value")
    return replace(found, cut=_cut(column, samples, may))


def _apart(column: Column, others: Sequence[Column]) -> str:
    if not others:
        return "the reference has no such column"
    return f"the type is {column.type} and in the reference {others[0].type}: nothing is drawn beside it"


def _known(values: Values) -> int:
    if values.codes is not None:
        return int((values.codes >= 0).sum())
    return int(np.isfinite(values.numbers).sum()) if values.numbers is not None else 0


def _cut(column: Column, samples: Sequence[Values], may: Allowed) -> Cut:
    if column.kind == "text":
        return ByName(values=tuple(named(samples, may)))
    if column.kind == "number" and few(samples):
        return ByName(values=tuple(named(samples, may)))
    finite = [each.numbers[np.isfinite(each.numbers)] for each in samples if each.numbers is not None]
    whole = column.kind == "number" and all(bool((each == np.floor(each)).all()) for each in finite)
    kind: Kind = "time" if column.kind == "time" else "whole" if whole else "number"
    return ByRange(kind=kind, grid=grid(finite, may, whole=whole, times=column.kind == "time"))


def _told(subjects: Sequence[_Subject], sides: Sequence[_Side]) -> list[Distribution]:
    data = counts(sides[0].table, {each.name: (each.cut, each.allowed) for each in subjects})
    compared = {each.name: (each.cut, each.allowed) for each in subjects if each.compared}
    reference = counts(sides[1].table, compared) if compared else {}
    return [_distribution(each, sides, data[each.name], reference.get(each.name)) for each in subjects]


def _distribution(
    subject: _Subject, sides: Sequence[_Side], data: tuple[int, list[int]], reference: tuple[int, list[int]] | None
) -> Distribution:
    total, cut, may = sides[0].table.rows, subject.cut, subject.allowed
    beside = sides[1].table.rows if reference is not None else 0
    made = Distribution(
        column=subject.name,
        kind="withheld",
        data=Rows(rows=total, missing=total - data[0]),
        reference=None if reference is None else Rows(rows=beside, missing=beside - reference[0]),
        filled=may.filled,
        note=subject.note,
    )
    return made if cut is None else replace(made, **cut.told(may, data[1], None if reference is None else reference[1]))
