"""`assay explain`: what one row's score is made of, and what would turn the decision."""

import json as json_format
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    from assay.evidence.explain.counterfactual import Cell, Counterfactual
    from assay.evidence.explain.local import Contribution, LocalExplanation

_HALF = 16  # characters of a bar to either side
_VALUE = 24  # characters of a value that are shown


@explained
def explain(
    model: Annotated[str, typer.Argument(help="The registered model.")],
    version: Annotated[int, typer.Argument(help="One of its versions.", min=1)],
    row: Annotated[
        Path,
        typer.Option(help="JSON file with one object, or CSV file with a header and one row.", show_default=False),
    ],
    json: Annotated[
        str,
        typer.Option(
            "--json",
            help="File for the explanation's JSON, written whole or not at all; - for standard output, where "
            "nothing else is then written (the table goes to standard error).",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Explain a version's score of one row, from the model, data and policy that its dossier names.

    Contributions are Shapley values: with the mean score of the training data they sum to the row's score.
    Counterfactuals are the smallest changes, within the policy's data.mutable columns, that turn the decision.

    Example: assay explain income 3 --row applicant.json
    """
    from assay.cli.inputs import Mistakes
    from assay.cli.output import STANDARD_OUTPUT, check_target, write_file
    from assay.core import Settings
    from assay.evidence.card.store import case_of
    from assay.evidence.explain.local import explain_row
    from assay.evidence.explain.rows import read_row, row_inputs
    from assay.evidence.opening import archive
    from assay.evidence.stored import Stored

    mistakes, given = Mistakes(), {}
    if json:
        with mistakes.gathered():
            check_target(json, row)
    with mistakes.gathered():
        given = read_row(row)
    mistakes.stop("assay explain")
    case = case_of(Stored.of_version(archive(Settings.from_environment()), model, version))
    known = [*case.policy.data.columns]
    found = explain_row(case, row_inputs(given, case.candidate.inputs, known=known))
    content = json_format.dumps(
        {"name": model, "version": version, **found.to_dict()}, indent=2, ensure_ascii=False, allow_nan=False
    )
    if json == STANDARD_OUTPUT:
        typer.echo(content)
    elif json:
        write_file(Path(json), f"{content}\n".encode())
    to_error = json == STANDARD_OUTPUT
    stream = sys.stderr if to_error else sys.stdout
    lines = [f"{model} version {version}", *explanation_lines(found, block=_block(stream.encoding))]
    typer.echo("\n".join(lines), err=to_error)


def explanation_lines(found: "LocalExplanation", *, block: str = "#") -> Iterator[str]:
    """The explanation as a table with bars, left for less and right for more.

    Parameters
    ----------
    found
        What to show.
    block
        The character that bars are made of.
    """
    side = "at or above" if found.score >= found.threshold else "below"
    yield f"decides {found.decision}: the score {found.score:.4f} is {side} the threshold {found.threshold:g}"
    yield f"model {found.model[:16]}, data {found.snapshot}"
    yield ""
    yield from _table(found.contributions, block)
    total = sum(each.amount for each in found.contributions)
    yield f"mean score of {found.background:,} training rows {found.base:.4f}, contributions {total:+.4f}"
    for number, other in enumerate(found.counterfactuals, 1):
        yield from ["", "It would decide otherwise with"] if number == 1 else []
        yield f"  {number}. {_changes(other)} (score {other.score:.4f}, distance {other.distance:.3g})"
    yield from ["", *found.notes] if found.notes else []


def _table(contributions: "Sequence[Contribution]", block: str) -> Iterator[str]:
    cells = [(each.feature, _shown(each.value)) for each in contributions]
    names, values = (max(map(len, column), default=0) for column in zip(*cells, ("feature", "value"), strict=True))
    largest = max((abs(each.amount) for each in contributions), default=0.0) or 1.0
    yield f"{'feature':{names}}  {'value':{values}}  contribution   error"
    for (name, value), each in zip(cells, contributions, strict=True):
        length = round(_HALF * abs(each.amount) / largest)
        left, right = (block * length, "") if each.amount < 0 else ("", block * length)
        line = f"{name:{names}}  {value:{values}}  {each.amount:+12.4f}  {each.error:.4f}  {left:>{_HALF}}|{right}"
        yield line.rstrip()


def _changes(other: "Counterfactual") -> str:
    return ", ".join(f"{each.feature} {_shown(each.was)} -> {_shown(each.becomes)}" for each in other.changes)


def _shown(value: "Cell") -> str:
    if value is None:
        return "(none)"
    text = f"{value:g}" if isinstance(value, float) else " ".join(value.split())
    return text if len(text) <= _VALUE else text[: _VALUE - 3] + "..."


def _block(encoding: str | None) -> str:
    """A full block where the terminal can show one."""
    try:
        "\N{FULL BLOCK}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#"
    return "\N{FULL BLOCK}"
