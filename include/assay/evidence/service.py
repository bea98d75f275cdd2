"""What a model's moves say about each version: what it is to the traffic now, since when, and why."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assay.core import Settings
from assay.evidence.opening import rollouts
from assay.rollout.history import Served, timeline

if TYPE_CHECKING:
    from assay.rollout.records import Deployment

ServiceState = Literal["champion", "canary", "previous", "superseded", "rolled back"]
IN_USE: tuple[ServiceState, ...] = ("champion", "canary", "previous")
"""States of a version that serves, or is what the model would fall back to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """What a version is to the traffic.

    Attributes
    ----------
    since
        UTC time, ISO 8601, from which it is that.
    reason
        Why, in words; may be empty.
    """

    state: ServiceState
    since: str
    reason: str


def services(settings: Settings, model: str) -> Mapping[int, Service]:
    """Version to what it is, for every version that ever had a rollout.

    Raises
    ------
    UnavailableError
        When the operations database does not answer.
    """
    book = rollouts(settings)
    served = timeline(book.engine, model)
    return dict(_told(served, book.current(model), lambda rollout_id: book.get(rollout_id).reason))


def _told(
    served: Sequence[Served], current: "Deployment | None", reason_of: Callable[[int], str]
) -> Iterator[tuple[int, Service]]:
    reigns = _reigns(served)
    champion = current.champion.version if current and current.champion else None
    canary = current.canary.version if current and current.canary else None
    before = next((each.version for each in reversed(reigns) if each.version != champion), None)
    last = {each.version: each for each in served}
    for version, end in last.items():
        began = next((each.since for each in reversed(reigns) if each.version == version), end.since)
        if version == champion:
            service = Service(state="champion", since=began, reason=_share(end))
        elif version == canary:
            first = next(each for each in served if (each.version, each.rollout_id) == (version, end.rollout_id))
            service = Service(state="canary", since=first.since, reason=_share(end))
        elif end.role == "canary" and version != before:
            service = Service(state="rolled back", since=end.until or "", reason=reason_of(end.rollout_id))
        else:
            ended = max(each.until or "" for each in served if (each.version, each.role) == (version, "champion"))
            after = next((each.version for each in reigns if each.since >= ended), None)
            reason = "" if after is None else f"version {after} took its place"
            service = Service(state="previous" if version == before else "superseded", since=ended, reason=reason)
        yield version, service


def _reigns(served: Sequence[Served]) -> list[Served]:
    """The interval with which each champion's time began, in order."""
    reigns: list[Served] = []
    for each in served:
        if each.role == "champion" and (not reigns or reigns[-1].version != each.version):
            reigns.append(each)
    return reigns


def _share(span: Served) -> str:
    return "in shadow" if span.role == "canary" and span.share == 0 else f"serves {span.share} % of the traffic"
