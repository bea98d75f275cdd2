"""A dossier's chain as a timeline: every record, who made it, and whether it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core import Anchor, Event, Record, Verdict
from assay.evidence.requests import requests
from assay.governance.told import told
from assay.governance.words import heading, summary
from assay.registry.dossier import Dossier
from assay.registry.sealed import Sealed, file_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One record of the chain, or the place of one that does not hold.

    Attributes
    ----------
    number, kind, digest
        As they were anchored.
    title, said
        What it is called, and what it says in a sentence.
    by, at, key
        Who or what made it (empty for the run's own verdicts), when, and the id of the key that signed it;
        all empty for a record that does not hold.
    outcome
        A verdict's; empty for an event.
    facts
        What an event says, one line a fact.
    doubt
        What is wrong with it; empty when digest, link, signature and anchor hold.
    """

    number: int
    kind: str
    digest: str
    anchored_at: str
    title: str
    said: str = ""
    by: str = ""
    at: str = ""
    key: str = ""
    outcome: str = ""
    facts: Sequence[tuple[str, str]] = ()
    record: Record | None = None
    doubt: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; `record` is None where it does not hold."""
        return {
            "number": self.number,
            "kind": self.kind,
            "digest": self.digest,
            "anchored_at": self.anchored_at,
            "key": self.key,
            "holds": not self.doubt,
            "doubt": self.doubt,
            "record": None if self.record is None or self.doubt else self.record.to_dict(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """All records of a dossier, oldest first.

    Attributes
    ----------
    doubts
        A sentence for everything that is wrong; empty when all of it holds.
    """

    entries: Sequence[Entry]
    doubts: Sequence[str]

    @classmethod
    def of(cls, dossier: Dossier) -> "Chain":
        """Read a dossier, whether it holds or not.

        Raises
        ------
        UnavailableError
            When MLflow or the operations database does not answer.
        """
        anchors = dossier.anchors.of(dossier.run_id)
        sealed, doubts = dossier.check()
        wrong = dict(doubt.split(": ", 1) for doubt in doubts)
        found = {each.number: each for each in sealed}
        return cls(entries=[_entry(anchor, found.get(anchor.number), wrong) for anchor in anchors], doubts=doubts)

    @property
    def records(self) -> list[Record]:
        """The records that hold."""
        return [each.record for each in self.entries if each.record is not None and not each.doubt]

    @property
    def facts(self) -> dict[str, Mapping[str, Any]]:
        """Kind to the facts of the latest event of that kind."""
        return {record.event: record.facts for record in self.records if isinstance(record, Event)}

    @property
    def requests(self) -> list[Mapping[str, Any]]:
        """The facts of every request for this run, oldest first."""
        return [each.facts for each in requests(self.records)]

    @property
    def run_key(self) -> str:
        """Names the orchestrator's run; empty when that record does not hold."""
        return str(self.facts.get("request", {}).get("run_key", ""))

    @property
    def keys(self) -> list[str]:
        """Ids of the keys that signed it."""
        return sorted({each.key for each in self.entries if each.key})

    def number_of(self, digest: str) -> int | None:
        """The number of the record with this digest."""
        return next((each.number for each in self.entries if each.digest == digest), None)


def _entry(anchor: Anchor, sealed: Sealed | None, wrong: Mapping[str, str]) -> Entry:
    doubt = wrong.get(file_name(anchor.number, anchor.kind, anchor.digest), "")
    place: dict[str, Any] = {
        "number": anchor.number,
        "kind": anchor.kind,
        "digest": anchor.digest,
        "anchored_at": anchor.at,
        "title": heading(anchor.kind),
        "doubt": doubt,
    }
    if sealed is None or doubt:
        return Entry(**place)
    record, key = sealed.record, sealed.signature.key
    if isinstance(record, Verdict):
        by = next(iter(record.checks[0].groups or [{}]), {}).get("who", "") if record.checks else ""
        outcome = str(record.outcome)
        return Entry(
            **place, said=summary(record), by=by, at=record.started_at, key=key, outcome=outcome, record=record
        )
    facts = list(_lines(record.facts))
    return Entry(**place, said=told(record), by=record.by, at=record.at, key=key, facts=facts, record=record)


def _lines(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{prefix}{name} / ")
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            for place, each in enumerate(value, start=1):
                yield from _lines(each if isinstance(each, Mapping) else {"": each}, f"{prefix}{name} {place} / ")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
