"""A version's dossier as a list: each record with its place, its digest and its key, and what hangs over it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.core import Event, Record, Verdict
from assay.evidence.opening import rollouts
from assay.evidence.verify.case import open_case
from assay.registry.archive import Archive
from assay.registry.sealed import file_name
from assay.rollout.incidents import Incident, Incidents


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One place in a dossier.

    Attributes
    ----------
    number, kind, digest
        As anchored.
    at
        When it was anchored; UTC, ISO 8601.
    key
        Which key signed the record; None where there is no record that could be read.
    record
        None where what is stored is not what was anchored.
    doubt
        What is wrong; empty when nothing is.
    waived
        Ids of the waivers that let it go on, where it is a verdict.
    """

    number: int
    kind: str
    digest: str
    at: str
    key: str | None
    record: Record | None
    doubt: str
    waived: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "number": self.number,
            "kind": self.kind,
            "digest": self.digest,
            "at": self.at,
            "key": self.key,
            "doubt": self.doubt,
            "waived": list(self.waived),
            "record": None if self.record is None else self.record.to_dict(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A dossier's lines, oldest first, and the incidents of its version."""

    model: str
    version: int
    dossier: str
    lines: Sequence[Line] = field(repr=False)
    incidents: Sequence[Incident] = ()

    @property
    def whole(self) -> bool:
        """Whether every record is what was anchored and signed."""
        return bool(self.lines) and not any(line.doubt for line in self.lines)

    @property
    def models(self) -> list[str]:
        """SHA-256 of each model that a verdict is about, in their order: several where one was mitigated."""
        judged = [line.record.model for line in self.lines if isinstance(line.record, Verdict)]
        return list(dict.fromkeys(digest for digest in judged if digest is not None))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "version": self.version,
            "dossier": self.dossier,
            "whole": self.whole,
            "records": [line.to_dict() for line in self.lines],
            "incidents": [incident.to_dict() for incident in self.incidents],
        }


def listing(archive: Archive, model: str, version: int) -> Listing:
    """List a registered version's dossier.

    Raises
    ------
    UserError
        When there is no such version, naming those there are.
    EvidenceError
        When it was not registered by Assay.
    UnavailableError
        When a server does not answer.
    """
    case = open_case(archive, rollouts(archive.settings), model, version)
    sealed = {each.number: each for each in case.sealed}
    doubts = dict(doubt.split(": ", 1) for doubt in case.doubts)
    waived: dict[str, list[str]] = {}
    for event in case.events("waiver"):
        waived.setdefault(event.facts["verdict"], []).append(event.facts["id"])
    lines = []
    for anchor in case.anchors:
        found = sealed.get(anchor.number)
        lines.append(
            Line(
                number=anchor.number,
                kind=anchor.kind,
                digest=anchor.digest,
                at=anchor.at,
                key=None if found is None else found.signature.key,
                record=None if found is None else found.record,
                doubt=doubts.get(file_name(anchor.number, anchor.kind, anchor.digest), ""),
                waived=tuple(waived.get(anchor.digest, ())),
            )
        )
    incidents = [each for each in Incidents(case.book.engine).all(model) if each.version in (None, version)]
    return Listing(model=model, version=version, dossier=case.dossier.run_id, lines=lines, incidents=incidents)


def by(record: Record) -> str:
    """Who or what made a record: a verdict's gate is no person, but an approval's answer names one."""
    if isinstance(record, Event):
        return record.by
    groups = record.checks[0].groups if record.checks else None
    return str(groups[0].get("who", "")) if groups else ""
