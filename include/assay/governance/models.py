"""What the pages of the models show: what serves now, how it came to that, and the recent runs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from assay.core import Settings, UserError
from assay.governance.words import GATES
from assay.policy import Policy, load_folder, model_folders
from assay.registry.summaries import Summary, list_dossiers
from assay.rollout import Deployment, Move, Rollouts

SHOWN = 30
"""How many runs and moves a page shows, the latest ones."""


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
    """One model with its history, latest first."""

    row: ModelRow
    moves: Sequence[Move]
    runs: Sequence[Summary]

    @property
    def gates(self) -> list[str]:
        """The columns of the matrix: a retraining's gates, then any others that a run was tagged with."""
        others = sorted({gate for run in self.runs for gate in run.outcomes} - set(GATES))
        return [*GATES, *others]

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
            "moves": [asdict(move) for move in self.moves],
            "runs": [asdict(run) for run in self.runs],
        }


def list_models(settings: Settings, may_read: Callable[[str], bool]) -> list[ModelRow]:
    """Every model that has a policy here or was ever served, as far as the reader may see it."""
    policies = {folder.name: folder for folder in model_folders(settings.models)}
    deployments = {each.model: each for each in _rollouts(settings.operations_db).deployments()}
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
    book = _rollouts(settings.operations_db)
    row = ModelRow(name=name, policy=_policy(settings, name), deployment=book.current(name))
    runs = list_dossiers(settings, model=name, limit=SHOWN)
    known = runs or row.deployment or (settings.models / name / "policy.yaml").is_file()
    return ModelPage(row=row, moves=book.history(name)[: -SHOWN - 1 : -1], runs=runs) if known else None


def _policy(settings: Settings, name: str) -> Policy | None:
    try:
        return load_folder(settings.models / name).policy
    except UserError:
        return None


@lru_cache(maxsize=4)
def _rollouts(operations_db: str) -> Rollouts:
    return Rollouts.open(operations_db)
