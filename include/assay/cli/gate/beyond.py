"""What `assay gate contract` adds to a suite: the built-in checks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.core import Problem
    from assay.gates.contract.builtin import BuiltInEvidence, Roles, Split
    from assay.policy import Data
    from assay.policy.contract import Contract
    from assay.policy.fairness import Fairness


def measured(
    files: Sequence[Path],
    data: "Data | None",
    part: "Contract",
    fairness: "Fairness | None",
    key: str | None,
    reference: Sequence[Path],
    split: "tuple[Split | None, Problem | None]",
    report: Callable[[str], None] | None,
) -> "BuiltInEvidence":
    """What the built-in checks find in files, with the roles that a policy's data give their columns."""
    from assay.gates.contract import builtin

    found = builtin.measure(
        files=files,
        roles=roles_of(data, key),
        policy=part,
        reference=reference,
        split=split[0],
        fairness=fairness,
        report=report,
    )
    return replace(found, undealt=split[1])


def roles_of(data: "Data | None", key: str | None) -> "Roles":
    """What the columns are for: what a policy says, but for the key where one is named."""
    from assay.gates.contract import builtin

    return builtin.Roles(key=key) if data is None else replace(builtin.Roles.of(data), key=key or data.key)


def split_of(path: Path, data: "Data | None", part: "Contract") -> "tuple[Split | None, Problem | None]":
    """Which of a file's rows are for training and which for testing, or what keeps them from being dealt.

    Neither where no policy says how to deal, or nothing asks.
    """
    from assay.data.sources import column_names

    if data is None or part.split_overlap is None or not set(data.columns) <= set(column_names(path)):
        return None, None
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
