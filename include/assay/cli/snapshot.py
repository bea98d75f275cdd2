"""`assay snapshot ...`: fix data, list what is fixed, and say what changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.cli.expiry import expire
from assay.cli.quarantined import quarantined
from assay.cli.snapshot_parts import found as found_by_id
from assay.cli.snapshot_parts import opened, print_json, progress, show_table
from assay.cli.snapshot_text import changes, described, movements, table_of, told_of
from assay.core import Outcome, Settings, problem

if TYPE_CHECKING:
    from assay.policy import ModelFolder

app = typer.Typer(
    no_args_is_help=True,
    help="""Fix data as immutable snapshots, list them, compare them, check them.

    A snapshot is a version of a Delta table and a manifest that pins it: the SHA-256 of every file, the
    schema, the source, the time it was taken, who may be in it and until when it may be kept. The same
    rows always make the same snapshot, and its id, MODEL-0123456789abcdef, stands in every verdict.

    Snapshots are kept below ASSAY_SNAPSHOTS; --root names another folder or URL.""",
)

Root = Annotated[str | None, typer.Option(help="Folder or URL of the snapshots; ASSAY_SNAPSHOTS without it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")]
Id = Annotated[str, typer.Argument(help="A snapshot's id: MODEL-0123456789abcdef.", metavar="SNAPSHOT")]


app.command()(quarantined)
app.command()(expire)


@app.command()
@explained
def create(
    model: Annotated[str, typer.Argument(help="The model, or its folder with policy.yaml in it.")],
    source: Annotated[
        str | None, typer.Option(help="Take the rows of this file, folder, pattern or URL instead of data.source.")
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Take a snapshot of a model's data, as the policy's `data` says.

    What data.source may be, paths being meant from the model's folder:

      data/people.parquet, data/people.csv     a file
      data/2024-*.parquet, data/**/*.csv       all files of such names
      data/people                              a folder, in partitions or not
      s3://lake/people/                        the same on an object store
      {delta: tables/people, version: 12}      a version of a Delta table
      {sql: "SELECT ...", url_env: WAREHOUSE}  a query; WAREHOUSE is set to
                                               the database's SQLAlchemy URL

    What `data` may say of who and what is kept:

      drop                                     columns that never enter
      pseudonymize                             columns to hash under a key,
                                               set in ASSAY_PSEUDONYM_KEY
      consent: {column: agreed, value: "yes"}  rows that say so; others are
                                               counted and left out
      keep_days: 365                           how long it may be kept
      time: created_at                         when a row came about
      split: {by: group, column: household}    how rows are dealt to
                                               training, validation and test

    Credentials come from the environment and are never shown. Rows stream through: memory does not grow
    with them. A run that is killed leaves no snapshot, and running it again gives it.

    Exit codes: 0, 2 when the source or the policy is not right, 4 when a disk, store or database fails.

    Example: assay snapshot create income
    """
    from assay.data.snapshots import create_snapshot, list_snapshots
    from assay.evidence.quarantine import sieve_of

    settings, folder = Settings.from_environment(), _model_folder(model)
    policy, where = folder.policy, settings.snapshots if root is None else root
    known = {each.id for each in list_snapshots(where, policy.model)}
    with progress() as told:
        taken = create_snapshot(
            source=policy.data.source if source is None else source,
            base=folder.path if source is None else Path(),
            data=policy.data,
            model=policy.model,
            root=where,
            sources=settings.source_roots,
            sieve=sieve_of(policy, folder.contract, told),
            progress=told,
        )
    if as_json:
        print_json({**taken.manifest, **taken.takings[-1]})
        return
    typer.echo("\n".join(described(taken)))
    if taken.id in known:
        typer.echo("The same rows were taken before; that snapshot stays as it is, and tells of this taking, too.")


