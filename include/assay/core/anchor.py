"""Anchors: the digests of a dossier's records, kept outside the dossier so that it cannot be rewritten unseen."""

from dataclasses import dataclass, fields
from typing import Any, Protocol

from assay.core.canonical import sha256_json
from assay.core.errors import AssayError


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """One record of one dossier, anchored.

    Attributes
    ----------
    seq
        Counts the anchors of all dossiers, from 1 without a gap.
    dossier, model
        The MLflow run that holds the dossier, and its model's name.
    number
        The record's place in its dossier, from 1 without a gap.
    kind
        The gate of a verdict, or the kind of an event.
    operation
        Key of an event's operation, unique in its dossier; None for a verdict.
    digest
        SHA-256 of the record.
    at
        UTC time, ISO 8601.
    chain
        `chained` over this anchor and the one before it: the last one pins them all.
    """

    seq: int
    dossier: str
    model: str
    number: int
    kind: str
    operation: str | None
    digest: str
    at: str
    chain: str

    def chained(self, previous: str | None) -> str:
        """What `chain` must be after an anchor whose own is `previous`; None before the first."""
        return sha256_json({**self.to_dict(), "chain": previous})

    def to_dict(self) -> dict[str, Any]:
        """The anchor as plain JSON values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class AnchorTakenError(AssayError):
    """Another record took this place, or did this operation, first: read the dossier again."""

    def __init__(self, dossier: str, number: int) -> None:
        super().__init__(f"dossier {dossier}: another writer has added record {number} or done the same operation")


class Anchors(Protocol):
    """Where anchors are kept: append-only, and by other hands than those that keep the dossiers."""

    def of(self, dossier: str) -> list[Anchor]:
        """The anchors of one dossier, in order of number."""

    def add(self, *, dossier: str, model: str, number: int, kind: str, operation: str | None, digest: str) -> Anchor:
        """Anchor a record; anchoring the very same record again returns what is there.

        Raises
        ------
        AnchorTakenError
            When the number, or the operation, is another record's.
        UnavailableError
            When the store does not answer.
        """
