"""A line on the terminal that says how far long work has come, and goes away when it is done."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CLEAR = "\r\x1b[K"


@contextmanager
def reporting() -> Iterator[Callable[[str], None] | None]:
    """Something to report to, which shows the latest report on standard error; None when nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(text: str) -> None:
        sys.stderr.write(_CLEAR + text)
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