@app.command(name="list")
@explained
def list_all(
    model: Annotated[str | None, typer.Argument(help="The model; without it all of them.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """List snapshots, the oldest of each model first, and whether their time to be kept is over.

    Their files are not looked at; `assay snapshot verify` does.

    Example: assay snapshot list income
    """
    from assay.data.snapshots import list_snapshots, models_with_snapshots

    where = Settings.from_environment().snapshots if root is None else root
    models = models_with_snapshots(where) if model is None else [model]
    found = [each for name in models for each in list_snapshots(where, name)]
    if as_json:
        print_json([told_of(each) for each in found])
    elif found:
        show_table(table_of(found))
    else:
        typer.echo("there is no snapshot")


@app.command()
@explained
def show(snapshot: Id, root: Root = None, as_json: AsJson = False) -> None:
    """Show what a snapshot's manifest says, each taking of its rows, and when they were deleted if they were.

    Its files are not looked at; `assay snapshot verify` does.

    Example: assay snapshot show income-bde34c10383ef04b
    """
    found = found_by_id(snapshot, root)
    if as_json:
        print_json(told_of(found))
        return
    typer.echo("\n".join(described(found)))
    width = max(len(field["name"]) for field in found.manifest["schema"])
    typer.echo("columns:")
    typer.echo("\n".join(f"  {field['name']:{width}}  {field['type']}" for field in found.manifest["schema"]))


@app.command()
@explained
def diff(
    before: Annotated[str, typer.Argument(help="The id of the older snapshot.")],
    after: Annotated[str, typer.Argument(help="The id of the newer one.")],
    top: Annotated[int, typer.Option(help="How many columns to show; JSON has them all.", min=1)] = 20,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed between two snapshots: columns, rows, terms, and how far each column moved.

    The columns that moved most come first, by the population stability index (PSI) over tenths of the
    older snapshot or its most frequent categories, missing values being a cell of their own. By custom
    0.1 is worth a look and 0.25 is large. Its interval says what endless rows would show: from 0 on
    means that chance explains it. p is that of a two-sample test, corrected for the number of columns.

    Example: assay snapshot diff income-bde34c10383ef04b income-1f0c5a7788d3e2ab
    """
    from assay.data.diff import diff as compare

    one, other = (opened(each, root) for each in (before, after))
    with progress() as told:
        found = compare(one, other, progress=told)
    if as_json:
        print_json(found.to_dict())
        return
    typer.echo("\n".join(changes(found)))
    if found.movements:
        show_table(movements(found, top))


@app.command()
@explained
def verify(
    snapshots: Annotated[list[str] | None, typer.Argument(help="Ids; without any, all snapshots.")] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Hold snapshots against their manifests: every byte of every file, every row, and Delta's log.

    So are the rows that were set aside when they were taken. Of those whose rows were deleted when their time
    was over, nothing must be left.

    Exit codes: 0 when all is as it was made, 1 when anything is not, 2 for a snapshot that there is not, or when
    there is none.

    Example: assay snapshot verify income-bde34c10383ef04b
    """
    from assay.data.snapshots import list_snapshots, models_with_snapshots
    from assay.data.verify import verify_quarantined, verify_snapshot
    from assay.policy import masked

    where = Settings.from_environment().snapshots if root is None else root
    every = [each for name in models_with_snapshots(where) for each in list_snapshots(where, name)]
    wanted = [found_by_id(each, root) for each in snapshots] if snapshots else every
    if not wanted:
        raise problem(masked(where), "there is no snapshot to verify", "ASSAY_SNAPSHOTS or --root says where they are")
    with progress() as told:
        found = {
            each.id: [str(wrong) for wrong in (*verify_snapshot(each, told), *verify_quarantined(where, each))]
            for each in wanted
        }
    gone = {each.id: each.tombstone for each in wanted if each.tombstone is not None}
    if as_json:
        print_json(
            [
                {"id": name, "sound": not wrong, "deleted": gone[name].at if name in gone else None, "problems": wrong}
                for name, wrong in found.items()
            ]
        )
    for name, wrong in [] if as_json else found.items():
        told_of_it = wrong or ([gone[name].sentence] if name in gone else [])
        typer.echo(f"{'CHANGED' if wrong else 'deleted' if name in gone else 'ok':7}  {name}")
        typer.echo("".join(f"         {each}\n" for each in told_of_it), nl=False)
    raise typer.Exit(Outcome.FAIL.exit_code if any(found.values()) else Outcome.PASS.exit_code)


def _model_folder(model: str) -> "ModelFolder":
    from assay.policy import find_model, load_folder

    path = Path(model)
    if path.name == "policy.yaml":
        path = path.parent
    if (path / "policy.yaml").is_file():
        return load_folder(path)
    return find_model(Settings.from_environment().models, model)
