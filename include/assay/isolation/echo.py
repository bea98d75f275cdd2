"""The smallest module for a box: it says back what it hears. Trials and measurements use it."""

from collections.abc import Callable


def main(receive: Callable[[], str], send: Callable[[str], None]) -> None:
    """Answer every line with itself until there is none."""
    while True:
        send(receive().rstrip("\n"))
