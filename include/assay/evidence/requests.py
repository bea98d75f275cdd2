"""Who asked for a run: everybody who triggered it under the same run id."""

from collections.abc import Iterable

from assay.core import Event, Record

REQUEST = "request"


def requests(records: Iterable[Record]) -> list[Event]:
    """The recorded requests of a run, oldest first.

    A run that was deleted in Airflow can be triggered again under its run id. It continues its dossier, and each
    person who triggers it is recorded once.
    """
    return [each for each in records if isinstance(each, Event) and each.event == REQUEST]


def requesters(records: Iterable[Record]) -> list[str]:
    """The names of all who asked for a run, in the order in which they first did; a schedule has no name.

    Examples
    --------
    >>> asked = [Event(event="request", operation=who or "", by="run", at="t", facts={"requester": who, "reason": ""})
    ...     for who in ("engineer", None, "reviewer", "engineer")]
    >>> requesters(asked)
    ['engineer', 'reviewer']
    """
    names = (each.facts["requester"] for each in requests(records))
    return list(dict.fromkeys(str(name) for name in names if name is not None))


def asked_by(event: Event) -> str:
    """Who asked, and why, in a few words.

    Examples
    --------
    >>> facts = {"requester": None, "reason": "drift"}
    >>> asked_by(Event(event="request", operation="request", by="run", at="t", facts=facts))
    'the schedule: drift'
    """
    who, why = event.facts.get("requester") or "the schedule", event.facts.get("reason")
    return f"{who}: {why}" if why else str(who)
