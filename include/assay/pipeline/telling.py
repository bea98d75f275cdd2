"""Log lines about long work: that it begins, from time to time how far it is, and how long it took."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two lines."""


@contextmanager
def telling(what: str) -> Iterator[Callable[[str], None]]:
    """Log what is reported while the block runs, a line every ten seconds however often that is."""
    start = said = time.monotonic()

    def report(text: str) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            log.info("%s, %.0f s: %s", what, said - start, text)

    log.info("%s begins", what)
    try:
        yield report
    finally:
        log.info("%s ended after %.1f s", what, time.monotonic() - start)


def counted(report: Callable[[str], None]) -> Callable[[str, int, int | None], None]:
    """What reports how much of how much is done, in the same words for all long work on data."""

    def progress(doing: str, done: int, total: int | None) -> None:
        report(f"{doing}: {done:,}" + (f" of {total:,}" if total else ""))

    return progress
