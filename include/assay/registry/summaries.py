"""What the tags of a dossier's run say: enough to list dossiers without opening their chains."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay.core import Settings
from assay.registry.client import connect, unavailable
from assay.registry.dossier import Dossier
from assay.registry.images import RUN_KEY

if TYPE_CHECKING:
    from mlflow.entities import Run

_VERDICT = "assay.verdict."


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A dossier in a list. Tags are an index, not evidence: only the chain itself proves an outcome.

    Attributes
    ----------
    run_id
        The MLflow run that holds the dossier.
    model
        Name of the model.
    began_at
        UTC time, ISO 8601.
    facts
        The run's own tags, their prefix ``assay.`` taken off.
    outcomes
        Gate to the latest outcome that was tagged.
    """

    run_id: str
    model: str
    began_at: str
    facts: Mapping[str, str]
    outcomes: Mapping[str, str]

    @property
    def run_key(self) -> str:
        """Names the orchestrator's run."""
        return self.facts.get("run_key", "")


def summarise(dossier: Dossier) -> Summary:
    """The summary of one dossier, read now."""
    with unavailable(f"reading the run {dossier.run_id}"):
        return _summary(dossier.model, dossier.client.get_run(dossier.run_id))


def list_dossiers(settings: Settings, *, model: str, limit: int = 50) -> list[Summary]:
    """The latest dossiers of a model, newest first; none when it was never run.

    Raises
    ------
    UnavailableError
        When MLflow does not answer.
    """
    client = connect(settings)
    with unavailable(f"listing the dossiers of {model}"):
        experiment = client.get_experiment_by_name(f"assay/{model}")
        if experiment is None:
            return []
        runs = client.search_runs(
            [experiment.experiment_id],
            f"tags.`{RUN_KEY}` LIKE '%'",
            max_results=limit,
            order_by=["attributes.start_time DESC"],
        )
    return [_summary(model, run) for run in runs]


def _summary(model: str, run: "Run") -> Summary:
    tags: Mapping[str, str] = run.data.tags
    began = datetime.fromtimestamp((run.info.start_time or 0) / 1000, UTC)
    return Summary(
        run_id=run.info.run_id,
        model=model,
        began_at=began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        facts={
            key.removeprefix("assay."): value
            for key, value in tags.items()
            if key.startswith("assay.") and not key.startswith(_VERDICT)
        },
        outcomes={
            key.removeprefix(_VERDICT): value.partition(" ")[0]
            for key, value in tags.items()
            if key.startswith(_VERDICT)
        },
    )
