"""``assay new``: a first draft of a model's folder, from its data."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.umask import users_umask
from assay.core import Problem, Settings, UnavailableError, UserError


def new(
    name: Annotated[str, typer.Argument(help="Name of the model: lower-case letters, digits and _.")],
    data: Annotated[Path, typer.Option(help="CSV or Parquet file with the rows to learn from.", show_default=False)],
    label: Annotated[str, typer.Option(help="Column to learn; two classes.", show_default=False)],
    positive: Annotated[
        str | None, typer.Option(help="Class to predict; guessed if left out.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Column that names a row; guessed if left out.", show_default=False)
    ] = None,
    sensitive: Annotated[
        list[str] | None,
        typer.Option(help="Column whose groups are compared; may be given again.", show_default=False),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where models live; ASSAY_MODELS if left out.", show_default=False)
    ] = None,
) -> None:
    """Draft policy, contract, training code and datasheet of a new model.

    Example: assay new churn --data churn.csv --label churned --sensitive gender
    """
    from assay.data.draft import assign_roles, draft_files
    from assay.data.sources import read_table

    target = (folder or Settings.from_environment().models).absolute() / name
    problems, table = _target_problems(name, target), None
    try:
        table = read_table(data)
    except UserError as error:
        problems += error.problems
    if problems or table is None:
        raise UserError("assay new", problems)
    roles = assign_roles(
        table, source=_source(data, target), label=label, positive=positive, key=key, sensitive=sensitive or []
    )
    files = draft_files(table, roles, name)
    _write(target, files)
    _tell(target, files, roles.remarks)


def _target_problems(name: str, target: Path) -> list[Problem]:
    from pydantic import TypeAdapter, ValidationError

    from assay.policy.parts import Name

    problems = []
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        message = "must start with a lower-case letter and go on with lower-case letters, digits or _, 63 at most"
        problems.append(Problem(path="NAME", message=f"{message}, got {name!r}"))
    if target.parent.exists() and not target.parent.is_dir():
        problems.append(Problem(path="--folder", message=f"{target.parent} is not a folder"))
    elif os.path.lexists(target):
        message = f"{target} is there already"
        problems.append(Problem(path="NAME", message=message, mend="choose another name, or remove it yourself"))
    return problems


def _source(data: Path, target: Path) -> str:
    """How the policy names the data: from its own folder if both lie under the same root, else in full."""
    path = data.resolve()
    if path.is_relative_to(target.parent.resolve()):
        return Path(os.path.relpath(path, target.parent.resolve() / target.name)).as_posix()
    return str(path)


def _write(target: Path, files: Mapping[str, str]) -> None:
    """Write beside the target and move into place: a half-written folder would be read as a model."""
    try:
        with users_umask():
            target.parent.mkdir(parents=True, exist_ok=True)
            workshop = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
            try:
                draft = workshop / target.name
                draft.mkdir()
                for file, text in files.items():
                    (draft / file).write_text(text, encoding="utf-8")
                draft.rename(target)
            finally:
                shutil.rmtree(workshop)
    except OSError as error:
        raise UnavailableError(f"{target} could not be written: {error.strerror or error}") from None


def _tell(target: Path, files: Mapping[str, str], remarks: Sequence[str]) -> None:
    lines = [f"Wrote {target}:", *(f"  {file}" for file in files)]
    if remarks:
        lines += ["", "Please check what was guessed:", *(f"  - {remark}" for remark in remarks)]
    lines += [
        "",
        "Next:",
        "  1. policy.yaml: name the owner, say what the model is for, and review every limit.",
        "  2. contract.json: keep what must hold for all data to come, drop what only happens to hold today.",
        "  3. datasheet.md: fill in the blanks.",
        f"  4. assay try {target} --json try.json",
        f"  5. In Airflow, trigger retrain_{target.name}.",
    ]
    typer.echo("\n".join(lines))
