"""`assay doctor`: whether this machine can train, and how training is kept apart on it."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings

if TYPE_CHECKING:
    from assay.local.health import Fact, Isolation

_WIDTH = 11


@explained
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    r"""Say how this machine keeps training code apart, and whether anything about it stands in the way.

    A model's train.py is not trusted: it runs in a box that cannot reach keys, other models' rows, the network or
    other processes. Each way of making such a box is tried by running a process in it. The strongest first:

    \b
    namespaces   bubblewrap: a file system, network and processes of its own
    landlock     the kernel's Landlock: no files but the ones it is given (Linux 6.2 or later)
    user         another account (ASSAY_TRAINING_USER); only root can use it
    none         nothing; never chosen by itself, and refused for models of risk tier high

    ASSAY_ISOLATION names one of them; `auto`, the default, takes the first that works. See docs/isolation.md.

    Exit codes: 0; 1 when training could not run isolated here.

    Example: ASSAY_ISOLATION=landlock assay doctor
    """
    from assay.local import health

    found, facts = health.isolation(), health.facts(Settings.from_environment())
    if as_json:
        told = {"isolation": asdict(found), "facts": [asdict(each) for each in facts]}
        typer.echo(json.dumps(told, indent=2))
    else:
        typer.echo(_text(found, facts))
    if found.chosen in (None, "none"):
        raise typer.Exit(1)


def _text(found: "Isolation", facts: "list[Fact]") -> str:
    lines = ["Isolation of training", ""]
    for level, reason in found.reasons.items():
        mark = "*" if level == found.chosen else " "
        works = "no isolation" if level == "none" else f"no: {reason}" if reason else "works"
        lines.append(f"{mark} {level:<{_WIDTH}} {works}")
    lines += ["", f"ASSAY_ISOLATION={found.setting}: {_conclusion(found)}", "", "This machine", ""]
    width = max(len(each.name) for each in facts)
    for fact in facts:
        lines.append(f"  {fact.name:<{width}}  {fact.value}")
        if fact.advice:
            lines.append(f"  {'':<{width}}  ! {fact.advice}")
    return "\n".join(lines)


def _conclusion(found: "Isolation") -> str:
    if found.chosen is None:
        return f"training is refused: {found.refused}"
    if found.chosen == "none":
        return "training runs without isolation; models of risk tier high are refused"
    return f"training runs at level {found.chosen}"
