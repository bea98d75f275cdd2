"""One sample of the gate's self-test: good rows, perhaps with a fault planted, judged as new data are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from assay.core import Check, Outcome, UserError
from assay.gates.contract import builtin
from assay.gates.contract.builtin import Past, Roles, Split
from assay.gates.contract.faults import BY_NAME, Target
from assay.policy.contract import Contract

if TYPE_CHECKING:
    import pandas as pd

    from assay.policy.fairness import Fairness

TAKEN = datetime(2026, 1, 31, tzinfo=UTC)
_DAYS = 730
_TEST = 0.3
_DEFAULT = Contract()
_REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Good data, and how they are judged.

    Attributes
    ----------
    frame
        The rows; a column of times is added to them.
    roles, target
        What the columns are for, and which are damaged.
    draft
        Makes a contract of a Parquet file, whose rows the column with the given name tells apart.
    policy, fairness
        The limits.
    """

    frame: "pd.DataFrame"
    roles: Roles
    target: Target
    draft: Callable[[Path, str], dict[str, Any]]
    policy: Contract = _DEFAULT
    fairness: "Fairness | None" = None


class Case(NamedTuple):
    """A deal of the rows and the fault planted in it, by name, at one of its strengths; None is none."""

    fault: str | None
    level: int
    draw: int


class Found(NamedTuple):
    """The checks that block a sample: of the drafted contract, and built-in ones."""

    drafted: tuple[str, ...]
    built_in: tuple[str, ...]

    @property
    def by(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys([*self.drafted, *self.built_in]))


class _Deal(NamedTuple):
    frame: "pd.DataFrame"
    reference: Path
    suite: dict[str, Any]


class Trial:
    """Judges samples of a subject's rows; deals into which many faults are planted are made once.

    Parameters
    ----------
    subject, seed
        The rows, and what they are dealt by.
    folder
        For scratch files.
    built_in
        Whether the built-in checks are made beside the drafted contract.
    """

    def __init__(self, subject: Subject, folder: str, seed: int, *, built_in: bool = True) -> None:
        self._subject, self._seed, self._beside = subject, seed, built_in
        self._folder = Path(mkdtemp(dir=folder))
        self._deals: dict[int, _Deal] = {}

    def judged(self, case: Case) -> Found:
        """What blocks a sample."""
        if case.fault is None:
            deal = self._deal([self._seed, 0, case.draw], "good")
            return self._judged(deal, self._written(deal.frame, ".parquet"), len(deal.frame))
        fault = BY_NAME[case.fault]
        if case.draw not in self._deals:
            self._deals[case.draw] = self._deal([self._seed, 1, case.draw], str(case.draw))
        deal, strength = self._deals[case.draw], fault.strengths[case.level]
        frame = deal.frame.copy()
        if fault.damage is not None:
            random = np.random.default_rng([self._seed, 2, case.draw, case.level, list(BY_NAME).index(fault.name)])
            damaged = fault.damage(frame, strength, random, self._subject.target)
            frame = frame if damaged is None else damaged
        path = self._written(frame, fault.suffix)
        if fault.spoil is not None:
            fault.spoil(path, strength)
        return self._judged(deal, path, len(frame))

    def _deal(self, seed: Sequence[int], name: str) -> _Deal:
        frame, other = halves(self._subject, np.random.default_rng(seed))
        reference = self._folder / f"reference-{name}.parquet"
        other.to_parquet(reference, index=False)
        return _Deal(frame, reference, self._subject.draft(reference, self._subject.target.key))

    def _written(self, frame: "pd.DataFrame", suffix: str) -> Path:
        path = self._folder / f"rows{suffix}"
        if suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
        return path

    def _judged(self, deal: _Deal, path: Path, rows: int) -> Found:
        drafted = _blocking(self._drafted(deal, path))
        return Found(drafted, _blocking(self._built_in(deal, path, rows)) if self._beside else ())

    def _drafted(self, deal: _Deal, path: Path) -> Iterator[Check]:
        from assay.gates import contract

        yield from contract.judge(contract.measure(files=[path], suite=deal.suite)).checks

    def _built_in(self, deal: _Deal, path: Path, rows: int) -> Iterator[Check]:
        subject = self._subject
        testing = np.random.default_rng(0).random(rows) < _TEST
        evidence = builtin.measure(
            files=[path], roles=subject.roles, policy=subject.policy, reference=[deal.reference],
            history=[_past(len(deal.frame), days) for days in (28, 21, 14, 7)],
            split=Split(training=~testing, testing=testing), fairness=subject.fairness, taken_at=TAKEN,
        )  # fmt: skip
        yield from builtin.judge(evidence, subject.policy)


def _blocking(checks: Iterator[Check]) -> tuple[str, ...]:
    """The names of those that keep a sample from passing, shortened; or that it was refused."""
    try:
        bad = [check for check in checks if check.severity == "critical" and check.outcome is not Outcome.PASS]
    except UserError:
        return (_REFUSED,)
    return tuple(dict.fromkeys(_short(check.name) for check in bad))


def _short(name: str) -> str:
    return name.partition(":")[0].removeprefix("expect_").removeprefix("column_")


def halves(subject: Subject, random: np.random.Generator) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The rows dealt into two halves, each with times up to the day before they were taken."""
    import pandas as pd

    frame = subject.frame.iloc[random.permutation(len(subject.frame))].reset_index(drop=True)
    days = random.random(len(frame)) * _DAYS + 1
    start = pd.Timestamp(TAKEN).tz_localize(None)
    frame[subject.target.time] = start - pd.to_timedelta((days * 86_400).astype(np.int64), unit="s")
    half = len(frame) // 2
    return frame.iloc[:half].copy(), frame.iloc[half:].reset_index(drop=True)


def _past(rows: int, days: int) -> Past:
    taken = TAKEN - timedelta(days=days)
    return Past(rows=rows, taken_at=taken, newest=taken - timedelta(days=1))
