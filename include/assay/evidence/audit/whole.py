"""An audit from its first look to its last incident."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean
from assay.core.text import says_something
from assay.evidence.audit.aliases import audit_aliases
from assay.evidence.audit.anchors import audit_anchors
from assay.evidence.audit.deviation import key
from assay.evidence.audit.incidents import Seen, mark
from assay.evidence.audit.looks import UNREADABLE, Looks
from assay.evidence.audit.rollouts import audit_rollout
from assay.evidence.audit.snapshots import KIND as SNAPSHOT
from assay.evidence.audit.snapshots import audit_snapshots
from assay.evidence.audit.tags import audit_tags
from assay.evidence.audit.versions import (
    audit_files,
    audit_moves,
    audit_versions,
    cut_key,
    pending,
    read_cases,
)
from assay.evidence.opening import model_lock, rollouts
from assay.evidence.verify.case import Case
from assay.registry.archive import Archive
from assay.registry.live import LiveModel, read_model
from assay.rollout.anchors import AnchorTable
from assay.rollout.exclusive import exclusive
from assay.rollout.incidents import Incident, Incidents

if TYPE_CHECKING:
    from assay.rollout.rollouts import Rollouts


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What an audit came to.

    Attributes
    ----------
    models
        What was looked at.
    versions, files_of
        How many versions, and of how many of them the files.
    seen
        Every deviation.
    closed
        Incidents whose cause is gone.
    open
        Incidents of these models that others raised, or that this audit did not look for.
    shipped
        How many anchors were shipped; None where none are.
    """

    models: tuple[str, ...]
    versions: int
    files_of: int
    seen: tuple[Seen, ...]
    closed: tuple[Incident, ...]
    open: tuple[Incident, ...]
    shipped: int | None

    @property
    def clean(self) -> bool:
        """Whether nothing is out of order, or all of it was set back."""
        return all(each.restored for each in self.seen)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "models": list(self.models),
            "versions": self.versions,
            "files_of": self.files_of,
            "clean": self.clean,
            "seen": [each.to_dict() for each in self.seen],
            "closed": [each.to_dict() for each in self.closed],
            "open": [each.to_dict() for each in self.open],
            "shipped": self.shipped,
        }


def audit(archive: Archive, model: str | None = None, *, deep: bool = False, restore: str | None = None) -> Audit:
    """Compare MLflow and the rollouts' rows with the dossiers, raise an incident for each deviation, and mark versions.

    Aliases, versions and tags of every version are compared, the files of those that serve, or served
    last. Anchors are checked and, where the settings name a file, shipped.

    Parameters
    ----------
    archive
        See `opening.archive`.
    model
        One model; None for all that Assay knows.
    deep
        Whether to compare the files of every version.
    restore
        Who asks to have aliases and tags set back; None to leave everything as it is.

    Raises
    ------
    UserError
        When there is no such model, or no public keys.
    UnavailableError
        When a server does not answer: then what it holds was not compared.
    """
    _ = archive.keyring  # without one no dossier can be read
    book = rollouts(archive.settings)
    incidents = Incidents(book.engine)
    models = _models(AnchorTable(book.engine), book, archive.settings.snapshots, model)
    anchors, shipped = audit_anchors(archive, incidents)
    seen, closed = anchors.seen, anchors.close()
    versions = files = 0
    for each in models:
        found = _audit_model(archive, book, incidents, each, deep=deep, restore=restore)
        seen += found.seen
        closed += found.closed
        versions, files = versions + found.versions, files + found.files_of
    told = {each.incident.id for each in seen}
    still = [each for each in incidents.open() if each.model in models and each.id not in told]
    return Audit(
        models=tuple(models),
        versions=versions,
        files_of=files,
        seen=tuple(seen),
        closed=tuple(closed),
        open=tuple(still),
        shipped=shipped,
    )


def close_incident(archive: Archive, incident_id: int, *, by: str, reason: str) -> Incident:
    """Close an incident by hand; if its cause is still there, the next audit opens another.

    Raises
    ------
    UserError
        When no such incident is open, or no reason is given.
    """
    book = rollouts(archive.settings)
    incidents = Incidents(book.engine)
    found = {each.id: each for each in incidents.open()}
    problems = []
    if incident_id not in found:
        known = ", ".join(map(str, found)) or "none is"
        problems.append(Problem(path="--close", message=f"no incident {incident_id} is open", mend=f"open: {known}"))
    if not says_something(reason):
        problems.append(Problem(path="--reason", message="is empty", mend="say why, for whoever reads the history"))
    if problems:
        raise UserError("assay audit", problems)
    incident = found[incident_id]
    closed = incidents.close(incident.key, by=by, reason=reason.strip()) or incident
    mark(archive, incidents, incident.model)
    return closed


