"""The incidents of an audit: raised once, set back on command, closed when their cause is gone, shown on versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assay.core import Event, utc_now
from assay.evidence.audit.deviation import PREFIX, Deviation
from assay.registry.archive import Archive
from assay.registry.images import INCIDENT, incident_tags
from assay.registry.live import read_model, tag_version
from assay.rollout.incidents import Incident, Incidents


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A deviation, its incident, and whether it was set back."""

    deviation: Deviation
    incident: Incident
    restored: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**self.incident.to_dict(), "restored": self.restored}


def raised(incidents: Incidents, deviation: Deviation, restore: str | None) -> Seen:
    """Raise the incident of a deviation, and set its image back where somebody asked for that."""
    incident = incidents.raise_(
        key=deviation.key,
        model=deviation.model,
        version=deviation.version,
        kind=deviation.kind,
        message=deviation.message,
        mend=deviation.mend,
    )
    repair = deviation.repair
    if restore is None or repair is None:
        return Seen(deviation=deviation, incident=incident, restored=False)
    if repair.dossier is not None:  # first: what is killed in between is done again, and recorded once
        facts = {**repair.facts, "incident": incident.id, "kind": deviation.kind, "version": deviation.version}
        operation = f"restoration:{incident.id}"
        repair.dossier.record(Event(event="restoration", operation=operation, by=restore, at=utc_now(), facts=facts))
    repair.apply()
    closed = incidents.close(deviation.key, by=restore, reason="set back to what the dossier and the rollouts say")
    return Seen(deviation=deviation, incident=closed or incident, restored=True)


def close(incidents: Incidents, looked: Iterable[str], seen: Iterable[Seen]) -> list[Incident]:
    """Close what was looked for and not found again."""
    there, places = {each.deviation.key for each in seen}, tuple(looked)
    closed = []
    for incident in incidents.open():
        own = incident.key.startswith(PREFIX) and any(_below(incident.key, place) for place in places)
        if own and incident.key not in there:
            closed.append(incidents.close(incident.key, by="audit", reason="its cause is gone") or incident)
    return closed


def _below(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}:")


def mark(archive: Archive, incidents: Incidents, model: str) -> None:
    """Have every version show which of its incidents are open."""
    live = read_model(archive.client, model)
    open_now = incidents.open(model)
    for number, version in live.versions.items() if live is not None else ():
        wanted = incident_tags(each.id for each in open_now if each.version == number).get(INCIDENT)
        if version.tags.get(INCIDENT) != wanted:
            tag_version(archive.client, model, number, INCIDENT, wanted)
