"""The takings of a snapshot: whence, when and for what its rows were read, each time that they were.

The same rows make one snapshot, and its manifest tells of the first taking. Each later one is a file beside it,
never changed: a run's evidence is about its own taking, and rows are kept as long as any purpose may keep them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from assay.core import problem, sha256_json
from assay.data.manifests import flaws_of_taking
from assay.data.store import Store

_CONTENT = ("id", "model", "table_version", "files", "schema", "rows", "content_sha256")
"""What a manifest says of the rows, whoever took them; all else is of the taking."""


def taking_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of the first taking."""
    return {name: value for name, value in manifest.items() if name not in _CONTENT}


def taken_at(taking: Mapping[str, Any]) -> datetime:
    """When the rows were read from the source, in UTC."""
    return datetime.fromisoformat(taking.get("extracted_at", taking["created_at"]))


def add_taking(store: Store, place: str, taking: Mapping[str, Any]) -> None:
    """Keep a later taking; the very same is kept once.

    Parameters
    ----------
    store
        The model's folder.
    place
        Names the snapshot and its manifest, see `tombstones.place_of`.

    Raises
    ------
    UnavailableError
        When disk or store do not allow it.
    """
    name = f"{sha256_json(taking)[:16]}.json"
    store.write(f"takings/{place}/{name}", json.dumps(taking, indent=2).encode())


def later_takings(store: Store, place: str) -> list[dict[str, Any]]:
    """Every taking but the first, oldest first.

    Raises
    ------
    UserError
        When a file of them is no taking.
    """
    folder = f"takings/{place}"
    found = [_read(store, f"{folder}/{name}") for name in store.names(folder) if name.endswith(".json")]
    return sorted(found, key=lambda taking: str(taking["extracted_at"]))


def _read(store: Store, path: str) -> dict[str, Any]:
    try:
        taking: dict[str, Any] = json.loads(store.read(path) or b"")
        flawed = "extracted_at" not in taking or bool(flaws_of_taking(taking))
    except (ValueError, AttributeError, TypeError, RecursionError):  # no JSON, or no object
        flawed = True
    if flawed:
        raise problem(store.place(path), "is not the record of a taking of rows", "restore it")
    return taking


def kept_until(takings: Sequence[Mapping[str, Any]]) -> str | None:
    """The last day on which any purpose keeps the rows; None when one keeps them without limit.

    For each purpose its latest taking speaks: a team that shortens `keep_days` is heard from the next taking on.

    Parameters
    ----------
    takings
        Oldest first.

    Examples
    --------
    >>> kept_until([{"purpose": "a", "keep_until": "2030-01-01"}, {"purpose": "b", "keep_until": "2028-01-01"}])
    '2030-01-01'
    >>> kept_until([{"purpose": "a", "keep_until": "2030-01-01"}, {"purpose": "a", "keep_until": "2028-01-01"}])
    '2028-01-01'
    """
    last = {str(each.get("purpose") or ""): each.get("keep_until") for each in takings}.values()
    return None if None in last else max(map(str, last), default=None)
