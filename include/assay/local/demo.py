"""The whole way once, as three people would go it: an engineer, a reviewer, and callers of the model."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from assay.core import Event, Record, Settings, UnavailableError, Verdict
from assay.local.airflow_api import AirflowApi, Approval, DagRun, TaskInstance
from assay.local.secrets import airflow_password
from assay.local.stack import Stack
from assay.local.traffic import Replay
from assay.policy import APPROVALS, ModelFolder, find_model

ENGINEER, REVIEWER, OFFICER = "engineer", "reviewer", "officer"
_LOOK_EVERY = 0.5
_ROWS_PER_SECOND = 120
_APPROVERS = {APPROVALS["model_owner"]: REVIEWER, APPROVALS["risk_officer"]: OFFICER}
_REASON = "the gates' numbers were read; approved by the demo in this person's name"


@dataclass(kw_only=True)
class Scene:
    """What there is to see at one moment."""

    run: DagRun
    tasks: Sequence[TaskInstance]
    deployment: dict[str, Any]
    sent: int
    arms: dict[str, int]
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Report:
    """How it ended.

    Attributes
    ----------
    verdicts
        The run's dossier, in order.
    mitigated
        SHA-256 of what mitigation made.
    deployment
        What the gateway says it serves.
    version
        The version that this run registered; None when it did not come so far.
    isolation
        How the training code was kept apart; empty when nothing was trained.
    """

    run: DagRun
    tasks: Sequence[TaskInstance]
    verdicts: Sequence[Verdict]
    mitigated: frozenset[str]
    snapshot: str
    version: int | None
    approved_by: str
    isolation: str
    deployment: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether the gateway answers with the very version that this run made."""
        champion = self.deployment.get("champion") or {}
        return self.run.state == "success" and self.version is not None and champion.get("version") == self.version


def play(stack: Stack, model: str, *, live: Path, show: Callable[[Scene], None], timeout: float = 900) -> Report:
    """Trigger the retraining, answer its approvals, send traffic, and watch until it has ended.

    Parameters
    ----------
    stack
        A running stack.
    model
        Name of the model.
    live
        Held-out rows with labels, replayed as traffic while the canary runs.
    show
        Told, about twice a second, what there is to see.
    timeout
        Seconds after which the run is given up.

    Raises
    ------
    UserError, UnavailableError
        When the model is unknown, a server does not answer, or the run takes longer than `timeout`.
    """
    os.environ.update(stack.environment)
    folder = find_model(Settings.from_environment().models, model)
    with ExitStack() as sessions:
        engineer = sessions.enter_context(_user(stack, ENGINEER))
        approvers = {task: sessions.enter_context(_user(stack, name)) for task, name in _APPROVERS.items()}
        engineer.wait_until_parsed(f"retrain_{model}")
        replay = _replay(stack, folder, live)
        try:
            run = engineer.active_run(f"retrain_{model}") or _trigger(engineer, folder, replay)
            watch = _Watch(engineer, approvers, replay, run, show, time.monotonic() + timeout)
            watch.until_ended()
            return _report(watch, folder)
        finally:
            replay.stop()


def _user(stack: Stack, name: str) -> AirflowApi:
    password = airflow_password(dict(stack.secrets), name)
    return AirflowApi(stack.url("airflow"), username=name, password=password)


def _replay(stack: Stack, folder: ModelFolder, live: Path) -> Replay:
    return Replay(
        gateway=stack.url("gateway"),
        token=stack.secrets["gateway_token"],
        model=folder.policy.model,
        file=live,
        label=folder.policy.data.label,
        name=f"demo-{datetime.now():%Y%m%d%H%M%S}",
        rate=_ROWS_PER_SECOND,
    )


def _trigger(engineer: AirflowApi, folder: ModelFolder, replay: Replay) -> DagRun:
    """Ask for a run; the seed moves on with each champion, else the same data gives the same model again."""
    champion = replay.deployment().get("champion") or {}
    seed = folder.policy.training.seed + int(champion.get("version", 0))
    conf = {"snapshot": "latest", "seed": seed, "reason": "demo"}
    return engineer.trigger(f"retrain_{folder.policy.model}", conf=conf)


@dataclass
class _Watch:
    engineer: AirflowApi
    approvers: Mapping[str, AirflowApi]
    replay: Replay
    run: DagRun
    show: Callable[[Scene], None]
    deadline: float
    notes: list[str] = field(default_factory=list)
    tasks: Sequence[TaskInstance] = ()

    def until_ended(self) -> None:
        name = "triggered" if self.run.state == "queued" else "taken up: it was still active"
        self.notes.append(f"{ENGINEER}: run {self.run.run_id} {name}")
        while not self.run.ended:
            if time.monotonic() > self.deadline:
                raise UnavailableError(f"run {self.run.run_id} has not ended in time; look at it in Airflow")
            self._look()
            time.sleep(_LOOK_EVERY)
        self._look()

    def _look(self) -> None:
        dag_id, run_id = self.run.dag_id, self.run.run_id
        self.run = self.engineer.dag_run(dag_id, run_id)
        self.tasks = self.engineer.task_instances(dag_id, run_id)
        waiting = {task.task_id for task in self.tasks if task.state == "awaiting_input"}
        for approval in self.approvers[APPROVALS["model_owner"]].pending_approvals(dag_id, run_id) if waiting else ():
            self._approve(approval)
        deployment = self.replay.deployment()
        if deployment.get("stage") in ("shadow", "canary"):
            self.replay.start()
        if self.replay.error is not None:
            raise UnavailableError(f"the traffic broke off: {self.replay.error}")
        scene = Scene(
            run=self.run,
            tasks=self.tasks,
            deployment=deployment,
            sent=self.replay.sent,
            arms=dict(self.replay.arms),
            notes=self.notes,
        )
        self.show(scene)

    def _approve(self, approval: Approval) -> None:
        name = _APPROVERS[approval.task_id]
        self.approvers[approval.task_id].answer(approval, options=["Approve"], params={"reason": _REASON})
        self.notes.append(f"{name}: answered “{approval.subject}” with Approve (the demo speaks for this person)")


def _report(watch: _Watch, folder: ModelFolder) -> Report:
    from assay.evidence.card.words import isolation
    from assay.evidence.opening import archive
    from assay.registry.dossier import EvidenceError

    records: list[Record] = []
    try:
        run_key = f"{watch.run.dag_id}/{watch.run.run_id}"
        settings = Settings.from_environment()
        records = archive(settings).find(model=folder.policy.model, run_key=run_key).records()
    except EvidenceError:
        pass  # the run failed before it had a dossier, which the table of tasks shows
    verdicts = [record for record in records if isinstance(record, Verdict)]
    made = [record for record in records if isinstance(record, Event) and record.event == "mitigation"]
    facts = {record.event: record.facts for record in records if isinstance(record, Event)}
    approvals = [each.checks[0].reason for each in verdicts if each.gate in APPROVALS.values()]
    return Report(
        run=watch.run,
        tasks=watch.tasks,
        verdicts=verdicts,
        mitigated=frozenset(str(event.facts["to"]) for event in made),
        snapshot=facts.get("snapshot", {}).get("snapshot", ""),
        version=facts.get("registration", {}).get("version"),
        approved_by="; ".join(approvals),
        isolation=isolation(facts.get("training", {}).get("isolation")),
        deployment=watch.replay.deployment(),
    )
