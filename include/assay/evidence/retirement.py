"""Take a version out of the catalogue: retire it, and one day, when nothing must be kept any more, delete it."""

from dataclasses import dataclass
from datetime import date

from assay.core import Event, Problem, Settings, UserError, utc_now
from assay.core.text import says_something
from assay.evidence.account import account_of
from assay.evidence.catalogue import Entry, entry
from assay.evidence.opening import archive, model_lock, rollouts
from assay.evidence.service import IN_USE
from assay.registry.dossier import EvidenceError

_MENDS = {
    "champion": "promote another version first",
    "canary": "roll it back first: assay rollback",
    "previous": "it is what the model falls back to until another version is promoted",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """What deleting a version takes away.

    Attributes
    ----------
    with_run
        Whether the MLflow run goes too, with dossier and files; not while another version stands on it.
    candidate
        The id of its LoggedModel in MLflow.
    anchors
        How many anchors of its dossier stay.
    """

    entry: Entry
    candidate: str
    with_run: bool
    anchors: int


def retire(settings: Settings, model: str, version: int, *, reason: str, by: str) -> Event:
    """Record that a version is not to be used again. What it was, and why it went, stays in its dossier.

    Parameters
    ----------
    reason
        Why, for whoever reads the dossier.
    by
        Who says so.

    Returns
    -------
    Event
        As it stands in the dossier: an earlier one when the version had been retired already.

    Raises
    ------
    UserError
        When there is no such version, it is in use, or no reason is given.
    EvidenceError
        When its dossier does not hold.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    found = entry(settings, model, version)
    problems = _in_use(found)
    if not says_something(reason):
        problems.append(Problem(path="--reason", message="is empty", mend="say why, for whoever reads the dossier"))
    if problems:
        raise UserError(_name(model, version), problems)
    dossier = account_of(settings, model, version).dossier
    event = Event(
        event="retirement",
        operation=f"retirement:{version}",  # one dossier may have registered more than one
        by=by,
        at=utc_now(),
        facts={"version": version, "reason": reason.strip()},
    )
    return dossier.record(event, version=version)


def plan_deletion(settings: Settings, model: str, version: int, *, today: date) -> Deletion:
    """What deleting a version would take away, if that is allowed on this day.

    Raises
    ------
    UserError
        When there is no such version, it is in use, or its evidence must still be kept: until when.
    EvidenceError
        When it cannot be known how long that must be kept: then nothing may go.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    found = entry(settings, model, version)
    if found.kept_until is None:
        raise EvidenceError([f"{model} version {version}: {found.doubt}; how long it must be kept is not known"])
    problems = _in_use(found)
    if today <= date.fromisoformat(found.kept_until):
        mend = f"it can be deleted from the day after {found.kept_until}"
        message = f"its evidence is under retention until {found.kept_until}"
        problems.append(Problem(path=_name(model, version), message=message, mend=mend))
    if problems:
        raise UserError(_name(model, version), problems)
    account = account_of(settings, model, version)
    run_id = account.dossier.run_id
    others = [each for each in archive(settings).versions(model) if each != version]
    shared = any(_run_of(settings, model, each) == run_id for each in others)
    return Deletion(
        entry=found,
        candidate=str(account.registration.facts["candidate"]),
        with_run=not shared,
        anchors=len(account.dossier.anchors.of(run_id)),
    )


def delete(settings: Settings, model: str, version: int, *, today: date) -> Deletion:
    """Delete a version from MLflow, with its model and its run; its anchors stay. See `plan_deletion`.

    A kill in between leaves a version that can be deleted again: it goes last.
    """
    from assay.registry.versions import delete_version
    from assay.rollout.exclusive import exclusive

    with exclusive(rollouts(settings).engine, model_lock(model)):
        plan = plan_deletion(settings, model, version, today=today)
        dossier = archive(settings).of_version(model, version)
        delete_version(dossier, version, candidate=plan.candidate, with_run=plan.with_run)
    return plan


def _run_of(settings: Settings, model: str, version: int) -> str | None:
    try:
        return archive(settings).of_version(model, version).run_id
    except EvidenceError:  # it stands on no dossier, so not on this one
        return None


def _in_use(found: Entry) -> list[Problem]:
    if found.state not in IN_USE:
        return []
    return [Problem(path=_name(found.model, found.version), message=f"is {found.state}", mend=_MENDS[found.state])]


def _name(model: str, version: int) -> str:
    return f"{model} version {version}"
