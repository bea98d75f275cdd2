"""How long work tells where it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and how much there is, where that is known."""


def silent(doing: str, done: int, total: int | None) -> None:
    """Tell nobody."""


def counting(progress: Progress, doing: str, total: int | None) -> Callable[[int], None]:
    """Something to be told of every further piece, which tells `progress` of the sum."""
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        progress(doing, done, total)

    return told
