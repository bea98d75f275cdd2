"""Every place between two steps at which a task can be made to die, by task; see `assay.core.fault_point`."""


def around(*kinds: str) -> list[str]:
    return [f"{kind}.{moment}" for kind in kinds for moment in ("stored", "anchored", "tagged")]


FIRST = {"snapshot": [f"snapshot.{moment}" for moment in ("staged", "moved", "committed")]}
"""Those that only the first run of a model meets: later ones take the same rows again."""

POINTS = {
    "snapshot": [*around("request"), "snapshot.taken", *around("snapshot")],
    "data_validation": around("contract"),
    "training": [
        "training.trained", "candidate.created", "candidate.uploaded", "candidate.ready", "candidate.linked",
        "training.logged", *around("training"),
    ],
    "performance_gate": around("performance"),
    "fairness_gate": around("fairness"),
    "robustness_gate": around("robustness"),
    "registration": [
        *(f"registration.{moment}" for moment in ("before", "created", "checked", "shown")), *around("registration"),
    ],
    "model_card": around("card"),
    "approval": around("approval_request", "approval"),
    "canary_promotion": [
        "rollout.begun", *around("rollout"), "alias.canary", "rollout.moved", *around("canary"), "alias.previous",
        *around("alias"), "alias.champion",
    ],
    "expiry": [*(f"expiry.{moment}" for moment in ("buried", "half_deleted", "deleted")), *around("expiry")],
}  # fmt: skip
