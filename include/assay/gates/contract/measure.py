"""Run a suite over files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.core import did_you_mean, problem
from assay.gates.contract.adapter import Batch, open_batch
from assay.gates.contract.evaluate import evaluate
from assay.gates.contract.evidence import ContractEvidence
from assay.gates.contract.progress import Report, watched
from assay.gates.contract.quarantine import set_aside
from assay.policy.contract import Contract

_BLOCK = Contract()


def measure(
    *,
    files: Sequence[Path],
    suite: Mapping[str, Any],
    policy: Contract = _BLOCK,
    key: str | None = None,
    report: Report | None = None,
) -> ContractEvidence:
    """Evaluate every expectation of a suite.

    Parameters
    ----------
    files
        CSV or Parquet files that together hold the rows.
    suite
        As `load_suite` returns it.
    policy
        What is done with bad rows. With `quarantine` the suite is evaluated a second time, on the
        rows that no critical expectation objects to, as long as few enough are set aside.
    key
        Column that names a row, for the examples; quarantine needs it.
    report
        Is told from time to time, by another thread, how far the work has come.

    Returns
    -------
    ContractEvidence
        With one finding for each expectation, in the order of the suite.

    Raises
    ------
    UserError
        When a file cannot be read, or the key is not known.
    UnavailableError
        When there is no room for the scratch database.
    """
    entries = list(suite["expectations"])
    with open_batch(files) as batch:
        _check_key(batch, policy, key)
        with watched(batch, report, f"{len(entries)} expectations on {batch.rows:,} rows"):
            findings, bad = evaluate(batch, entries, key)
        quarantine = None
        if policy.max_quarantined is not None and key is not None and bad:
            with watched(batch, report, "the rest, without the rows set aside"):
                quarantine = set_aside(batch, entries, bad, key, policy.max_quarantined)
    return ContractEvidence(rows=batch.rows, findings=findings, quarantine=quarantine)


def _check_key(batch: Batch, policy: Contract, key: str | None) -> None:
    if key is not None and key not in batch.columns:
        raise problem(key, "no such column to be the key", did_you_mean(key, batch.columns))
    if key is None and policy.on_bad_rows == "quarantine":
        raise problem("--key", "on_bad_rows: quarantine needs a key that names the rows", "name the key column")
