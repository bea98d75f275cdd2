"""What `assay gate contract` adds to a suite: the built-in checks, and the gate's trial on planted faults."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.core import Problem
    from assay.gates.contract.builtin import BuiltInEvidence, Roles, Split
    from assay.gates.contract.selftest import Subject
    from assay.policy import Data
    from assay.policy.contract import Contract
    from assay.policy.fairness import Fairness

_DRAWS, _CLEAN = 2, 200


def measured(
    path: Path,
    data: "Data | None",
    part: "Contract",
    fairness: "Fairness | None",
    key: str | None,
    reference: Path | None,
    report: Callable[[str], None] | None,
) -> "BuiltInEvidence":
    """What the built-in checks find in a file, with the roles that a policy's data give its columns."""
    from assay.data.sources import column_names
    from assay.gates.contract import builtin

    split = undealt = None
    if data is not None and part.split_overlap is not None and set(data.columns) <= set(column_names(path)):
        split, undealt = _split(path, data)
    found = builtin.measure(
        files=[path],
        roles=roles_of(data, key),
        policy=part,
        reference=[reference] if reference is not None else [],
        split=split,
        fairness=fairness,
        report=report,
    )
    return replace(found, undealt=undealt)


def roles_of(data: "Data | None", key: str | None) -> "Roles":
    """What the columns are for: what a policy says, but for the key where one is named."""
    from assay.gates.contract import builtin

    return builtin.Roles(key=key) if data is None else replace(builtin.Roles.of(data), key=key or data.key)


def _split(path: Path, data: "Data") -> "tuple[Split | None, Problem | None]":
    """Which rows are for training and which for testing, or what keeps them from being dealt."""
    from assay.data.dealing import TEST, TRAIN, Dealer
    from assay.gates.contract.builtin import Split

    dealer = Dealer(data)
    for batch in _batches(path, dealer.columns):
        dealer.take(batch)
    if dealer.refusal is not None:
        return None, dealer.refusal
    sides = dealer.deal().sides
    return Split(training=sides == TRAIN, testing=sides == TEST), None


def _batches(path: Path, columns: list[str]) -> "Iterator[pa.RecordBatch | pa.Table]":
    import pyarrow.parquet as pq

    from assay.data.sources import read_columns

    if path.suffix.lower() == ".parquet":
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(columns=columns)
    else:
        yield read_columns(path, columns)


@explained
def self_test(wanted: bool) -> None:
    """Plant faults in the data of the model that ships with Assay, print what the gate finds, and end."""
    if not wanted:
        return
    from assay.cli.progress import reporting
    from assay.gates.contract import selftest

    subject = _subject()
    with reporting() as report:
        found = selftest.run(subject, draws=_DRAWS, clean=_CLEAN, seed=0, report=report or (lambda _: None))
    lines = selftest.table(found)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    typer.echo(f"\n{selftest.summary(found)}")
    raise typer.Exit


def _subject() -> "Subject":
    """Adult, as the model `income` is made of it, with a column of times."""
    from assay.core import problem, settings
    from assay.data.sources import read_table
    from assay.gates.contract import load_suite, selftest
    from assay.gates.contract.builtin import Roles
    from assay.gates.contract.faults import Target
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
    return selftest.Subject(
        frame=read_table(folder / str(policy.data.source)).to_pandas(),
        roles=replace(Roles.of(policy.data), time=target.time),
        target=target,
        policy=Contract(),
        fairness=policy.gates.fairness,
        suite=_with_column(load_suite(folder / "contract.json"), target.time),
    )


def _with_column(suite: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The suite for data with one more column at their end."""
    entries = []
    for entry in suite["expectations"]:
        kwargs = dict(entry["kwargs"])
        if "column_list" in kwargs and entry["type"] == "expect_table_columns_to_match_ordered_list":
            kwargs["column_list"] = [*kwargs["column_list"], name]
        entries.append({**entry, "kwargs": kwargs})
    return {**suite, "expectations": entries}
