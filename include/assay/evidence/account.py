"""What a version's dossier says about it, read record by record: whole chains are for a verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from assay.core import Anchor, Event, Outcome, Record, Settings, UserError, Verdict, sha256_bytes
from assay.evidence.opening import archive
from assay.policy import APPROVALS, parse_policy
from assay.registry.dossier import Dossier, EvidenceError
from assay.registry.sealed import Sealed, file_name

_POLICY = "inputs/policy.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The records about one version, each held to its anchor and its signature.

    Attributes
    ----------
    retirement, refusal
        None when it was not retired, or nobody refused it.
    kept_until
        The last day of its retention; None when that cannot be known.
    doubt
        Why it cannot; empty otherwise.
    has_card
        Whether a model card was made of it.
    """

    dossier: Dossier
    registration: Event
    retirement: Event | None
    refusal: Verdict | None
    kept_until: date | None
    doubt: str
    has_card: bool


def account_of(settings: Settings, model: str, version: int) -> Account:
    """Read what a version's dossier says about it.

    Raises
    ------
    UserError
        When there is no such version, naming those there are.
    EvidenceError
        When no dossier accounts for it, or a record that matters was changed.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    dossier = archive(settings).of_version(model, version)
    anchors = dossier.anchors.of(dossier.run_id)
    if dossier.model != model:
        raise EvidenceError([f"{model} version {version}: names the dossier {dossier.run_id} of {dossier.model}"])
    place, registration = _about(dossier, anchors, "registration", version)
    if registration is None:
        raise EvidenceError([f"{model} version {version}: the dossier {dossier.run_id} did not register it"])
    last, doubt = kept_until(dossier, registration)
    return Account(
        dossier=dossier,
        registration=registration,
        retirement=_about(dossier, anchors, "retirement", version)[1],
        refusal=_refusal(dossier, anchors[place:]),
        kept_until=last,
        doubt=doubt,
        has_card=any(anchor.kind == "card" for anchor in anchors[place:]),
    )


def _about(dossier: Dossier, anchors: Sequence[Anchor], kind: str, version: int) -> tuple[int, Event | None]:
    """The place of the event of a kind that is about this version, and the event; None without one."""
    for place, anchor in enumerate(anchors):
        if anchor.kind == kind:
            record = read_record(dossier, anchor)
            if isinstance(record, Event) and record.facts.get("version") == version:
                return place, record
    return 0, None


def _refusal(dossier: Dossier, anchors: Sequence[Anchor]) -> Verdict | None:
    """The verdict by which a person, or everybody's silence, refused; None unless one stands."""
    for anchor in {anchor.kind: anchor for anchor in anchors if anchor.kind in APPROVALS.values()}.values():
        record = read_record(dossier, anchor)
        if isinstance(record, Verdict) and record.outcome is Outcome.FAIL:
            return record
    return None


def read_record(dossier: Dossier, anchor: Anchor) -> Record:
    """One record, held to its anchor and its signature.

    Raises
    ------
    EvidenceError
        When it was changed, or is gone.
    """
    name = file_name(anchor.number, anchor.kind, anchor.digest)
    try:
        sealed = Sealed.read(dossier.read(name))
    except ValueError as error:
        raise EvidenceError([f"{name}: was changed after it was written: {error}"]) from None
    if (sealed.record.digest, sealed.dossier, sealed.number) != (anchor.digest, dossier.run_id, anchor.number):
        raise EvidenceError([f"{name}: was changed after it was written"])
    if wrong := sealed.doubt(dossier.keyring, seq=anchor.seq):
        raise EvidenceError([f"{name}: {wrong}"])
    return sealed.record


def kept_until(dossier: Dossier, registration: Event) -> tuple[date | None, str]:
    """The last day of its retention; None and why when that cannot be known."""
    try:
        content = dossier.read(_POLICY)
        if sha256_bytes(content) != registration.facts["policy_sha256"]:
            return None, "the stored policy is not the one that it was registered under"
        years = parse_policy(content, _POLICY).retention_years
    except EvidenceError as error:
        return None, "; ".join(error.reasons)
    except UserError as error:
        return None, f"the stored policy cannot be read by this version of Assay: {error}"
    return years_after(date.fromisoformat(registration.at[:10]), years), ""


def years_after(day: date, years: int) -> date:
    """The same day so many years later; the 29th of February has its anniversary on the 1st of March.

    Examples
    --------
    >>> years_after(date(2028, 2, 29), 10)
    datetime.date(2038, 3, 1)
    """
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
