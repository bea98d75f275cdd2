"""One way to tell a person at a terminal that something is wrong."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from assay.core import AssayError, Outcome, UnavailableError, UserError

P = ParamSpec("P")
R = TypeVar("R")

WRONG_USAGE = 2


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end in a message, not a stack trace, when it meets an error that Assay raises on purpose.

    A `UserError` goes to standard error in full and ends the process with 2; an `UnavailableError`
    ends it with 4, and so does any other error of ours.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 (a command speaks to its terminal)
            raise typer.Exit(WRONG_USAGE) from None
        except UnavailableError as error:
            print(f"unavailable: {error}", file=sys.stderr)  # noqa: T201
            raise typer.Exit(Outcome.ERROR.exit_code) from None
        except AssayError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            raise typer.Exit(Outcome.ERROR.exit_code) from None

    return run