def _audit_model(
    archive: Archive, book: "Rollouts", incidents: Incidents, model: str, *, deep: bool, restore: str | None
) -> Audit:
    looks = Looks(incidents=incidents, model=model, restore=restore)
    versions = files = 0
    read = None
    with looks.at("the dossiers"):
        read = read_cases(archive, book, model)
    if read is not None:
        live, cases, lost, gone = read
        with looks.at("the versions", key(model, "dossier"), key(model, "version")):
            looks.found += audit_versions(model, live, cases, lost, gone, pending(live, AnchorTable(book.engine)))
        with looks.at("the snapshots", key(model, SNAPSHOT)):
            looks.found += audit_snapshots(archive.settings, model, cases)
        _look_at_records(looks, incidents, cases)
        versions, files = len(cases.keys() | live.versions.keys()), _look_at_files(looks, book, live, cases, deep=deep)
        looks.tell()
        with exclusive(book.engine, model_lock(model)):
            with looks.at("the aliases", key(model, "alias")):
                live = read_model(archive.client, model) or live
                looks.found += audit_aliases(archive, book, model, live, cases)
            looks.tell()
    with looks.at("the rollout", key(model, "rollout")):
        looks.found += audit_rollout(book, model)
    looks.tell()
    if not any(each.deviation.kind == UNREADABLE for each in looks.seen):
        looks.looked += [key(model, "row"), key(model, UNREADABLE)]
    closed = looks.close()
    mark(archive, incidents, model)
    return Audit(
        models=(model,), versions=versions, files_of=files, seen=tuple(looks.seen), closed=tuple(closed), open=(),
        shipped=None,
    )  # fmt: skip


def _look_at_records(looks: Looks, incidents: Incidents, cases: Mapping[int, Case]) -> None:
    """Hold moves and tags to the records of each version's dossier."""
    broken = {each.key for each in looks.found}
    for number, case in sorted(cases.items()):
        with looks.at(f"the moves of version {number}", version=number):
            looks.found += audit_moves(case)
        if not case.whole or case.doubts or cut_key(case) in broken:  # the tags know more than the records
            continue
        with looks.at(f"the tags of version {number}", key(looks.model, "tag", number), version=number):
            open_now = [each.id for each in incidents.open(looks.model) if each.version == number]
            looks.found += audit_tags(case, open_now)


def _look_at_files(looks: Looks, book: "Rollouts", live: LiveModel, cases: Mapping[int, Case], *, deep: bool) -> int:
    """Compare the files of every version, or of those that matter now; how many those are."""
    serving = set(cases)
    with looks.at("what serves"):
        serving = _serving(book, looks.model, live)
    compared = [case for number, case in sorted(cases.items()) if (deep or number in serving) and case.training]
    for case in compared:
        own = key(looks.model, "file", case.version)
        with looks.at(f"the files of version {case.version}", own, version=case.version):
            looks.found += audit_files(case)
    return len(compared)


def _models(table: AnchorTable, book: "Rollouts", snapshots: str, model: str | None) -> list[str]:
    from assay.data.snapshots import models_with_snapshots

    named = {each.model for each in table.all()} | set(book.models())
    with suppress(UserError):  # the look at a model's snapshots tells that they cannot be found
        named |= set(models_with_snapshots(snapshots))
    known = {each for each in named if isinstance(each, str)}  # SQLite takes bytes too: the look at the anchors tells
    if model is None:
        return sorted(known)
    if model not in known:
        raise UserError(model, [Problem(path=model, message="no such model", mend=did_you_mean(model, known))])
    return [model]


def _serving(book: "Rollouts", model: str, live: LiveModel) -> set[int]:
    """The versions that serve, served last, or that an alias names."""
    row = book.current(model)
    refs = () if row is None else (row.champion, row.canary)
    return {ref.version for ref in refs if ref is not None} | set(live.aliases.values())
