"""How a gate command answers: the verdict's JSON, a table for the eye, and an exit code."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import typer

from assay.cli.umask import users_umask
from assay.core import Outcome, Problem, UnavailableError, UserError, Verdict, replace_file
from assay.core.text import verdict_text

STANDARD_OUTPUT = "-"
_NARROWEST = 60
_COLOURS = {Outcome.PASS: "green", Outcome.INCONCLUSIVE: "yellow", Outcome.ERROR: "magenta", Outcome.FAIL: "red"}


def check_target(target: str, *inputs: Path, option: str = "--json") -> None:
    """Refuse a target that cannot be written, before any work is done.

    Raises
    ------
    UserError
        When its folder does not exist, it is itself a folder, or it is one of the `inputs`.
    """
    if target == STANDARD_OUTPUT:
        return
    path = Path(target)
    try:
        unfit = path.is_dir() or not target
    except (OSError, ValueError):  # too long, or holds a null byte
        unfit = True
    if unfit:
        raise UserError(option, [Problem(path=option, message=f'"{target}" is no file name')])
    if not path.parent.is_dir():
        raise UserError(option, [Problem(path=option, message=f"there is no folder {path.parent}")])
    if any(path.exists() and each.exists() and path.samefile(each) for each in inputs):
        raise UserError(option, [Problem(path=option, message=f"{path} is an input; what is written would replace it")])


def check_page(html: str | None, json: str, *inputs: Path) -> None:
    """As `check_target`, of the file for a verdict's page, which must be another than the one for its JSON."""
    if html is None:
        return
    if html == STANDARD_OUTPUT:
        raise UserError(
            "--html", [Problem(path="--html", message="a page is written to a file, not to standard output")]
        )
    check_target(html, *inputs, option="--html")
    if json != STANDARD_OUTPUT and Path(html).resolve() == Path(json).resolve():
        raise UserError("--html", [Problem(path="--html", message=f"{html} is the file that --json names")])


def answer(verdict: Verdict, target: str, html: str | None = None) -> NoReturn:
    """Write the verdict, and its page if it is wanted, show it as a table, and end with its exit code.

    Raises
    ------
    UnavailableError
        When a file cannot be written; what was there before stays.
    """
    content = verdict_json(verdict)
    if html is not None:
        from assay.governance.render import verdict_file

        write_file(Path(html), verdict_file(verdict))
    if target == STANDARD_OUTPUT:
        typer.echo(content, nl=False)
    else:
        write_file(Path(target), content)
    _show(verdict, to_error=target == STANDARD_OUTPUT)
    raise typer.Exit(verdict.outcome.exit_code)


def verdict_json(verdict: Verdict) -> bytes:
    """The verdict as indented UTF-8 JSON."""
    return (json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    UnavailableError
        When the disk or the permissions do not allow it.
    """
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():  # a pipe or a device is written into, never replaced
            path.write_bytes(content)
            return
        with users_umask():
            replace_file(path, content)
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}") from None


def _show(verdict: Verdict, *, to_error: bool) -> None:
    stream = sys.stderr if to_error else sys.stdout
    if not stream.isatty():
        text = verdict_text(verdict)
    else:
        text = verdict_text(verdict, width=max(_NARROWEST, shutil.get_terminal_size().columns))
        for outcome, colour in _COLOURS.items():
            text = re.sub(rf"^{outcome}\b|(?<=gate: ){outcome}\b", typer.style(outcome, fg=colour), text, flags=re.M)
    typer.echo(text, err=to_error)
