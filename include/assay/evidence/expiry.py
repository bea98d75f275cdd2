"""Delete snapshots' rows when their time is over: what still needs them is asked first, and each dossier records it.

The order is: say what needs the rows, write the tombstone, delete the files, record it in every dossier that was
made from them. Whatever is killed in between is ended by doing it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from assay.core import Event, Settings, did_you_mean, problem
from assay.evidence.needs import Need, Use, needs, operation_of, uses
from assay.evidence.opening import rollouts, snapshots_lock
from assay.evidence.verify.snapshot import EXPIRY
from assay.rollout.exclusive import exclusive

if TYPE_CHECKING:
    from assay.data.expiry import Deletion
    from assay.data.snapshots import Snapshot
    from assay.data.tombstones import Tombstone


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
        with exclusive(
            rollouts(settings).engine, snapshots_lock(name)
        ):  # from the question who needs the rows until they are gone
            found, used = _plan(settings, name, today)
            stay = [each for each in found.due if each.kept(also_serving=also_serving)]
            for begun in found.begun:
                begun.end()
                deleted.append(_recorded(used, begun))
            while due := [each for each in overdue(settings.snapshots, name, today) if not _among(each, stay)]:
                made = delete_rows(due[0], by=by, today=today)  # then what was set aside from it is due, too
                deleted += [] if made is None else [_recorded(used, made)]
            kept += stay
            swept += sweep(settings.snapshots, name, _known(used)) if found.strays else []
    return Expired(deleted=tuple(deleted), kept=tuple(kept), strays=tuple(swept))


def _plan(settings: Settings, model: str, today: date) -> tuple[Plan, list[Use]]:
    from assay.data.expiry import deletions, overdue, parent_of, strays

    due, begun = overdue(settings.snapshots, model, today), deletions(settings.snapshots, model)
    loose = strays(settings.snapshots, model)
    used = list(uses(settings, model)) if due or begun or loose else []
    needed = {each.id: tuple(needs(settings, model, parent_of(each), used)) for each in due}
    return Plan(
        due=tuple(Due(model=model, snapshot=each, needs=needed[each.id]) for each in due),
        begun=tuple(each for each in begun if each.left() or _unrecorded(used, each)),
        strays=tuple(store.place(path) for store, path in loose and strays(settings.snapshots, model, _known(used))),
    ), used


def _known(used: Sequence[Use]) -> set[str]:
    """The snapshots, and rows set aside, that a dossier names."""
    return {name for use in used for name in use.names}


def _models(root: str, model: str | None) -> list[str]:
    from assay.data.snapshots import models_with_snapshots

    known = models_with_snapshots(root)
    if model is not None and model not in known:
        raise problem(model, "has no snapshot", did_you_mean(model, known))
    return known if model is None else [model]


def _among(snapshot: "Snapshot", stay: Sequence[Due]) -> bool:
    from assay.data.expiry import parent_of

    return parent_of(snapshot) in {parent_of(each.snapshot) for each in stay}


def _unrecorded(found: Sequence[Use], deletion: "Deletion") -> list[Use]:
    """The dossiers that were made from rows, and do not say that those were deleted."""
    operation, digest = operation_of(deletion.tombstone.place), deletion.tombstone.manifest_sha256
    return [use for use in found if digest in use.manifests and not use.records(operation)]


def _recorded(found: Sequence[Use], deletion: "Deletion") -> "Tombstone":
    """Have every dossier that was made from the rows say that they were deleted, once."""
    told = deletion.tombstone
    event = Event(event=EXPIRY, operation=operation_of(told.place), by=told.by, at=told.at, facts=told.facts())
    for use in _unrecorded(found, deletion):
        use.dossier.record(event)
    return told
