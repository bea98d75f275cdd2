"""Compile policies into DAGs. Parsed every few seconds: nothing heavy is imported, only policies are read."""

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable, Param, TriggerRule, chain

from assay.core import Settings, UserError
from assay.pipeline.answers import LONGEST_REASON
from assay.pipeline.operators import WHICH, ApprovalStep, BoxOperator, PromotionOperator, StepOperator
from assay.pipeline.refused import refused_dag
from assay.pipeline.retries import PATIENT, RETRIES
from assay.policy import APPROVALS, ModelFolder, load_folder, model_folders

log = logging.getLogger(__name__)

# The tasks by what they do, in the order of the chain; those of a mitigation stand beside it.
STEPS = {
    "snapshot": "Fixes the data: a Delta table version and the SHA-256 of its files.",
    "data_validation": "Holds the snapshot to the data contract, a Great Expectations suite.",
    "training": "Trains the candidate in a box and exports it to ONNX: these bytes are gated and served.",
    "performance_gate": "Measures the candidate on held-out rows, with intervals, also against the champion.",
    "fairness_gate": "Compares the candidate's decisions between groups, with intervals.",
    "robustness_gate": "Damages the inputs and measures what is lost.",
    "registration": "Makes the candidate a version in MLflow that carries every verdict.",
    "model_card": "Writes the version's model card and datasheet from the dossier.",
}
MITIGATION = {
    "mitigation": "Makes from an unfair candidate one that the policy's mitigation has worked on.",
    "mitigated_performance_gate": "Measures what mitigation made, as the candidate was measured.",
    "mitigated_fairness_gate": "Audits it by the same checks on the same rows: what was gained, what was paid.",
}
# Where the teams' code has workers of its own, these take the place of `training` and `mitigation`.
APART = {
    "training": {
        "training_rows": "Lays out the rows that training may see, and the model's files.",
        "training": "Runs the team's code in a box, on a worker without keys, databases or network.",
        "candidate": "Checks the ONNX bytes that came back and stores them: these are gated and served.",
    },
    "mitigation": {
        "mitigation_rows": "Lays out the rows for the mitigation of an unfair candidate.",
        "mitigation": "Runs the team's code under the policy's mitigation in a box, on a worker without keys.",
        "mitigated_candidate": "Checks the ONNX bytes that came back and stores them.",
    },
}

# Without a source of its own Airflow takes a task's parameter for the DAG's and leaves it out of the form.
_REASON = Param(
    None,
    type=["null", "string"],
    maxLength=LONGEST_REASON,
    title="Reason",
    description="Kept in the dossier.",
    source="task",
)

_DOC = """\
### Retrain `{model}` under gates

{description}

`snapshot → data_validation → training → performance_gate → fairness_gate → robustness_gate → registration
→ model_card → approval → canary_promotion`

* **Owner** {owner} · **risk tier** {tier} · **schedule** {schedule}
* **Trigger** it with the form: which snapshot (`latest` takes a new one), which seed, and why.
* **A red gate** is an answer, not a crash: it is never retried. Its log shows every check with its interval and
  limit, and ends with what to do; *Evidence* on its *Details* tab opens the dossier.
{mitigation}* **A retry** means that something broke (a server, a disk). Airflow retries for at least
  five minutes. Clearing a task is safe: every step may run twice.
* **approval**, and in risk tier high **risk_approval**, waits for people other than those who triggered the run:
  *Required Actions* on the run's page. An answer by anybody else leaves the question open.
* **canary_promotion** gives the version traffic in the stages shadow, {stages} %, on evidence from logged
  predictions and labels, then sets `@champion`; or it rolls back.
"""

_MITIGATED = """\
* **When fairness_gate ends in FAIL**, `mitigation` ({method}) makes another model, and *mitigated_performance_gate* and
  *mitigated_fairness_gate* judge it like the first. If it passes, the run goes on with it; if not, the run ends there.
"""


def retrain_dags(root: Path | None = None) -> dict[str, DAG]:
    """One DAG for each policy under `root`, by DAG id; a policy that cannot be read gets one that says why."""
    settings = Settings.from_environment()
    with _uncollected():
        compiled = (_compiled(path, settings.training_queue) for path in model_folders(root or settings.models))
        return {dag.dag_id: dag for dag in compiled}


