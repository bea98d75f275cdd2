"""Errors that carry data and a mend. A `UserError` is somebody's mistake and never a stack trace."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class AssayError(Exception):
    """Anything Assay raises on purpose."""


class UnavailableError(AssayError):
    """A server, disk or network failed: outcome ERROR, worth a retry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with an input.

    Attributes
    ----------
    path
        Where: a dotted policy path, a file, an option or a column.
    message
        What is wrong, in one line.
    mend
        What to do about it; may be empty.
    """

    path: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.mend})" if self.mend else "")


class UserError(AssayError):
    """Bad input: everything that is wrong with it, each with its path and mend."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        super().__init__(subject, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            only = self.problems[0]
            return str(only) if only.path == self.subject else f"{self.subject}: {only}"
        return "\n".join([f"{self.subject}: {len(self.problems)} problems"] + [f"  {p}" for p in self.problems])


def problem(path: str, message: str, mend: str = "") -> UserError:
    """Return a `UserError` with a single problem whose subject is the path itself."""
    return UserError(path, [Problem(path=path, message=message, mend=mend)])


LISTED = 50
"""How many known names a hint lists: a table has thousands of columns."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known name, or all of them, up to `LISTED`, when none is near.

    Examples
    --------
    >>> did_you_mean("gendr", ["gender", "race"])
    'did you mean "gender"?'
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    more = [f"and {len(known) - LISTED:,} more"] if len(known) > LISTED else []
    return "known: " + ", ".join([*known[:LISTED], *more]) if known else "none is known"
