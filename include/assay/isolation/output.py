"""What comes out of a box: files that it has written, and lines that it prints. None of it is trusted."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from assay.isolation.limits import BoxError

_LONGEST_LOG_LINE, _MOST_LOG_LINES = 2_000, 5_000


def read_out(scratch: Path, name: str, *, limit: int) -> bytes:
    """Read a file that a box has written, trusting nothing about it.

    Parameters
    ----------
    scratch
        The box's scratch folder.
    name
        A fixed name, never one that the box says.
    limit
        The most bytes that it may have.

    Raises
    ------
    BoxError
        When it is missing, a link, not a regular file, known by another name too, or too large.
    """
    folder = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        raise BoxError(f"left no file {name}") from None
    finally:
        os.close(folder)
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:  # a folder or a pipe is never read from
            raise BoxError(f"left {name} as something else than a file of its own")
        content = b""
        if found.st_size <= limit:
            with open(opened, "rb", closefd=False) as stream:
                content = stream.read(limit + 1)
    finally:
        os.close(opened)
    if found.st_size > limit or len(content) > limit:
        raise BoxError(f"left {name} with more than {limit:,} bytes", "train a smaller model")
    return content


def pass_on(output: int, log: Callable[[str], None]) -> None:
    """Pass on what the box prints, line by line, and never more than a person can read."""
    lines, waiting = 0, b""
    with os.fdopen(output, "rb", buffering=0) as stream:
        while chunk := stream.read(1 << 14):
            *whole, waiting = (waiting + chunk).split(b"\n")
            if len(waiting) > _LONGEST_LOG_LINE:
                whole, waiting = [*whole, waiting], b""
            for line in whole[: max(0, _MOST_LOG_LINES - lines)]:
                log(_visible(line))
            if lines < _MOST_LOG_LINES <= lines + len(whole):
                log(f"(the training prints more than {_MOST_LOG_LINES:,} lines; the rest is left out)")
            lines += len(whole)
    if waiting and lines < _MOST_LOG_LINES:
        log(_visible(waiting))


def _visible(line: bytes) -> str:
    text = line.decode(errors="replace")[:_LONGEST_LOG_LINE]
    return "".join(each if each.isprintable() or each == "\t" else repr(each)[1:-1] for each in text)[
        :_LONGEST_LOG_LINE
    ]