def _compiled(path: Path, training_queue: str) -> DAG:
    try:
        return retrain_dag(load_folder(path), training_queue=training_queue)
    except UserError as error:
        return refused_dag(path.name, str(error))
    except Exception as error:  # whatever one folder holds, the DAGs of all others must be there
        log.exception("the policy in %r cannot be compiled", str(path))
        return refused_dag(path.name, f"cannot be compiled: {type(error).__name__}: {error}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from walking through all of Airflow again and again: what is made here, stays."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def retrain_dag(folder: ModelFolder, *, training_queue: str = "") -> DAG:
    """The DAG that retrains one model.

    Parameters
    ----------
    training_queue
        Queue of the workers that run the team's code; empty where each worker may.
    """
    policy = folder.policy
    model = policy.model
    dag = DAG(
        dag_id=f"retrain_{model}",
        description=f"Retrain {model} under gates and promote it by canary",
        doc_md=_DOC.format(
            model=model,
            description=policy.description,
            owner=policy.owner,
            tier=policy.risk_tier,
            schedule=f"`{policy.schedule}`" if policy.schedule else "none",
            stages=", ".join(map(str, policy.rollout.stages)),
            mitigation="" if policy.mitigation is None else _MITIGATED.format(method=policy.mitigation.method),
        ),
        schedule=None if policy.schedule is None else CronTriggerTimetable(policy.schedule, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["assay", f"risk:{policy.risk_tier}", model],
        default_args={"owner": policy.owner, **RETRIES},
    )
    with dag:
        steps = _steps(STEPS, model, training_queue)
        approvals = [
            ApprovalStep(
                task_id=APPROVALS[role],
                model=model,
                role=role,
                expires=timedelta(hours=policy.approval.expires_hours),
                params={"reason": _REASON},
            )
            for role in policy.tier.roles
        ]
        # One after the other: a refusal ends the run, and nobody is left with a question that no longer matters.
        chain(*steps.values(), *approvals, PromotionOperator(task_id="canary_promotion", model=model, **PATIENT))
        if policy.mitigation is not None:
            _mitigate(steps, model, training_queue)
    # Only now and in place: earlier every operator would copy the form, and an assignment would check each
    # schema again at every parse, which together costs more than all the rest.
    dag.params.update(_form(folder))
    return dag


def _steps(docs: Mapping[str, str], model: str, training_queue: str) -> dict[str, BaseOperator]:
    """The tasks of a chain by name; what runs the team's code goes to a queue of its own where there is one."""
    steps: dict[str, BaseOperator] = {}
    for name, doc in docs.items():
        if not training_queue or name not in APART:
            steps[name] = StepOperator(task_id=name, model=model, step=name, doc_md=doc)
            continue
        for part, told in APART[name].items():
            if part == name:
                steps[part] = BoxOperator(task_id=part, which=WHICH[name], queue=training_queue, doc_md=told)
            else:
                steps[part] = StepOperator(task_id=part, model=model, step=part, doc_md=told)
    return steps


def _mitigate(steps: Mapping[str, BaseOperator], model: str, training_queue: str) -> None:
    """Lay the way round by which an unfair candidate is mitigated and audited again.

    The robustness gate follows whichever fairness gate passed; which candidate it then looks at, and that it
    has every verdict, it reads in the dossier.
    """
    way = list(_steps(MITIGATION, model, training_queue).values())
    way[0].trigger_rule = TriggerRule.ALL_FAILED
    after = steps["robustness_gate"]
    after.trigger_rule = TriggerRule.ONE_SUCCESS
    chain(steps["fairness_gate"], *way, after)


def _form(folder: ModelFolder) -> dict[str, Param]:
    return {
        "snapshot": Param(
            "latest",
            type="string",
            source="dag",
            pattern=rf"^(latest|{folder.policy.model}-[0-9a-f]{{16}})$",
            title="Snapshot",
            description="`latest` takes a new snapshot of the source; or give the id of an existing one.",
        ),
        "seed": Param(
            None,
            type=["null", "integer"],
            source="dag",
            minimum=0,
            maximum=2**32 - 1,
            title="Seed",
            description=f"Empty takes the policy's, {folder.policy.training.seed}.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            source="dag",
            maxLength=LONGEST_REASON,
            title="Reason",
            description="Why this run? Shown to the reviewer and kept in the dossier.",
        ),
    }
