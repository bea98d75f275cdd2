"""Events: what happened to a candidate that is not a gate's verdict, in the form in which a dossier keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.core.canonical import sha256_json
from assay.core.verdict import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened, and who or what did it.

    Attributes
    ----------
    event
        What kind of thing: ``snapshot``, ``training``, ``registration``, ``rollout``, ``alias``, ...
    operation
        Key of the operation. A dossier records an operation once, however often it is repeated.
    by
        Who or what did it: a user's name, or the key of the run.
    at
        UTC time, ISO 8601. Order is the chain's, not the clock's.
    facts
        What there is to know about it, as plain JSON values.
    previous
        Digest of the record before this one in the dossier; None for the first.
    """

    event: str
    operation: str
    by: str
    at: str
    facts: Mapping[str, Any]
    previous: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values."""
        return {
            "event": self.event,
            "operation": self.operation,
            "by": self.by,
            "at": self.at,
            "facts": dict(self.facts),
            "previous": self.previous,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the event's canonical JSON."""
        return sha256_json(self.to_dict())

    @property
    def kind(self) -> str:
        """What the record is called in the dossier."""
        return self.event

    def after(self, previous: str | None) -> "Event":
        """The same event at its place in a dossier."""
        return replace(self, previous=previous)


Record = Verdict | Event


def record_from_dict(data: Mapping[str, Any]) -> Record:
    """Read back what either `to_dict` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        When `data` has the form of neither.
    """
    return Event(**data) if "event" in data else Verdict.from_dict(data)
