"""Rows that are set aside on their way into a snapshot: kept with their reasons, and counted.

A model's quarantine is the folder `quarantine` in the model's own, and is kept as a model's snapshots are: one
version of a Delta table and one manifest for each content, found again by its digest. Every row has two columns more,
which say why it was set aside and which snapshot it is not in, so that one entry belongs to one snapshot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.core import Problem, UserError, fault_point, problem, utc_now
from assay.data.content import files_digest, schema_of
from assay.data.manifests import flaws_of_entry
from assay.data.sieve import Sieve
from assay.data.sifting import addressed, part
from assay.data.snapshot import manifest_path
from assay.data.snapshots import Snapshot, find_snapshot, keep_until, list_snapshots, open_snapshot, register
from assay.data.store import Store, store_of
from assay.data.tombstones import find as find_tombstone

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data

FOLDER = "quarantine"


class Objections(Protocol):
    """What somebody has against rows; see `assay.gates.contract.BadRows`."""

    @property
    def read(self) -> int:
        """How many rows were looked at."""

    @property
    def rows(self) -> int:
        """How many of them are bad."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many rows there are for each reason."""

    @property
    def found(self) -> "pa.Table | None":
        """``row`` and ``reasons`` of those to be set aside; None where none may be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sifted:
    """What a sieve did to the rows that were read.

    Attributes
    ----------
    limit
        The largest share that might be set aside.
    read, bad, set_aside
        How many rows were read, after the terms of the policy's `data`; how many of them are bad; and how many
        are not in the snapshot: all that are bad, or none.
    reasons
        How many rows each reason is about; a row may have several.
    pinned
        What tells for ever which rows were set aside: ``id``, ``table_version``, ``content_sha256`` and
        ``manifest_sha256``; None where none was.
    entry
        Those rows, kept like a snapshot; None where none was, or since they were deleted.
    """

    limit: float
    read: int
    bad: int
    set_aside: int = 0
    reasons: Mapping[str, int]
    pinned: Mapping[str, Any] | None = None
    entry: Snapshot | None = None

    def files(self) -> list[Path]:
        """The Parquet files of the rows that were set aside.

        Raises
        ------
        UserError
            When they were deleted because their time was over.
        """
        if self.entry is None and self.pinned is not None:
            raise problem(self.pinned["id"], "the rows set aside were deleted: their time was over")
        return [] if self.entry is None else self.entry.files()

    def facts(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "limit": self.limit,
            "rows_read": self.read,
            "rows_bad": self.bad,
            "rows_set_aside": self.set_aside,
            "reasons": dict(self.reasons),
            "entry": None if self.pinned is None else dict(self.pinned),
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any], *, root: str, model: str) -> "Sifted":
        """What `facts` told, with the rows that were set aside, every file checked.

        Raises
        ------
        UserError
            When they are gone, were changed, or are others than the facts say; not when they were deleted in time.
        """
        told = facts["entry"]
        deleted = told and find_tombstone(quarantine_of(root, model), told["id"], told["manifest_sha256"])
        entry = None if told is None or deleted else open_entry(root=root, model=model, entry_id=told["id"])
        if entry is not None and (_pinned(entry), entry.rows) != (told, facts["rows_set_aside"]):
            raise problem(entry.id, "its manifest is not the one that was recorded")
        return cls(
            limit=facts["limit"],
            read=facts["rows_read"],
            bad=facts["rows_bad"],
            set_aside=facts["rows_set_aside"],
            reasons=facts["reasons"],
            pinned=told,
            entry=entry,
        )


def _pinned(entry: Snapshot) -> dict[str, Any]:
    own = {name: entry.manifest[name] for name in ("id", "table_version", "content_sha256")}
    return {**own, "manifest_sha256": entry.manifest_sha256}


class QuarantineSieve(Sieve):
    """Sets aside the rows that somebody objects to, as long as they are few enough."""

    def __init__(self, find: Callable[[Sequence[Path]], Objections], *, limit: float, data: "Data", model: str) -> None:
        """Make one for a single snapshot.

        Parameters
        ----------
        find
            Says of Parquet files which of their rows are bad.
        limit
            The largest share of rows that may be set aside.
        data
            What the policy says of the data: how long rows are kept, and for what.
        model
            Whose rows.
        """
        self._find, self._limit, self._data, self._model = find, limit, data, model
        self._aside: list[Path] = []
        self._place = Path()
        self._objections: Objections | None = None

    def sift(self, staged: Sequence[Path], place: Path) -> list[Path]:
        """As `Sieve` says; all rows go on when none may be set aside."""
        self._objections = self._find(staged)
        self._place = place
        if self._objections.found is None:
            return list(staged)
        kept, self._aside = part(staged, self._objections.found, place, self._model)
        return kept

    def settle(self, store: Store, snapshot_id: str) -> dict[str, Any]:
        """As `Sieve` says: one entry for the same rows and reasons, however often it is killed and run again."""
        assert self._objections is not None
        told = self._objections
        entry = self._kept(quarantine_of(store.root, store.model), snapshot_id, told) if self._aside else None
        sifted = Sifted(
            limit=self._limit,
            read=told.read,
            bad=told.rows,
            set_aside=0 if entry is None else entry.rows,
            reasons=told.reasons,
            pinned=None if entry is None else _pinned(entry),
        )
        return {"quarantine": sifted.facts()}

    def _kept(self, store: Store, snapshot_id: str, told: Objections) -> Snapshot:
        import pyarrow.parquet as pq

        files = addressed(self._aside, snapshot_id, self._place, self._model)
        digest, began = files_digest(files), utc_now()
        fault_point("quarantine.sifted")
        taking = {
            "snapshot": snapshot_id,
            "schema": schema_of(pq.read_schema(files[0])),
            "rows": told.rows,
            "rows_read": told.read,
            "reasons": dict(told.reasons),
            "key": self._data.key,
            "purpose": self._data.purpose,
            "extracted_at": began,
            "keep_until": keep_until(began, self._data.keep_days),
            "created_at": began,
        }
        entry = register(store, f"{FOLDER}-{digest[:16]}", files, taking, digest)
        fault_point("quarantine.kept")
        return entry


def quarantine_of(root: str, model: str) -> Store:
    """The folder of a model's quarantine."""
    return store_of(_root(root, model), FOLDER)


