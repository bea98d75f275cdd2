"""What is left of a snapshot whose rows were deleted: its manifest, word for word, and who deleted them when.

Dossiers pin a manifest by its digest, so that the manifest itself never changes. A tombstone is a file beside it,
named after the snapshot and that digest: from the moment it stands there the snapshot is deleted, whatever of its
files a kill has left behind. The same rows taken again later have another manifest, which no tombstone names.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from assay.core import Problem, problem, sha256_bytes
from assay.data.manifests import flaws_of, is_day, is_instant
from assay.data.store import Store

_FOLDER = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstone:
    """A snapshot whose rows were deleted because their time was over.

    Attributes
    ----------
    snapshot, manifest_sha256
        Whose rows, and the SHA-256 of the manifest that pinned them.
    keep_until
        The last day on which they might be kept; None for rows set aside without a day, gone with their snapshot.
    at, by
        When it was done, UTC, and by whom.
    rows, bytes
        How much.
    files
        The files that went, relative to the model's folder.
    manifest
        The text of the manifest.
    """

    snapshot: str
    manifest_sha256: str
    keep_until: str | None
    at: str
    by: str
    rows: int
    bytes: int
    files: tuple[str, ...]
    manifest: str

    @property
    def place(self) -> str:
        """What names it; see `place_of`."""
        return place_of(self.snapshot, self.manifest_sha256)

    @property
    def sentence(self) -> str:
        """What whoever wants the rows is told."""
        until = f": they might be kept until {self.keep_until}" if self.keep_until else ""
        return f"its rows were deleted on {self.at[:10]} as data.keep_days asked{until}"

    @property
    def problem(self) -> Problem:
        """The same, as what is wrong with asking for them."""
        mend = f"take a new snapshot; assay snapshot show {self.snapshot} tells what it was"
        return Problem(path=self.snapshot, message=self.sentence, mend=mend)

    def facts(self) -> dict[str, Any]:
        """All but the manifest, as plain JSON values."""
        return {**{name: value for name, value in asdict(self).items() if name != "manifest"}, "files": [*self.files]}

    def left(self, store: Store) -> list[str]:
        """Those of its files that are still there."""
        return [path for path in self.files if store.exists(path)]

    def write(self, store: Store) -> None:
        """Put it where `find` and `every` look.

        Raises
        ------
        UnavailableError
            When disk or store do not allow it.
        """
        store.write(_path(self.place), json.dumps(asdict(self), indent=2).encode())

    def withdraw(self, store: Store) -> None:
        """Take it away again, before any file went."""
        store.remove(_path(self.place))


def place_of(snapshot_id: str, manifest_sha256: str) -> str:
    """What names a snapshot and one of its manifests: the same rows, deleted and taken again, have another.

    Examples
    --------
    >>> place_of("income-bde34c10383ef04b", "9f" * 32)
    'income-bde34c10383ef04b.9f9f9f9f9f9f9f9f'
    """
    return f"{snapshot_id}.{manifest_sha256[:16]}"


def find(store: Store, snapshot_id: str, manifest_sha256: str) -> Tombstone | None:
    """The tombstone of a snapshot with this very manifest; None while its rows are kept.

    Raises
    ------
    UserError
        When there is a file that is no tombstone of it.
    """
    place = place_of(snapshot_id, manifest_sha256)
    content = store.read(_path(place))
    return None if content is None else _parsed(store, place, content)


def every(store: Store) -> list[Tombstone]:
    """All tombstones of a model, oldest first.

    Raises
    ------
    UserError
        When a file among them is none.
    """
    places = [name.removesuffix(".json") for name in _names(store)]
    found = [_parsed(store, place, store.read(_path(place)) or b"") for place in places]
    return sorted(found, key=lambda each: (each.at, each.snapshot))


def generation(store: Store, snapshot_id: str) -> str:
    """What the files of rows are called: after rows were deleted and are taken again, not as before."""
    deleted = sum(name.startswith(f"{snapshot_id}.") for name in _names(store))
    return f"{snapshot_id}.{deleted + 1}" if deleted else snapshot_id


def _names(store: Store) -> list[str]:
    return [name for name in store.names(_FOLDER) if name.endswith(".json")]


def _path(place: str) -> str:
    return f"{_FOLDER}/{place}.json"


def _parsed(store: Store, place: str, content: bytes) -> Tombstone:
    try:
        told: Mapping[str, Any] = json.loads(content)
        tombstone = Tombstone(**{**told, "files": tuple(told["files"])})
        sound = _is_sound(tombstone, place)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        mend = "restore it: what it names is never read again, and deleted"
        raise problem(store.place(_path(place)), "is not the tombstone of a snapshot", mend)
    return tombstone


def _is_sound(told: Tombstone, place: str) -> bool:
    """Whether it stands in its place, over its own manifest, and names no file but those of its rows."""
    manifest = json.loads(told.manifest)
    return (
        told.place == place
        and sha256_bytes(told.manifest.encode()) == told.manifest_sha256
        and {*told.files} <= {file["path"] for file in manifest["files"]}
        and not flaws_of(manifest, told.snapshot, manifest["model"])
        and is_instant(told.at)
        and (told.keep_until is None or is_day(told.keep_until))
        and isinstance(told.by, str)
        and isinstance(told.rows, int)
        and isinstance(told.bytes, int)
    )
