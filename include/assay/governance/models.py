"""What the pages of the models show: what serves now, how it came to that, what is wrong, and the recent runs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from assay.core import AssayError, Settings, UnavailableError, UserError
from assay.evidence.catalogue import Entry, catalogue
from assay.evidence.opening import archive, rollouts
from assay.evidence.waivers import stored_waivers
from assay.governance.traffic import Traffic, traffic
from assay.governance.waived import WaiverState
from assay.governance.words import GATES
from assay.policy import APPROVALS, Policy, load_folder, model_folders
from assay.registry.summaries import Summary, list_dossiers
from assay.rollout import Deployment, Incident, Incidents, Move, Served, timeline

SHOWN = 30
"""How many runs and moves a page shows, the latest ones."""
VERSIONS_SHOWN = 12
"""How many versions: each costs a handful of requests to MLflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """One model in the list.

    Attributes
    ----------
    policy
        Its present policy; None when there is none or it cannot be read.
    deployment
        What serves it; None when nothing ever did.
    """

    name: str
    policy: Policy | None
    deployment: Deployment | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPage:
    """One model with its history.

    Attributes
    ----------
    served
        Who served what when, oldest first.
    incidents
        What is out of order, or was: the open ones first.
    waivers
        In force first, the latest first.
    versions
        The latest, newest first.
    moves, runs
        The latest, newest first.
    doubts
        What could not be read, and why.
    """

    row: ModelRow
    served: Sequence[Served]
    traffic: Traffic | None
    incidents: Sequence[Incident]
    waivers: Sequence[WaiverState]
    versions: Sequence[Entry]
    moves: Sequence[Move]
    runs: Sequence[Summary]
    doubts: Sequence[str]

    @property
    def open_incidents(self) -> list[Incident]:
        """What somebody must look at."""
        return [each for each in self.incidents if each.closed_at is None]

    @property
    def gates(self) -> list[str]:
        """The columns of the matrix: a retraining's gates, then any others that a run was tagged with."""
        seen = {gate for run in self.runs for gate in run.outcomes}
        asked = set() if self.row.policy is None else {APPROVALS[role] for role in self.row.policy.tier.roles}
        unasked = {*APPROVALS.values()} - seen - asked - {"approval"}
        return [gate for gate in [*GATES, *sorted(seen - set(GATES))] if gate not in unasked]

    @property
    def dossiers(self) -> dict[str, str]:
        """Run key to dossier, as far as the runs shown go."""
        return {run.run_key: run.run_id for run in self.runs}

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        deployment = self.row.deployment
        return {
            "model": self.row.name,
            "deployment": None if deployment is None else asdict(deployment),
            "incidents": [incident.to_dict() for incident in self.incidents],
            "waivers": [state.to_dict() for state in self.waivers],
            "versions": [entry.to_dict() for entry in self.versions],
            "served": [each.to_dict() for each in self.served],
            "moves": [asdict(move) for move in self.moves],
            "runs": [asdict(run) for run in self.runs],
            "doubts": list(self.doubts),
        }


def list_models(settings: Settings, may_read: Callable[[str], bool]) -> list[ModelRow]:
    """Every model that has a policy here or was ever served, as far as the reader may see it."""
    policies = {folder.name: folder for folder in model_folders(settings.models)}
    deployments = {each.model: each for each in rollouts(settings).deployments()}
    return [
        ModelRow(name=name, policy=_policy(settings, name), deployment=deployments.get(name))
        for name in sorted({*policies, *deployments})
        if may_read(name)
    ]


def model_page(settings: Settings, name: str) -> ModelPage | None:
    """One model with its history; None when neither a policy, a deployment nor a run names it.

    Raises
    ------
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    book = rollouts(settings)
    row = ModelRow(name=name, policy=_policy(settings, name), deployment=book.current(name))
    runs = list_dossiers(settings, model=name, limit=SHOWN)
    if not (runs or row.deployment or (settings.models / name / "policy.yaml").is_file()):
        return None
    doubts: list[str] = []
    served = _read(doubts, lambda: timeline(book.engine, name))
    return ModelPage(
        row=row,
        served=served,
        traffic=traffic(served, now=datetime.now(UTC)),
        incidents=sorted(Incidents(book.engine).all(name), key=lambda each: (each.closed_at is not None, -each.id)),
        waivers=_read(doubts, lambda: _waivers(settings, row)),
        versions=_versions(settings, name),
        moves=book.history(name)[: -SHOWN - 1 : -1],
        runs=runs,
        doubts=doubts,
    )


def _read(doubts: list[str], read: Callable[[], list[Any]]) -> list[Any]:
    """What `read` gives; if what is stored makes no sense, nothing, and why."""
    try:
        return read()
    except UnavailableError:
        raise
    except AssayError as error:
        doubts.append(str(error))
        return []


def _waivers(settings: Settings, row: ModelRow) -> list[WaiverState]:
    tier, today = None if row.policy is None else row.policy.tier, datetime.now(UTC).date()
    found = stored_waivers(rollouts(settings).engine, row.name)
    keyring = archive(settings).keyring
    states = [WaiverState.of(each, keyring, tier, today=today) for each in reversed(found)]
    return sorted(states, key=lambda state: bool(state.doubts))


def _versions(settings: Settings, name: str) -> list[Entry]:
    try:
        return catalogue(settings, name, newest=VERSIONS_SHOWN)[::-1]
    except UserError:  # none was ever registered
        return []


def _policy(settings: Settings, name: str) -> Policy | None:
    try:
        return load_folder(settings.models / name).policy
    except UserError:
        return None