def quarantined(root: str, model: str, snapshot_id: str | None = None) -> list[Snapshot]:
    """The rows set aside when a model's snapshots, or one of them, were taken; oldest first, files not checked.

    A snapshot has several entries when the same clean rows were taken out of different ones.
    """
    found = [_checked(each) for each in list_snapshots(_root(root, model), FOLDER)]
    return [each for each in found if snapshot_id in (None, each.manifest["snapshot"])]


def find_entry(*, root: str, model: str, entry_id: str) -> Snapshot:
    """Rows that were set aside; their files are not looked at.

    Raises
    ------
    UserError
        When there are none of that name.
    """
    _require(root, model, entry_id)
    return _checked(find_snapshot(root=_root(root, model), model=FOLDER, snapshot_id=entry_id))


def open_entry(*, root: str, model: str, entry_id: str) -> Snapshot:
    """As `find_entry`, every file checked against the entry's manifest.

    Raises
    ------
    UserError
        As `find_entry`, and listing every file that is missing or was changed.
    """
    _require(root, model, entry_id)
    return _checked(open_snapshot(root=_root(root, model), model=FOLDER, snapshot_id=entry_id))


def _checked(entry: Snapshot) -> Snapshot:
    if flaws := flaws_of_entry(entry.manifest):
        place = entry.folder.place(manifest_path(entry.id))
        raise problem(place, f"is not a manifest of rows that were set aside: {', '.join(flaws)}", "restore it")
    return entry


def _root(root: str, model: str) -> str:
    return f"{root.rstrip('/')}/{model}"


def _require(root: str, model: str, entry_id: str) -> None:
    if quarantine_of(root, model).read(manifest_path(entry_id)) is None:
        place = f"{_root(root, model)}/{FOLDER}/{manifest_path(entry_id)}"
        raise UserError(entry_id, [Problem(path=place, message="is missing, the manifest of rows that were set aside")])
