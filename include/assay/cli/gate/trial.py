"""`assay gate contract --self-test`: what the gate finds of faults planted in good data."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    from assay.gates.contract.trial import Subject

DRAWS, CLEAN = 2, 200
_QUICK_CLEAN = 20


@explained
def self_test(context: typer.Context, wanted: bool) -> None:
    """Plant faults in the data of the model that ships with Assay, print what the gate finds, and end."""
    if not wanted:
        return
    from assay.cli.progress import reporting
    from assay.gates.contract import selftest

    quick = bool(context.params.get("quick"))
    draws, clean, strengths = (1, _QUICK_CLEAN, [2]) if quick else (DRAWS, CLEAN, [0, 1, 2])
    with reporting() as report:
        found = selftest.run(
            _subject(), draws=draws, clean=clean, seed=0, strengths=strengths, workers=os.cpu_count() or 1,
            report=report or (lambda _: None),
        )  # fmt: skip
    lines = selftest.table(found, strengths)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    typer.echo(f"\n{selftest.summary(found)}")
    raise typer.Exit


def _subject() -> "Subject":
    """Adult, as the model `income` is made of it, with a column of times."""
    from assay.core import problem, settings
    from assay.data.draft.contract import suggest_of
    from assay.data.sources import read_table
    from assay.gates.contract.builtin import Roles
    from assay.gates.contract.faults import Target
    from assay.gates.contract.trial import Subject
    from assay.policy import load_folder
    from assay.policy.contract import Contract

    folder = settings.PACKAGE.parent / "models" / "income"
    if not (folder / "policy.yaml").is_file():
        raise problem("--self-test", f"needs the model that ships with Assay in {folder}", "run it from the repository")
    policy = load_folder(folder).policy
    target = Target(
        key=policy.data.key, label=policy.data.label, positive=str(policy.data.positive), time="recorded", number="age",
        other_number="hours_per_week", category="occupation", other_category="relationship", group="race",
    )  # fmt: skip
    return Subject(
        frame=read_table(folder / str(policy.data.source)).to_pandas(),
        roles=replace(Roles.of(policy.data), time=target.time),
        target=target,
        draft=suggest_of,
        policy=Contract(),
        fairness=policy.gates.fairness,
    )
