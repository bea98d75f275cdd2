"""What a card is made from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from assay.core import Event, Record, Verdict
from assay.evidence.card.words import source
from assay.evidence.explain.results import Explanation
from assay.policy import Policy, parse_policy

if TYPE_CHECKING:
    from assay.evidence.stored import Stored

POLICY_FILE = "policy.yaml"
DATASHEET = "inputs/datasheet.md"


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that the card of one version says follows from these.

    Attributes
    ----------
    model, version
        The model's name and the version's number.
    dossier
        The MLflow run that holds the dossier.
    records
        Its chain up to the card, oldest first; earlier cards are not among what a card tells.
    policy
        The policy of the run.
    manifest
        The manifest of the snapshot.
    datasheet
        What the team wrote about the data, Markdown; None when it wrote nothing.
    explanation
        What the model's scores hang on; None when it was not measured.
    """

    model: str
    version: int
    dossier: str
    records: Sequence[Record]
    policy: Policy
    manifest: Mapping[str, Any]
    datasheet: str | None = None
    explanation: Explanation | None = None

    def event(self, kind: str) -> Event | None:
        """The latest event of a kind; None when there is none."""
        found = [record for record in self.records if isinstance(record, Event) and record.event == kind]
        return found[-1] if found else None

    def events(self, kind: str) -> list[Event]:
        """The events of a kind, oldest first."""
        return [record for record in self.records if isinstance(record, Event) and record.event == kind]

    def told(self, kind: str, name: str) -> Any:
        """A fact of the latest event of a kind; None when there is no such event or fact."""
        event = self.event(kind)
        return None if event is None else event.facts.get(name)

    @cached_property
    def sha256(self) -> str | None:
        """SHA-256 of the model's bytes."""
        digest = self.told("registration", "sha256")
        return None if digest is None else str(digest)

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The latest verdict of each gate about this very model."""
        return {
            record.gate: record
            for record in self.records
            if isinstance(record, Verdict) and record.model in (None, self.sha256)
        }

    def source(self, record: Record | None) -> str:
        """Where in the chain a record stands, with the beginning of its digest; empty without one."""
        return "" if record is None else source(self.records.index(record) + 1, record)

    def from_event(self, kind: str) -> str:
        """As `source`, of the latest event of a kind."""
        return self.source(self.event(kind))


def collect(stored: "Stored", explanation: Explanation | None) -> CardFacts:
    """Read the facts of a registered version from its dossier.

    Raises
    ------
    EvidenceError, TamperedError, UnavailableError
        When something that a record names is gone, or is not what was recorded.
    """
    registration = stored.event("registration")
    datasheet = DATASHEET in stored.request.facts["files"]
    return CardFacts(
        model=stored.dossier.model,
        version=int(registration.facts["version"]),
        dossier=stored.dossier.run_id,
        records=told_records(stored.records),
        policy=parse_policy(stored.file(f"inputs/{POLICY_FILE}"), POLICY_FILE),
        manifest=stored.snapshot().manifest,
        datasheet=stored.file(DATASHEET).decode(errors="replace") if datasheet else None,
        explanation=explanation,
    )


def told_records(records: Sequence[Record]) -> list[Record]:
    """The records up to the last one that is not about a card: making a card again adds nothing to tell."""
    last = max((place for place, record in enumerate(records) if record.kind != "card"), default=-1)
    return list(records[: last + 1])


def read_explanation(content: bytes) -> Explanation:
    """Read an explanation as `explanation_json` wrote it."""
    return Explanation.from_dict(json.loads(content))


def explanation_json(explanation: Explanation) -> bytes:
    """The explanation as a file."""
    return (json.dumps(explanation.to_dict(), indent=1, allow_nan=False) + "\n").encode()
