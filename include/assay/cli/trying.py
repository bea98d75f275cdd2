"""`assay try`: a model's folder through box and gates on this machine, and nothing recorded."""

import json as json_text
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    from assay.cli.trying_screen import Screen
    from assay.evidence.dry_run import DryRun, Plan

Folder = Annotated[
    Path,
    typer.Argument(help="Folder with policy.yaml, contract.json and train.py; anywhere, under any name."),
]
Data = Annotated[
    str | None,
    typer.Option(help="File, folder or pattern to read the rows from, in place of data.source.", show_default=False),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**32 - 1, help="Seed of training and gates; else the policy's.", show_default=False),
]
Target = Annotated[
    str,
    typer.Option(
        "--json",
        help="File for the result, written whole at the end or not at all; - for standard output, where nothing else "
        "is then written.",
        show_default=False,
    ),
]
Pages = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="Folder for a page per verdict, such as fairness.html; pages that an earlier try left there are replaced.",
        show_default=False,
    ),
]


@explained
def try_model(folder: Folder, json: Target, data: Data = None, seed: Seed = None, html: Pages = None) -> None:
    """Train a model in the box and put it through its gates here, without Airflow, MLflow or a database.

    The steps are those of the pipeline, by the same code: snapshot, data contract, training, performance, fairness
    (with the policy's mitigation, where it fails), robustness. What stops a run there stops it here.

    Nothing is recorded and no error budget is spent. A real run judges more strictly: it counts every attempt on
    the same data, compares with the champion, and asks a person.

    Examples
    --------
      assay try include/models/income --json try.json

      assay try . --data "exports/2024-*.parquet" --seed 3 --html pages --json -

    Exit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 ERROR, 2 for a folder, data or train.py that cannot be used, 130
    when interrupted.
    """
    from assay.cli.trying_ends import Interrupted, ended_by_signals

    with ended_by_signals() as interruption:
        try:
            _try(folder, json, data, seed, html, interruption.check)
        except Interrupted:
            code = interruption.code
        except Exception:
            # a library may have turned the interruption into an error of its own
            if not interruption.code:
                raise
            code = interruption.code
    typer.echo("interrupted: the box is ended, and nothing is written", err=True)
    raise typer.Exit(code)


def _try(
    folder: Path, target: str, data: str | None, seed: int | None, html: Path | None, check: Callable[[], None]
) -> NoReturn:
    from assay.cli.inputs import Mistakes
    from assay.cli.trying_ends import private_folder
    from assay.cli.trying_screen import Screen
    from assay.evidence.dry_run import DryRun, Plan

    mistakes, plan = Mistakes(), None
    with private_folder() as place:
        with mistakes.gathered():
            _check_targets(folder, target, html, data)
        screen = Screen(to_error=target == "-")
        with mistakes.gathered(), screen.preparing():
            plan = Plan.of(folder, data=data, seed=seed)
        mistakes.stop("assay try")
        assert plan is not None
        run = DryRun(plan=plan, place=place, report=screen.report)
        with _warnings_to(run.notes), screen.shown(plan):
            for step in run.steps():
                check()
                screen.show(step)
            check()
        run.notes += _remarks(plan, target, html)
        _answer(run, target, html, screen)


def _answer(run: "DryRun", target: str, html: Path | None, screen: "Screen") -> NoReturn:
    """Write pages and result, tell how it ended, and end with its exit code."""
    from assay.cli.output import STANDARD_OUTPUT, write_file

    if html is not None:
        _write_pages(run, html)
    content = json_text.dumps(run.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if target == STANDARD_OUTPUT:
        typer.echo(content.encode(), nl=False)
    else:
        write_file(Path(target), content.encode())
    screen.conclude(run, [] if target == STANDARD_OUTPUT else [target], html)
    raise typer.Exit(run.outcome.exit_code)


def _write_pages(run: "DryRun", folder: Path) -> None:
    """Write a page per verdict; one of an earlier try must not be taken for this one's."""
    from assay.cli.output import write_file
    from assay.evidence.dry_run import NAMES
    from assay.governance.render import verdict_file

    pages = {name: verdict_file(verdict) for name, verdict in run.verdicts.items()}
    for name in NAMES:
        if name in pages:
            write_file(folder / f"{name}.html", pages[name])
        else:
            (folder / f"{name}.html").unlink(missing_ok=True)


def _check_targets(folder: Path, target: str, html: Path | None, data: str | None) -> None:
    """Refuse what cannot be written, or would replace something that is read."""
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_target

    mistakes = Mistakes()
    read = [folder / name for name in ("policy.yaml", "contract.json", "train.py")]
    with mistakes.gathered():
        check_target(target, *read, *([] if data is None else [Path(data)]))
    if html is not None:
        if html.exists() and not html.is_dir():
            mistakes.add("--html", f"{html} is not a folder", "name a folder for the pages")
        elif not html.absolute().parent.is_dir():
            mistakes.add("--html", f"there is no folder {html.absolute().parent}")
    mistakes.stop("assay try")


def _remarks(plan: "Plan", target: str, html: Path | None) -> list[str]:
    """What is no mistake here, and may surprise later."""
    folder, model = plan.folder.path, plan.folder.policy.model
    remarks = []
    if folder.resolve().name != model:
        remarks.append(f"the folder is not called {model}, as the policy says; a real run needs it under that name")
    inside = [each for each in (target, html) if each is not None and str(each) != "-"]
    if any(Path(each).resolve().is_relative_to(folder.resolve()) for each in inside):
        remarks.append("what is written lies in the model's folder, and counts as its code from now on")
    return remarks


@contextmanager
def _warnings_to(notes: list[str]) -> Iterator[None]:
    """Keep what the code warns of, to be told in the end."""

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append(record.getMessage())

    logger, handler = logging.getLogger("assay"), Keeping(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
