"""Open what evidence is read from: the rollouts, and the dossiers with their anchors."""

from functools import cache
from typing import TYPE_CHECKING

from assay.core import Settings

if TYPE_CHECKING:
    from assay.registry.archive import Archive
    from assay.rollout.rollouts import Rollouts


@cache
def rollouts(settings: Settings) -> "Rollouts":
    """The rollouts in the operations database, its tables made if need be."""
    from assay.rollout.rollouts import Rollouts

    return Rollouts.open(settings.operations_db)


@cache
def archive(settings: Settings) -> "Archive":
    """The dossiers in MLflow, anchored in the operations database."""
    from assay.registry.archive import Archive
    from assay.rollout.anchors import AnchorTable

    return Archive(settings, AnchorTable(rollouts(settings).engine))


def model_lock(model: str) -> str:
    """The name under which one process at a time changes, or compares, a model's versions and aliases."""
    return f"registry {model}"


def snapshots_lock(model: str) -> str:
    """The name under which one process at a time deletes a model's rows, or records that a run works with them."""
    return f"snapshots {model}"
