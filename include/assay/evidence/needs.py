"""Who uses a snapshot's rows: runs at work, what serves, and the dossiers that were made from them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from assay.core import Anchor, Event, Settings
from assay.evidence.account import read_record
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify.case import is_younger
from assay.evidence.verify.snapshot import EXPIRY
from assay.registry.dossier import Dossier
from assay.registry.images import head_tag
from assay.registry.live import LiveRun, read_run
from assay.rollout.anchors import AnchorTable

_LATELY = timedelta(days=3)
"""A run that has not ended and recorded nothing for so long was given up, and a deletion is shown by then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Who needs a snapshot's rows, and whether that may not be overruled."""

    reason: str
    firm: bool


@dataclass(frozen=True, kw_only=True)
class Use:
    """A dossier of a run that took a snapshot.

    Attributes
    ----------
    facts
        Of the record of the snapshot.
    live
        The run as MLflow shows it.
    """

    dossier: Dossier
    anchors: Sequence[Anchor] = field(repr=False)
    facts: Mapping[str, Any] = field(repr=False)
    live: LiveRun = field(repr=False)

    @property
    def at_work(self) -> bool:
        """Whether the run may read rows yet: the card is the last that does."""
        wrote = {anchor.kind for anchor in self.anchors}
        return not self.live.ended and "card" not in wrote and is_younger(self.anchors[-1].at, _LATELY)

    @property
    def names(self) -> list[str]:
        """The ids of the run's rows and of those that were set aside."""
        return [self.facts["snapshot"], *filter(None, [self._aside.get("id")])]

    @property
    def manifests(self) -> list[str]:
        """The manifests of both, by SHA-256."""
        return [self.facts["manifest_sha256"], *filter(None, [self._aside.get("manifest_sha256")])]

    @property
    def _aside(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.facts.get("quarantine") or {}).get("entry") or {}
        return found

    def records(self, operation: str) -> bool:
        """Whether an operation is recorded, and the run's tags are of the last record: a kill may come in between."""
        last = self.anchors[-1]
        is_shown = self.live.tags.items() >= head_tag(last.number, last.digest).items()
        return is_shown and any(anchor.operation == operation for anchor in self.anchors)


def operation_of(place: str) -> str:
    """The key of a deletion in a dossier, or the beginning of that for all of a model's snapshots."""
    return f"{EXPIRY}:{place}"


def uses(settings: Settings, model: str) -> Iterator[Use]:
    """The dossiers of a model that took a snapshot, but for those that have long recorded its deletion.

    Raises
    ------
    EvidenceError
        When a dossier does not hold: then it cannot be known what it needs.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    by_dossier: dict[str, list[Anchor]] = {}
    for anchor in AnchorTable(rollouts(settings).engine).all():
        if anchor.model == model:
            by_dossier.setdefault(anchor.dossier, []).append(anchor)
    for run_id, anchors in by_dossier.items():
        took = [anchor for anchor in anchors if anchor.kind == "snapshot"]
        if not took or any(not is_younger(anchor.at, _LATELY) for anchor in _deletions(model, anchors)):
            continue
        opened = archive(settings)
        live, dossier = read_run(opened.client, run_id), opened.at(run_id, model)
        if live is None or live.deleted or dossier is None:
            continue
        record = read_record(dossier, took[-1])
        if isinstance(record, Event):
            yield Use(dossier=dossier, anchors=anchors, facts=record.facts, live=live)


def needs(settings: Settings, model: str, snapshot_id: str, found: Sequence[Use]) -> Iterator[Need]:
    """Who needs the rows of a snapshot that are there.

    Parameters
    ----------
    found
        From `uses`.
    """
    used = [use for use in found if not _deletions(model, use.anchors)]
    for use in used:
        if use.at_work and snapshot_id in (use.facts["snapshot"], use.facts.get("reference")):
            yield Need(reason=f"a run is at work with it (dossier {use.dossier.run_id})", firm=True)
    current = rollouts(settings).current(model)
    serving = () if current is None else (("champion", current.champion), ("canary", current.canary))
    for role, ref in serving:
        if ref is None:
            continue
        run_id = archive(settings).of_version(model, ref.version).run_id
        if any(each.dossier.run_id == run_id and each.facts["snapshot"] == snapshot_id for each in used):
            reason = f"the {role}, version {ref.version}, was made from it, and new data are compared with it"
            yield Need(reason=reason, firm=False)


def _deletions(model: str, anchors: Sequence[Anchor]) -> list[Anchor]:
    """The anchors of records that a dossier's own rows were deleted; not those of what was set aside."""
    own = operation_of(f"{model}-")
    return [anchor for anchor in anchors if anchor.kind == EXPIRY and str(anchor.operation).startswith(own)]
