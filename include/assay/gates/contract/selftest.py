"""What the gate finds of faults planted in good data, and how often it blocks data that are good."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from time import monotonic

from assay.core import UnavailableError
from assay.gates.contract.faults import FAULTS, Fault
from assay.gates.contract.trial import Case, Found, Subject, Trial

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One kind of damage.

    Attributes
    ----------
    fault, draws
        Which, and how often it was planted at each strength.
    found
        At each strength how many were blocked.
    drafted
        How many were blocked by the drafted contract alone.
    by
        How many times by which check.
    """

    fault: Fault
    draws: int
    found: tuple[int, ...]
    drafted: tuple[int, ...]
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
    workers: int = 1,
    report: Report = lambda _: None,
) -> SelfTest:
    """Plant every fault at its strengths, and judge `clean` good samples beside.

    Each draw deals the rows anew into halves: a contract is drafted from one of them, which is the reference of
    the built-in checks, too; the other one is damaged and judged.

    Parameters
    ----------
    faults
        Those to plant, of `FAULTS`.
    strengths
        Which of each fault's strengths are tried.
    workers
        How many processes share the work.
    report
        Is told how far the work has come.

    Raises
    ------
    UnavailableError
        When a process is ended from outside.
    """
    good = [Case(fault=None, level=0, draw=at) for at in range(clean)]
    planted = [
        Case(fault=fault.name, level=level, draw=draw)
        for draw in range(draws)
        for fault in faults
        for level in strengths
    ]
    cases = [*good, *planted]
    found = dict(zip(cases, _all(subject, seed, cases, workers, report), strict=True))
    blocked = [found[case].by for case in good if found[case].by]
    rows = [
        _row(fault, strengths, draws, {case: found[case] for case in planted if case.fault == fault.name})
        for fault in faults
    ]
    by = Counter(name for names in blocked for name in names[:1])
    return SelfTest(rows=rows, clean=clean, blocked=len(blocked), blocked_by=dict(by))


def _row(fault: Fault, strengths: Sequence[int], draws: int, found: Mapping[Case, Found]) -> Row:
    def count(level: int, *, alone: bool) -> int:
        here = [each for case, each in found.items() if case.level == level]
        return sum(bool(each.drafted if alone else each.by) for each in here)

    return Row(
        fault=fault,
        draws=draws,
        found=tuple(count(level, alone=False) for level in strengths),
        drafted=tuple(count(level, alone=True) for level in strengths),
        by=dict(Counter(name for each in found.values() for name in each.by)),
    )


def _all(subject: Subject, seed: int, cases: Sequence[Case], workers: int, report: Report) -> list[Found]:
    """What was found in every case, in their order."""
    began, found = monotonic(), []
    for each in _one_by_one(subject, seed, cases, workers):
        found.append(each)
        left = (monotonic() - began) / len(found) * (len(cases) - len(found))
        report(f"{len(found):,} of {len(cases):,} samples judged, about {_told(left)} left")
    return found


def _one_by_one(subject: Subject, seed: int, cases: Sequence[Case], workers: int) -> Iterator[Found]:
    with TemporaryDirectory(prefix="assay-self-test-") as folder:
        if workers == 1:
            yield from map(Trial(subject, folder, seed).judged, cases)
            return
        # spawned, since a fork takes over the locks of threads that it does not take over
        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (subject, folder, seed))
        try:
            yield from pool.map(_judged, cases)
        except BrokenProcessPool as error:
            raise UnavailableError(f"a process was ended from outside, perhaps for want of memory: {error}") from error
        finally:
            pool.shutdown(cancel_futures=True)


_trial: Trial | None = None
"""A worker's own."""


def _begin(subject: Subject, folder: str, seed: int) -> None:
    global _trial  # a process pool hands its workers nothing else to keep
    _trial = Trial(subject, folder, seed)


def _judged(case: Case) -> Found:
    assert _trial is not None
    return _trial.judged(case)


def _told(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def table(found: SelfTest, strengths: Sequence[int] = (0, 1, 2)) -> list[tuple[str, ...]]:
    """The lines of a table, its head first: kind, what was found at each strength, and what found it.

    Of each strength it has the share that was found, and in brackets by the draft alone.
    """
    named = ("weak", "medium", "strong")
    lines: list[tuple[str, ...]] = [("planted fault", *(named[at] for at in strengths), "found by")]
    for row in found.rows:
        rates = [
            f"{100 * n / row.draws:.0f} % ({100 * alone / row.draws:.0f} %) at {row.fault.strengths[at]:g}"
            for n, alone, at in zip(row.found, row.drafted, strengths, strict=True)
        ]
        by = sorted(row.by, key=lambda name: (-row.by[name], name))
        lines.append((row.fault.name, *rates, ", ".join(by[:2]) or "nothing"))
    return lines


def summary(found: SelfTest) -> str:
    """The rate of false alarms in words, and how many kinds were found."""
    always = sum(row.found[-1] == row.draws for row in found.rows)
    alone = sum(row.drafted[-1] == row.draws for row in found.rows)
    by = f" ({', '.join(found.blocked_by)})" if found.blocked_by else ""
    return (
        f"{found.blocked} of {found.clean} good samples blocked{by}; {always} of {len(found.rows)} kinds of damage "
        f"always found at their strongest, {alone} by the drafted contract alone"
    )
