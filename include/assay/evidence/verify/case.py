"""What a verification is about: a version as MLflow shows it, and the dossier that must answer for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.core import Anchor, Event, Record, Settings
from assay.registry.archive import Archive
from assay.registry.dossier import Dossier, EvidenceError
from assay.registry.images import DOSSIER
from assay.registry.live import LiveVersion, read_version
from assay.registry.sealed import Sealed
from assay.rollout.anchors import AnchorTable

if TYPE_CHECKING:
    from assay.rollout.rollouts import Rollouts


@dataclass(frozen=True, kw_only=True)
class Case:
    """A version and its dossier, read once.

    Attributes
    ----------
    archive, book
        The dossiers, and the operations database.
    live
        The version in MLflow; None where there is none any more.
    anchors
        What the table holds of the dossier.
    sealed, doubts
        The records that are what was anchored, and a sentence for each that is not.
    """

    archive: Archive
    book: "Rollouts"
    model: str
    version: int
    live: LiveVersion | None
    dossier: Dossier
    anchors: Sequence[Anchor] = field(repr=False)
    sealed: Sequence[Sealed] = field(repr=False)
    doubts: Sequence[str] = ()

    @property
    def settings(self) -> Settings:
        """Where things are."""
        return self.archive.settings

    @property
    def table(self) -> AnchorTable:
        """The anchors of all dossiers."""
        return AnchorTable(self.book.engine)

    @property
    def records(self) -> list[Record]:
        """The records that are what was anchored, oldest first."""
        return [each.record for each in self.sealed]

    @property
    def whole(self) -> bool:
        """Whether no record is lost: only then do the records say which tags there must be."""
        return {anchor.number for anchor in self.anchors} <= {each.number for each in self.sealed}

    def events(self, kind: str) -> list[Event]:
        """The events of a kind, oldest first."""
        return [each for each in self.records if isinstance(each, Event) and each.event == kind]

    def last(self, kind: str) -> Event | None:
        """The latest event of a kind."""
        return next(reversed(self.events(kind)), None)

    @property
    def registration(self) -> Event | None:
        """The record that made the version."""
        return next((each for each in self.events("registration") if each.facts["version"] == self.version), None)

    @property
    def training(self) -> Event | None:
        """The record of the candidate that became the version."""
        made, registered = self.events("training"), self.registration
        if registered is not None:
            made = [each for each in made if each.facts["candidate"] == registered.facts["candidate"]]
        return made[-1] if made else None

    @property
    def trainings(self) -> list[Event]:
        """The record of the candidate that became the version, after that of the one it was mitigated from."""
        made = self.training
        if made is None:
            return []
        before = [each for each in self.events("training") if each.facts["sha256"] == made.facts.get("mitigates")]
        return [*before[-1:], made]

    def file(self, name: str) -> str:
        """Where a file of the run is, below the artifact root."""
        return f"{self.dossier.location}/{name}"


def open_case(archive: Archive, book: "Rollouts", model: str, version: int) -> Case:
    """Find a version and the dossier that must answer for it, whatever was done to its tags.

    Raises
    ------
    UserError
        When neither MLflow nor any dossier knows such a version.
    EvidenceError
        When no dossier knows it: it was registered by other hands.
    UnavailableError
        When a server does not answer.
    """
    live = read_version(archive.client, model, version)
    table = AnchorTable(book.engine)
    fallback = None
    for run_id in _holders(table, model, live):
        dossier = archive.at(run_id, model)
        if dossier is None:
            continue
        anchors = table.of(run_id)
        sealed, doubts = dossier.check()
        case = Case(
            archive=archive, book=book, model=model, version=version, live=live, dossier=dossier,
            anchors=anchors, sealed=sealed, doubts=doubts,
        )  # fmt: skip
        if case.registration is not None:
            return case
        lost = any(each.kind == "registration" for each in anchors) and not case.events("registration")
        fallback = fallback or (case if lost and live is not None else None)
    if fallback is not None:
        return fallback
    archive.of_version(model, version)  # says which there are
    raise EvidenceError([f"{model} version {version}: no dossier registers it; it was made by other hands"])


def is_younger(at: str, than: timedelta) -> bool:
    """Whether a time, as a row that anybody may have edited says it, is less than `than` ago."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(at) < than
    except (ValueError, TypeError):
        return False


def registered(table: AnchorTable, model: str) -> list[str]:
    """The dossiers of a model that registered a version, oldest first."""
    found = (each.dossier for each in table.all() if each.model == model and each.kind == "registration")
    return list(dict.fromkeys(found))


def _holders(table: AnchorTable, model: str, live: LiveVersion | None) -> Iterator[str]:
    """Which runs may hold the dossier, the likeliest first."""
    named = [] if live is None else [live.tags.get(DOSSIER, ""), live.run_id]
    yield from (each for each in dict.fromkeys(named) if each)
    yield from (each for each in registered(table, model) if each not in named)
