"""A record as it is stored: numbered, signed, and named by its digest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from assay.core import Anchor, Record, canonical_json, problem, record_from_dict
from assay.registry.keys import PLATFORM, Keyring, Signature, record_message
from assay.registry.private_keys import PRIVATE_KEYS

FOLDER = "dossier"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """A record, its place, and the signature over both.

    Attributes
    ----------
    dossier
        The MLflow run that holds it.
    number
        Its place in the dossier, from 1.
    record
        The verdict or event.
    signature
        Ed25519, over the canonical JSON of dossier, number and the record's digest.
    """

    dossier: str
    number: int
    record: Record
    signature: Signature

    @classmethod
    def make(cls, dossier: str, number: int, record: Record, keyring: Keyring) -> "Sealed":
        """Sign a record at its place.

        Raises
        ------
        UserError
            When there is no key to sign with, or it signs no records.
        RefusedError, NotNextError, UnavailableError
            When a signer refuses, or does not answer.
        """
        signature = keyring.sign_record(dossier, number, record)
        made = cls(dossier=dossier, number=number, record=record, signature=signature)
        # A key that was rotated in since `keyring` was read counts; whether one was rotated out is asked by the writer.
        if (wrong := made.doubt(keyring)) and (wrong := made.doubt(keyring.now(), seq=0)):
            mend = f"records are signed with the platform's own key: see signing.pem, or {PRIVATE_KEYS[0]} if it is set"
            raise problem(str(keyring.folder), f"the record {wrong}", mend)
        return made

    @classmethod
    def read(cls, content: bytes) -> "Sealed":
        """Read back what `to_bytes` wrote.

        Raises
        ------
        ValueError
            When it is anything else, to the byte.
        """
        try:
            raw = json.loads(content)
            found = cls(
                dossier=raw["dossier"],
                number=raw["number"],
                record=record_from_dict(raw["record"]),
                signature=Signature(key=raw["key"], value=raw["signature"]),
            )
            whole = found.to_bytes() == content
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"is no record: {error}") from None
        if not whole:
            raise ValueError("is not in its canonical form")
        return found

    def to_bytes(self) -> bytes:
        """Canonical JSON, as it is stored."""
        return canonical_json(
            {
                "dossier": self.dossier,
                "number": self.number,
                "record": self.record.to_dict(),
                "key": self.signature.key,
                "signature": self.signature.value,
            }
        )

    def doubt(self, keyring: Keyring, *, seq: int | None = None) -> str:
        """Why the signature does not count; empty when it does. A person's key signs waivers, never records."""
        message = record_message(self.dossier, self.number, self.record.digest)
        return keyring.doubt(message, self.signature, seq=seq, owner=PLATFORM)


def file_name(number: int, kind: str, digest: str) -> str:
    """Where a record is stored, below its run."""
    return f"{FOLDER}/{number:04d}-{kind}-{digest}.json"


def check_chain(
    dossier: str, anchors: Sequence[Anchor], contents: Sequence[bytes | None], keyring: Keyring
) -> tuple[list[Sealed], list[str]]:
    """Hold stored records to their anchors, one for one.

    Parameters
    ----------
    contents
        The files that `file_name` gives for the anchors, in their order; None for one that is missing.

    Returns
    -------
    sealed, doubts
        The records that are what was anchored, and a sentence for everything that is wrong.
    """
    sealed, doubts, previous = [], [], None
    for place, (anchor, content) in enumerate(zip(anchors, contents, strict=True), start=1):
        name = file_name(anchor.number, anchor.kind, anchor.digest)
        wrong, found = _doubt(dossier, place, previous, anchor, content, keyring)
        if found is not None:
            sealed.append(found)
        doubts += [f"{name}: {wrong}"] if wrong else []
        previous = anchor.digest
    return sealed, doubts


def _doubt(
    dossier: str, place: int, previous: str | None, anchor: Anchor, content: bytes | None, keyring: Keyring
) -> tuple[str, Sealed | None]:
    if anchor.number != place:
        return f"is anchored as record {anchor.number}, but stands in place {place} of its dossier", None
    if content is None:
        return "is missing", None
    try:
        found = Sealed.read(content)
    except ValueError as error:
        return f"was changed after it was written: {error}", None
    if found.record.digest != anchor.digest:
        return f"was changed after it was written: it has the digest {found.record.digest}", None
    if (found.dossier, found.number) != (dossier, place):
        return f"was written as record {found.number} of the dossier {found.dossier}", None
    if found.record.previous != previous:
        return "does not continue the record before it", None
    return found.doubt(keyring, seq=anchor.seq), found
