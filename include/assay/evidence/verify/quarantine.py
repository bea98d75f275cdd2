"""The rows that were set aside when a snapshot was taken, against the record."""

from collections.abc import Mapping
from typing import Any

from assay.core import UserError
from assay.evidence.verify.report import Finding


def set_aside(root: str, model: str, facts: Mapping[str, Any]) -> tuple[str, list[Finding]]:
    """What was looked at, in words, and what is not as it was recorded.

    Rows whose time was over and that were deleted are as they should be.

    Parameters
    ----------
    facts
        Of the record of the snapshot.
    """
    from assay.data.quarantine import Sifted, find_entry
    from assay.data.verify import verify_snapshot

    told = facts.get("quarantine")
    if not told or told["entry"] is None:
        return "", []
    try:
        entry = find_entry(root=root, model=model, entry_id=told["entry"]["id"])
        if entry.tombstone is not None:
            return "", []
        sifted = Sifted.of(told, root=root, model=model)
    except UserError as error:
        return "", [Finding(path=each.path, message=each.message) for each in error.problems]
    assert sifted.entry is not None
    found = [Finding(path=each.path, message=each.message) for each in verify_snapshot(sifted.entry)]
    return f", {sifted.set_aside:,} rows set aside", found
