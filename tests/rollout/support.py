"""Write a history of predictions and labels as the gateway would."""

from collections.abc import Iterable
from uuid import uuid4

from assay.core import utc_now
from assay.policy import Rollout as Limits
from assay.rollout import Label, ModelRef, Prediction, Request, RolloutRow, Rollouts, record, record_labels

LIMITS = Limits(stages=[10, 100], max_brier=0.2, min_labels=50, margin=0.02)


def ref(version: int, model: str = "income") -> ModelRef:
    return ModelRef(
        model=model,
        version=version,
        digest=f"{version:064x}",
        path=f"0/models/m-{version}/model.onnx",
        entity_column="id",
    )


def crown(rollouts: Rollouts, version: int) -> RolloutRow:
    row = rollouts.begin(ref=ref(version), run_key=f"crown {version}", policy=LIMITS)
    while not row.last_stage:
        row = rollouts.advance(row.id, row.epoch)
    return rollouts.promote(row.id, row.epoch)


def traffic(
    rollouts: Rollouts,
    rows: Iterable[tuple[int, float | None, float | None]],
    *,
    labelled: bool = True,
    served: bool = True,
    epoch: int | None = None,
) -> None:
    """Log one request per (label, canary's score, champion's score); a score of None is an error."""
    deployment = rollouts.current("income")
    assert deployment is not None
    assert deployment.canary is not None
    requests, labels = [], []
    for label, canary, champion in rows:
        name = uuid4().hex
        scored = [(deployment.canary.version, canary, served)]
        if deployment.champion is not None:
            scored.append((deployment.champion.version, champion, not served))
        predictions = [
            Prediction(
                row=0, entity=name, version=version, arm="canary" if is_served else "shadow", served=is_served,
                features="{}", score=score, error="broken" if score is None else None, latency_us=1,
            )
            for version, score, is_served in scored
        ]  # fmt: skip
        requests.append(
            Request(
                model="income", request_id=name, body_sha256="", status=200, answer="{}",
                epoch=deployment.epoch if epoch is None else epoch, at=utc_now(), predictions=predictions,
            )
        )  # fmt: skip
        labels.append(Label(request_id=name, row=0, label=label))
    record(rollouts.engine, requests)
    if labelled:
        record_labels(rollouts.engine, "income", labels, at=utc_now())


def equal(n: int) -> list[tuple[int, float, float]]:
    """Rows on which both versions are equally good, with a Brier score of 0.09."""
    return [(row % 2, 0.7 if row % 2 else 0.3, 0.7 if row % 2 else 0.3) for row in range(n)]


def worse(n: int) -> list[tuple[int, float, float]]:
    """Rows on which the canary's Brier score is 0.36 and the champion's 0.09."""
    return [(row % 2, 0.4 if row % 2 else 0.6, 0.7 if row % 2 else 0.3) for row in range(n)]
