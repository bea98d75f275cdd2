"""What the gate commands have in common: options, how they begin and how they answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.core import Judgement, Stopwatch
    from assay.policy import PartialGates

Data = Annotated[Path, typer.Option(help="CSV or Parquet file with the rows to judge.", show_default=False)]
Label = Annotated[str, typer.Option(help="Column with what really happened.", show_default=False)]
Positive = Annotated[
    str | None,
    typer.Option(
        help="The class that counts as positive, as it is written in the label; 1 also means 1.0 and true. "
        "Without it the columns must hold 0/1 or true/false.",
        show_default=False,
    ),
]
PolicyFile = Annotated[
    Path,
    typer.Option("--policy", help="Policy file; one that holds nothing but `gates:` is enough.", show_default=False),
]
Seed = Annotated[int, typer.Option(min=0, help="Makes the random draws repeatable.")]
Target = Annotated[
    str,
    typer.Option(
        "--json",
        help="File for the verdict's JSON, written whole or not at all; - for standard output, "
        "where nothing else is then written (the table goes to standard error).",
        show_default=False,
    ),
]
Page = Annotated[
    str | None,
    typer.Option(
        "--html",
        help="File for the verdict's page, written whole or not at all: a summary in plain words, then every check and "
        "group as a picture and a table. It needs no network.",
        show_default=False,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="The score from which on the model decides for the positive class.", show_default=False
    ),
]
Attempt = Annotated[
    int,
    typer.Option(
        min=1,
        max=1_000_000,
        help="How many models, this one counted, were measured on these data: the k-th is judged more strictly, "
        "so that trying until one passes does not work.",
    ),
]


def begin(
    target: str, policy: Path, gate: str, *inputs: Path, html: str | None = None
) -> "tuple[Mistakes, PartialGates, str | None]":
    """Look at the targets and the policy; what is wrong with them is kept for the one message."""
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_page, check_target
    from assay.policy import PartialGates, load_gates

    mistakes, gates, policy_sha256 = Mistakes(), PartialGates(), None
    with mistakes.gathered():
        check_target(target, policy, *inputs)
    with mistakes.gathered():
        check_page(html, target, policy, *inputs)
    with mistakes.gathered():
        gates, policy_sha256 = load_gates(policy)
        if getattr(gates, gate) is None:
            mistakes.add(f"gates.{gate}", f"is missing in {policy}", "write the gate's part of the policy")
    return mistakes, gates, policy_sha256


def end(
    gate: str,
    judgement: "Judgement",
    watch: "Stopwatch",
    *,
    data: Path,
    target: str,
    html: str | None = None,
    policy_sha256: str | None = None,
    model: str | None = None,
) -> NoReturn:
    """Bind the judgement to what it was about, and answer."""
    from assay.cli.output import answer
    from assay.core import Subject, bind, code_version, sha256_file

    snapshot = f"sha256:{sha256_file(data)}"
    subject = Subject(model=model, policy_sha256=policy_sha256, snapshot=snapshot, code_version=code_version())
    answer(bind(gate, judgement, subject, watch), target, html)
