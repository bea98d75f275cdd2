"""The waivers of a page: what each excuses, and whether it still counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from assay.core import Event, Record
from assay.evidence.waivers import Waiver
from assay.policy import Tier
from assay.registry.keys import Keyring


@dataclass(frozen=True, kw_only=True, slots=True)
class WaiverState:
    """A waiver, and why it does not count today.

    Attributes
    ----------
    doubts
        Empty for a waiver in force.
    """

    waiver: Waiver
    doubts: Sequence[str]

    @classmethod
    def of(cls, waiver: Waiver, keyring: Keyring, tier: Tier | None, *, today: date) -> "WaiverState":
        """Judge a waiver; without the rules of a risk tier none counts."""
        doubts = ["its risk tier is not known"] if tier is None else waiver.doubts(keyring, tier, today=today)
        return cls(waiver=waiver, doubts=doubts)

    @property
    def people(self) -> str:
        """Who signed, its owner first."""
        names = [each.name for each in self.waiver.signatures]
        return ", ".join(sorted(names, key=lambda name: name != self.waiver.owner))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**self.waiver.to_dict(), "doubts": list(self.doubts)}


@dataclass(frozen=True, slots=True)
class Excuses:
    """Which checks of which verdicts a dossier's waivers let go on."""

    by_check: Mapping[tuple[str, str, str | None], WaiverState] = field(default_factory=dict)

    @classmethod
    def recorded(cls, records: Iterable[Record], keyring: Keyring, tier: Tier | None, *, today: date) -> "Excuses":
        """As the events of a dossier say, each waiver judged anew."""
        found = {}
        for event in records:
            if isinstance(event, Event) and event.event == "waiver":
                facts = event.facts
                state = WaiverState.of(Waiver.from_dict(facts), keyring, tier, today=today)
                found[facts["verdict"], facts["waived_check"], facts["waived_attribute"]] = state
        return cls(found)

    def of(self, verdict: str) -> dict[tuple[str, str | None], WaiverState]:
        """By name and attribute, the waivers that let checks of a verdict go on."""
        return {(name, attribute): state for (of, name, attribute), state in self.by_check.items() if of == verdict}
