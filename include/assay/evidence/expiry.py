"""Delete snapshots' rows when their time is over: what still needs them is asked first, and each dossier records it.

The order is: say what needs the rows, write the tombstone, delete the files, record it in every dossier that was
made from them. Whatever is killed in between is ended by doing it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from assay.core import Anchor, Event, Settings, did_you_mean, problem
from assay.evidence.account import read_record
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify.case import is_younger
from assay.evidence.verify.snapshot import EXPIRY
from assay.registry.dossier import Dossier
from assay.registry.live import read_run
from assay.rollout.anchors import AnchorTable
from assay.rollout.exclusive import exclusive

if TYPE_CHECKING:
    from assay.data.expiry import Deletion
    from assay.data.snapshots import Snapshot
    from assay.data.tombstones import Tombstone

_AT_WORK = timedelta(days=3)
"""A run that has not ended and recorded nothing for so long was given up: it does not keep rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Who needs a snapshot's rows, and whether that may be overruled."""

    reason: str
    firm: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """Rows of a model whose time is over, and who needs them all the same."""

    model: str
    snapshot: "Snapshot"
    needs: tuple[Need, ...]

    def kept(self, *, also_serving: bool) -> bool:
        """Whether they stay for now."""
        return any(need.firm or not also_serving for need in self.needs)

    def to_dict(self, today: date) -> dict[str, Any]:
        """As plain JSON values."""
        until = self.snapshot.keep_until
        return {
            "snapshot": self.snapshot.id,
            "model": self.model,
            "rows": self.snapshot.rows,
            "bytes": sum(int(file["bytes"]) for file in self.snapshot.manifest["files"]),
            "keep_until": until,
            "days_over": None if until is None else (today - date.fromisoformat(until)).days,
            "needed_by": [need.reason for need in self.needs],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a day asks for, of some models.

    Attributes
    ----------
    due
        Rows whose time is over: of each model those of snapshots first, the longest overdue first.
    begun
        Deletions that were interrupted: files are left, or a dossier does not record it.
    strays
        Files of takings that were killed before they were a snapshot: no date says how long they may be kept.
    """

    due: tuple[Due, ...]
    begun: tuple["Deletion", ...]
    strays: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expired:
    """What was deleted, of snapshots and of takings that were killed; and what stays because something needs it."""

    deleted: tuple["Tombstone", ...]
    kept: tuple[Due, ...]
    strays: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Use:
    """A dossier of a run that took a snapshot which it does not know to be deleted."""

    dossier: Dossier
    anchors: Sequence[Anchor] = field(repr=False)
    facts: Mapping[str, Any] = field(repr=False)
    ended: bool

    @property
    def at_work(self) -> bool:
        """Whether the run may read rows yet: the card is the last that does."""
        wrote = {anchor.kind for anchor in self.anchors}
        return not self.ended and "card" not in wrote and is_younger(self.anchors[-1].at, _AT_WORK)

    @property
    def manifests(self) -> list[str]:
        """The manifests, by SHA-256, of the run's rows and of those that were set aside."""
        aside = (self.facts.get("quarantine") or {}).get("entry") or {}
        return [self.facts["manifest_sha256"], *filter(None, [aside.get("manifest_sha256")])]


def snapshots_lock(settings: Settings, model: str) -> AbstractContextManager[None]:
    """Let one process at a time either delete a model's rows, or record that a run works with them."""
    return exclusive(rollouts(settings).engine, f"snapshots {model}")


def plan(settings: Settings, model: str | None = None, *, today: date) -> Plan:
    """What is due on a day, and what needs it.

    Parameters
    ----------
    model
        One model; None for all that have snapshots.

    Raises
    ------
    UserError
        When the model has no snapshot.
    EvidenceError
        When a dossier does not hold: then it cannot be known what it needs.
    UnavailableError
        When a store, MLflow or the operations database does not answer.
    """
    found = [_plan(settings, name, today)[0] for name in _models(settings.snapshots, model)]
    return Plan(
        due=tuple(each for one in found for each in one.due),
        begun=tuple(each for one in found for each in one.begun),
        strays=tuple(each for one in found for each in one.strays),
    )


def expire(
    settings: Settings, model: str | None = None, *, today: date, by: str, also_serving: bool = False
) -> Expired:
    """Delete all rows whose time is over and that nothing needs, and record it.

    Parameters
    ----------
    model
        One model; None for all.
    by
        Who deletes them.
    also_serving
        Whether those go too that the champion or the canary was made from: the next run is then compared with none.

    Raises
    ------
    UserError, EvidenceError, UnavailableError
        As `plan`; what was begun by then is ended by doing it again.
    """
    from assay.data.expiry import delete_rows, overdue, sweep

    deleted: list[Tombstone] = []
    kept: list[Due] = []
    swept: list[str] = []
    for name in _models(settings.snapshots, model):
        with snapshots_lock(settings, name):  # from the question who needs the rows until they are gone
            found, uses = _plan(settings, name, today)
            stay = [each for each in found.due if each.kept(also_serving=also_serving)]
            for begun in found.begun:
                begun.end()
                deleted.append(_recorded(uses, begun))
            while due := [each for each in overdue(settings.snapshots, name, today) if not _among(each, stay)]:
                made = delete_rows(due[0], by=by, today=today)  # then what was set aside from it is due, too
                deleted += [] if made is None else [_recorded(uses, made)]
            kept += stay
            swept += sweep(settings.snapshots, name)
    return Expired(deleted=tuple(deleted), kept=tuple(kept), strays=tuple(swept))


def _plan(settings: Settings, model: str, today: date) -> "tuple[Plan, list[_Use]]":
    from assay.data.expiry import deletions, overdue, parent_of, strays

    due, begun = overdue(settings.snapshots, model, today), deletions(settings.snapshots, model)
    uses = list(_uses(settings, model)) if due or begun else []
    needs = {each.id: tuple(_needs(settings, model, parent_of(each), uses)) for each in due}
    return Plan(
        due=tuple(Due(model=model, snapshot=each, needs=needs[each.id]) for each in due),
        begun=tuple(each for each in begun if each.left() or _unrecorded(uses, each)),
        strays=tuple(store.place(path) for store, path in strays(settings.snapshots, model)),
    ), uses


def _models(root: str, model: str | None) -> list[str]:
    from assay.data.snapshots import models_with_snapshots

    known = models_with_snapshots(root)
    if model is not None and model not in known:
        raise problem(model, "has no snapshot", did_you_mean(model, known))
    return known if model is None else [model]


def _uses(settings: Settings, model: str) -> Iterator[_Use]:
    """The dossiers of a model that took a snapshot whose deletion they do not record."""
    by_dossier: dict[str, list[Anchor]] = {}
    for anchor in AnchorTable(rollouts(settings).engine).all():
        if anchor.model == model:
            by_dossier.setdefault(anchor.dossier, []).append(anchor)
    for run_id, anchors in by_dossier.items():
        took = [anchor for anchor in anchors if anchor.kind == "snapshot"]
        known = any(
            anchor.kind == EXPIRY and str(anchor.operation).startswith(_operation(f"{model}-")) for anchor in anchors
        )
        if not took or known:
            continue
        opened = archive(settings)
        live, dossier = read_run(opened.client, run_id), opened.at(run_id, model)
        if live is None or live.deleted or dossier is None:
            continue
        record = read_record(dossier, took[-1])
        if isinstance(record, Event):
            yield _Use(dossier=dossier, anchors=anchors, facts=record.facts, ended=live.ended)


def _needs(settings: Settings, model: str, snapshot_id: str, uses: Sequence[_Use]) -> Iterator[Need]:
    for use in uses:
        if use.at_work and snapshot_id in (use.facts["snapshot"], use.facts.get("reference")):
            yield Need(reason=f"a run is at work with it (dossier {use.dossier.run_id})", firm=True)
    current = rollouts(settings).current(model)
    serving = () if current is None else (("champion", current.champion), ("canary", current.canary))
    for role, ref in serving:
        run_id = None if ref is None else archive(settings).of_version(model, ref.version).run_id
        if ref is not None and snapshot_id in [e.facts["snapshot"] for e in uses if e.dossier.run_id == run_id]:
            reason = f"the {role}, version {ref.version}, was made from it, and new data are compared with it"
            yield Need(reason=reason, firm=False)


def _among(snapshot: "Snapshot", stay: Sequence[Due]) -> bool:
    from assay.data.expiry import parent_of

    return parent_of(snapshot) in {parent_of(each.snapshot) for each in stay}


def _unrecorded(uses: Sequence[_Use], deletion: "Deletion") -> list[_Use]:
    """The dossiers that were made from rows, and do not say that those were deleted."""
    operation, digest = _operation(deletion.tombstone.place), deletion.tombstone.manifest_sha256
    mine = [use for use in uses if digest in use.manifests]
    return [use for use in mine if operation not in {anchor.operation for anchor in use.anchors}]


def _recorded(uses: Sequence[_Use], deletion: "Deletion") -> "Tombstone":
    """Have every dossier that was made from the rows say that they were deleted, once."""
    told = deletion.tombstone
    event = Event(event=EXPIRY, operation=_operation(told.place), by=told.by, at=told.at, facts=told.facts())
    for use in _unrecorded(uses, deletion):
        use.dossier.record(event)
    return told


def _operation(place: str) -> str:
    """The key of a deletion in a dossier, or the beginning of that for all of a model's snapshots."""
    return f"{EXPIRY}:{place}"
