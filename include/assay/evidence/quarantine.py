"""Rows set aside in a retraining: what the contract objects to, taken out before a snapshot is one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    from assay.data.quarantine import QuarantineSieve, Sifted
    from assay.data.snapshots import Snapshot
    from assay.gates.contract import BadRows
    from assay.policy import Policy


def sieve_of(policy: "Policy", contract: Path, progress: Progress = silent) -> "QuarantineSieve | None":
    """What sets aside the bad rows of one snapshot as a policy says; None where they block.

    Parameters
    ----------
    contract
        File with the data contract.
    progress
        Told when rows are held to it.

    Raises
    ------
    UserError
        When the contract cannot be read.
    """
    from assay.data.quarantine import QuarantineSieve
    from assay.gates.contract import bad_rows, load_suite

    limit, key = policy.gates.contract.max_quarantined, policy.data.key
    if limit is None:
        return None
    suite = load_suite(contract)

    def find(files: Sequence[Path]) -> "BadRows":
        progress("looking for rows that the contract objects to", 0, None)
        return bad_rows(files=files, suite=suite, key=key, most=limit)

    return QuarantineSieve(find, limit=limit, data=policy.data, model=policy.model)


def sifted_before(snapshot: "Snapshot", policy: "Policy", contract: Path, root: str) -> "Sifted | None":
    """What was set aside when an existing snapshot was last taken; None where a policy does not ask.

    It cannot be changed any more: bad rows in it are counted, and none of them is set aside.

    Raises
    ------
    UserError
        When the contract cannot be read, or the rows set aside are gone or were changed.
    """
    from assay.data.quarantine import Sifted
    from assay.gates.contract import bad_rows, load_suite

    limit = policy.gates.contract.max_quarantined
    if limit is None:
        return None
    if told := snapshot.takings[-1].get("quarantine"):
        return replace(Sifted.of(told, root=root, model=policy.model), limit=limit)
    found = bad_rows(files=snapshot.files(), suite=load_suite(contract), key=policy.data.key, most=limit)
    return Sifted(limit=limit, read=found.read, bad=found.rows, reasons=found.reasons)
