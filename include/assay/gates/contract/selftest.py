"""What the gate finds of faults planted in good data, and how often it blocks data that are good."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core import Check, Outcome, Severity, UserError
from assay.gates.contract import builtin
from assay.gates.contract.builtin import Past, Roles, Split
from assay.gates.contract.faults import FAULTS, Fault, Target
from assay.policy.contract import Contract

if TYPE_CHECKING:
    import pandas as pd

    from assay.policy.fairness import Fairness

Report = Callable[[str], None]
_TAKEN = datetime(2026, 1, 31, tzinfo=UTC)
_DAYS = 730
_TEST = 0.3
_DEFAULT = Contract()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Good data, and how they are judged.

    Attributes
    ----------
    frame
        The rows; a column of times is added to them.
    roles, target
        What the columns are for, and which are damaged.
    policy, fairness
        The limits.
    suite
        A contract that the data meet; None tries the built-in checks alone.
    """

    frame: "pd.DataFrame"
    roles: Roles
    target: Target
    policy: Contract = _DEFAULT
    fairness: "Fairness | None" = None
    suite: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One kind of damage: at each strength how many of `draws` were found, and how many times by which check."""

    fault: Fault
    draws: int
    found: tuple[int, ...]
    by: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """The table, how many good samples were judged, and how many of these were blocked, by which checks."""

    rows: Sequence[Row]
    clean: int
    blocked: int
    blocked_by: Mapping[str, int] = field(default_factory=dict)


def run(
    subject: Subject,
    *,
    draws: int,
    clean: int,
    seed: int,
    faults: Sequence[Fault] = FAULTS,
    strengths: Sequence[int] = (0, 1, 2),
    report: Report = lambda _: None,
) -> SelfTest:
    """Plant every fault at its strengths, and judge `clean` good samples beside.

    Each draw deals the rows anew into halves: one is judged, the other is its reference.

    Parameters
    ----------
    strengths
        Which of each fault's strengths are tried.
    report
        Is told how far the work has come.
    """
    blocked: Counter[str] = Counter()
    usual: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="assay-self-test-") as folder:
        times = 0
        for at in range(clean):
            report(f"good sample {at + 1} of {clean}")
            found = _found(subject, Path(folder), None, 0.0, [seed, 0, at])
            usual |= {name for name, severity in found if severity == "warning"}
            by = [name for name, severity in found if severity == "critical"]
            times += bool(by)
            blocked.update(by[:1])
        rows = [
            _tried(subject, Path(folder), fault, [(level, draws) for level in strengths], [seed, 1 + at], usual, report)
            for at, fault in enumerate(faults)
        ]
    return SelfTest(rows=rows, clean=clean, blocked=times, blocked_by=dict(blocked))


def _tried(
    subject: Subject,
    folder: Path,
    fault: Fault,
    tries: Sequence[tuple[int, int]],
    seed: list[int],
    usual: Set[str],
    report: Report,
) -> Row:
    """Plant a fault so often at each strength; a warning counts when no good sample has one of its name."""
    counts, by = [], Counter[str]()
    for level, draws in tries:
        strength = fault.strengths[level]
        report(f"{fault.name}, {strength:g} {fault.of}")
        hits = 0
        for draw in range(draws):
            found = _found(subject, folder, fault, strength, [*seed, level, draw])
            told = {
                name if severity == "critical" else f"{name} (warning)"
                for name, severity in found
                if severity == "critical" or name not in usual
            }
            hits += bool(told)
            by.update(told)
        counts.append(hits)
    return Row(fault=fault, draws=max(draws for _, draws in tries), found=tuple(counts), by=dict(by))


def _found(
    subject: Subject, folder: Path, fault: Fault | None, strength: float, seed: Sequence[int]
) -> list[tuple[str, Severity]]:
    """Name and severity of the checks that one sample does not pass, or that it is refused."""
    random = np.random.default_rng(seed)
    frame, reference = _halves(subject, random)
    history = [_past(len(frame), days) for days in (28, 21, 14, 7)]
    if fault is not None and fault.damage is not None:
        damaged = fault.damage(frame, strength, random, subject.target)
        frame = frame if damaged is None else damaged
    path, other = folder / f"rows{'.parquet' if fault is None else fault.suffix}", folder / "reference.parquet"
    _write(frame, path)
    _write(reference, other)
    if fault is not None and fault.spoil is not None:
        fault.spoil(path, strength)
    testing = np.random.default_rng(0).random(len(frame)) < _TEST
    split = Split(training=~testing, testing=testing)
    try:
        checks = list(_checks(subject, path, other, history, split))
    except UserError:
        return [("refused", "critical")]
    bad = [check for check in checks if check.outcome is not Outcome.PASS]
    return [(check.name, check.severity) for check in bad if check.severity != "info"]


def _checks(subject: Subject, path: Path, reference: Path, history: Sequence[Past], split: Split) -> Iterator[Check]:
    from assay.gates import contract

    evidence = builtin.measure(
        files=[path], roles=subject.roles, policy=subject.policy, reference=[reference], history=history, split=split,
        fairness=subject.fairness, taken_at=_TAKEN,
    )  # fmt: skip
    yield from builtin.judge(evidence, subject.policy)
    if subject.suite is not None:
        found = contract.measure(files=[path], suite=subject.suite)
        yield from contract.judge(found).checks


def _halves(subject: Subject, random: np.random.Generator) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The rows dealt into two halves, each with times up to the day before they were taken."""
    import pandas as pd

    frame = subject.frame.iloc[random.permutation(len(subject.frame))].reset_index(drop=True)
    days = random.random(len(frame)) * _DAYS + 1
    start = pd.Timestamp(_TAKEN).tz_localize(None)
    frame[subject.target.time] = start - pd.to_timedelta((days * 86_400).astype(np.int64), unit="s")
    half = len(frame) // 2
    return frame.iloc[:half].copy(), frame.iloc[half:].copy()


def _past(rows: int, days: int) -> Past:
    taken = _TAKEN - timedelta(days=days)
    return Past(rows=rows, taken_at=taken, newest=taken - timedelta(days=1))


def _write(frame: "pd.DataFrame", path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)


def table(found: SelfTest) -> list[tuple[str, ...]]:
    """The lines of a table, its head first: kind, rate at each strength, and what found it."""
    lines: list[tuple[str, ...]] = [("planted fault", "weak", "medium", "strong", "found by")]
    for row in found.rows:
        rates = [
            f"{100 * n / row.draws:.0f} % at {strength:g}"
            for n, strength in zip(row.found, row.fault.strengths, strict=True)
        ]
        by = sorted(row.by, key=lambda name: (-row.by[name], name))
        lines.append((row.fault.name, *rates, ", ".join(by[:2]) or "nothing"))
    return lines


def summary(found: SelfTest) -> str:
    """The rate of false alarms in words, and how many kinds were found."""
    strong = sum(row.found[-1] == row.draws for row in found.rows)
    by = f" ({', '.join(found.blocked_by)})" if found.blocked_by else ""
    return (
        f"{found.blocked} of {found.clean} good samples blocked{by}; "
        f"{strong} of {len(found.rows)} kinds of damage always found at their strongest"
    )
