"""What MLflow's own pages show of a training: parameters, the data set that went in, metrics."""

import json
import time
from collections.abc import Mapping
from typing import Any

from assay.registry.client import unavailable
from assay.registry.dossier import Dossier


def log_training(
    dossier: Dossier,
    *,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    snapshot: str,
    source: str,
    rows: int,
) -> None:
    """Log a training with its run. The same values may be logged again.

    Parameters
    ----------
    parameters, metrics
        Shown on the run.
    snapshot
        The snapshot's id: the data set's name and digest.
    source
        Where the snapshot lies.
    rows
        How many rows it has.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    now = int(time.time() * 1000)
    dataset = Dataset(
        name=snapshot,
        digest=snapshot.rpartition("-")[2],
        source_type="delta",
        source=json.dumps({"path": source}),
        profile=json.dumps({"num_rows": rows}),
    )
    with unavailable("logging the training"):
        dossier.client.log_batch(
            dossier.run_id,
            params=[Param(name, str(value)) for name, value in parameters.items()],
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        )
        dossier.client.log_inputs(
            dossier.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        )


def close_run(dossier: Dossier, *, succeeded: bool) -> None:
    """End the MLflow run, so that its list shows at a glance which retrainings came through."""
    with unavailable("ending the run"):
        dossier.client.set_terminated(dossier.run_id, "FINISHED" if succeeded else "FAILED")
