"""The catalogue: what became of every registered version, and how long its evidence must be kept."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.core import Settings, did_you_mean, problem
from assay.evidence.account import Account, account_of
from assay.evidence.opening import archive
from assay.evidence.service import IN_USE, Service, ServiceState, services
from assay.registry.dossier import EvidenceError

State = ServiceState | Literal["refused", "never rolled out", "retired", "unknown"]

_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One version in the catalogue.

    Attributes
    ----------
    state
        What it is now; ``unknown`` for a version whose dossier does not account for it.
    since
        UTC time from which it is that; None where nobody can say.
    reason
        Why, as it was recorded; may be empty.
    digest, dossier, registered_at
        SHA-256 of its ONNX file, the run that holds its dossier, and when it was registered.
    kept_until
        The last day on which its evidence must be there; None when it is not known, and then it stays.
    doubt
        What keeps the dossier from accounting for it; empty when all is well.
    has_card
        Whether its dossier keeps a model card.
    """

    model: str
    version: int
    state: State
    since: str | None
    reason: str
    digest: str | None = None
    dossier: str | None = None
    registered_at: str | None = None
    kept_until: str | None = None
    doubt: str = ""
    has_card: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def catalogue(settings: Settings, model: str, *, newest: int | None = None) -> list[Entry]:
    """Every registered version of a model, oldest first; none of one whose versions were all deleted.

    Only the records that matter are read, each held to its anchor and its signature. Whether whole
    dossiers hold is for a verification to say.

    Parameters
    ----------
    newest
        Only so many of the latest versions; all by default.

    Raises
    ------
    UserError
        When no such model is registered, naming those there are.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    found = archive(settings)
    versions = found.versions(model)
    if not versions:
        known = found.models()
        if model not in known:
            raise problem(model, "no such model is registered", did_you_mean(model, known))
        return []
    told = services(settings, model)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shown = versions[-newest:] if newest else versions
        return list(pool.map(lambda version: _entry(settings, model, version, told.get(version)), shown))


def entry(settings: Settings, model: str, version: int) -> Entry:
    """One version of a model.

    Raises
    ------
    UserError
        When there is no such version, naming those there are.
    UnavailableError
        As `catalogue`.
    """
    return _entry(settings, model, version, services(settings, model).get(version))


def _entry(settings: Settings, model: str, version: int, service: Service | None) -> Entry:
    try:
        account = account_of(settings, model, version)
    except EvidenceError as error:
        doubt = "; ".join(error.reasons)
        return Entry(
            model=model, version=version, doubt=doubt,
            state=service.state if service else "unknown",
            since=service.since if service else None,
            reason=service.reason if service else doubt,
        )  # fmt: skip
    state, since, reason = _now(account, service)
    facts = account.registration.facts
    return Entry(
        model=model, version=version, state=state, since=since, reason=reason,
        digest=facts["sha256"],
        dossier=account.dossier.run_id,
        registered_at=account.registration.at,
        kept_until=None if account.kept_until is None else account.kept_until.isoformat(),
        doubt=account.doubt,
        has_card=account.has_card,
    )  # fmt: skip


def _now(account: Account, service: Service | None) -> tuple[State, str, str]:
    if service is not None and service.state in IN_USE:
        return service.state, service.since, service.reason
    if account.retirement is not None:
        return "retired", account.retirement.at, str(account.retirement.facts["reason"])
    if service is not None:
        return service.state, service.since, service.reason
    if account.refusal is not None:
        check = account.refusal.worst_check
        return "refused", account.refusal.started_at, check.reason if check else ""
    return "never rolled out", account.registration.at, ""
