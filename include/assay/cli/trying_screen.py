"""What `assay try` shows: a live table on a terminal, plain lines elsewhere."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from assay.core import Outcome, Verdict
from assay.core.text import check_line
from assay.core.verdict import worst_first

if TYPE_CHECKING:
    from assay.evidence.dry_run import DryRun, Plan, Step

COLOURS = {
    Outcome.PASS: "green",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.ERROR: "magenta",
    Outcome.FAIL: "red",
}
_WIDTH = 120  # of a log, which has no width of its own
_LAST_LINES = 20
_MOST_CHECKS = 8
_NOTHING = (
    "Nothing was recorded and no error budget was spent. A real run judges more strictly: it counts every attempt on "
    "the same data, compares with the champion and with earlier data, and a person approves."
)


class Screen:
    """Shows how far a dry run has come.

    Parameters
    ----------
    to_error
        Draw on standard error, because standard output is for the result.
    """

    def __init__(self, *, to_error: bool) -> None:
        self._console = Console(stderr=to_error, highlight=False, soft_wrap=False)
        self._live = self._console.is_terminal
        if not self._live:
            self._console = Console(stderr=to_error, highlight=False, width=_WIDTH)
        self._ended: list[Step] = []
        self._running, self._since = "", 0.0
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._title = Text()

    def report(self, line: str) -> None:
        """Take a line that the step at work says."""
        self._said.append(line)
        if not self._live and self._running in _TALKING:
            self._print(f"  train.py | {line}")

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Say on a terminal that something is done before there is a step to show."""
        if not self._live:
            yield
            return
        with self._console.status("Looking at the folder, the data and what this machine can isolate"):
            yield

    @contextmanager
    def shown(self, plan: "Plan") -> Iterator[None]:
        """Draw while the block runs, and leave the last state there."""
        policy = plan.folder.policy
        data = plan.source if isinstance(plan.source, str) else policy.data.label
        about = f"risk tier {policy.risk_tier}, isolation {plan.isolation}, seed {plan.seed}, data {data}"
        self._title = Text(f"{policy.model}: {about}")
        try:
            if not self._live:
                self._print(str(self._title))
                yield
                return
            with Live(self, console=self._console, refresh_per_second=5):
                yield
                self._running = ""
        except BaseException:
            self._show_last_lines()
            raise

    def show(self, step: "Step") -> None:
        """Show that a step begins or has ended."""
        if step.seconds is None:
            self._running, self._since = step.name, time.monotonic()
            self._said.clear()
            if not self._live:
                self._print(f"{step.name} begins")
            return
        self._running = ""
        self._ended.append(step)
        if not self._live:
            self._print(f"{step.name}: {_outcome(step)}, {step.seconds:.1f} s: {step.said}")

    def conclude(self, run: "DryRun", written: Sequence[str], pages: Path | None) -> None:
        """Tell what did not pass, what else to know, and how it ended."""
        for name, verdict in run.verdicts.items():
            if verdict.outcome is not Outcome.PASS:
                self._print("", *_doubts(name, verdict))
        if run.notes:
            self._print("", *(f"note: {each}" for each in run.notes))
        told = Text(str(run.outcome), style=COLOURS[run.outcome] if self._live else "")
        told.append(f": a real run would {'go on' if run.passes else 'stop here'}. {_NOTHING}", style="default")
        self._console.print(Text(), told, sep="\n")
        places = [*(f"result: {each}" for each in written), *([] if pages is None else [f"pages: {pages}"])]
        if places:
            self._print("; ".join(places))

    def __rich__(self) -> RenderableType:
        table = Table("step", "outcome", "seconds", "", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for each in self._ended:
            table.add_row(each.name, _coloured(each), Text(f"{each.seconds:.1f}", justify="right"), Text(each.said))
        if not self._running:
            return Group(self._title, table)
        spent = Text(f"{time.monotonic() - self._since:.1f}", justify="right")
        last = Text(self._said[-1] if self._said else "", style="dim", no_wrap=True, overflow="ellipsis")
        table.add_row(self._running, self._spinner, spent, last)
        return Group(self._title, table)

    @property
    def _spinner(self) -> Spinner:
        if not hasattr(self, "_turning"):
            self._turning = Spinner("dots")
        return self._turning

    def _show_last_lines(self) -> None:
        """Show what train.py printed last: on a terminal only its last line was seen."""
        if self._live and self._running in _TALKING and self._said:
            self._print(f"The last lines that train.py printed ({len(self._said)}):")
            self._print(*(f"  train.py | {each}" for each in self._said))

    def _print(self, *lines: str) -> None:
        for line in lines:
            self._console.print(Text(line))


_TALKING = ("training", "mitigation")
"""The steps that run the team's code."""


def _outcome(step: "Step") -> str:
    return "done" if step.verdict is None else str(step.verdict.outcome)


def _coloured(step: "Step") -> Text:
    return Text(_outcome(step), style="" if step.verdict is None else COLOURS[step.verdict.outcome])


def _doubts(name: str, verdict: Verdict) -> Iterator[str]:
    """The checks of a verdict that do not pass, the worst first; warnings do not decide, and are only counted."""
    doubtful = [each for each in verdict.checks if each.outcome is not Outcome.PASS]
    decisive = sorted((each for each in doubtful if each.severity == "critical"), key=worst_first)
    yield f"{name}: {verdict.outcome}"
    for each in decisive[:_MOST_CHECKS]:
        yield f"  {check_line(each)}"
    if len(decisive) > _MOST_CHECKS:
        yield f"  and {len(decisive) - _MOST_CHECKS} more"
    if others := len(doubtful) - len(decisive):
        yield f"  and {others} warning{'' if others == 1 else 's'} that do not decide"
