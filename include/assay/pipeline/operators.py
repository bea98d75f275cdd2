"""The operators that carry Assay's steps in Airflow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from airflow.sdk.execution_time.hitl import HITLUser, upsert_hitl_detail

from assay.core import AssayError, Settings, UnavailableError
from assay.pipeline.approval import StillOpen, question, take_answer
from assay.pipeline.ending import Refused, ended
from assay.pipeline.trigger import RolloutTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from assay.pipeline.run import Run, Which
    from assay.policy import Role
    from assay.registry.dossier import Dossier


WHICH: "dict[str, Which]" = {"training": "first", "mitigation": "mitigated"}
"""The tasks that run the team's code, and which of a run's candidates each makes."""


class EvidenceLink(BaseOperatorLink):
    """The button on a task that opens its evidence."""

    name = "Evidence"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The page of the dossier, at the verdict of this task's gate.

        Relative to Airflow's own address, which may have a path: a leading slash would leave it.
        """
        run_id = getattr(operator, "dossier_id", None)
        return "" if run_id is None else f"assay/dossiers/{run_id}#{ti_key.task_id}"


class StepOperator(BaseOperator):
    """Runs one step of the pipeline.

    Parameters
    ----------
    model
        Name of the model's folder.
    step
        Name of a function in `assay.pipeline.steps`.
    """

    operator_extra_links = (EvidenceLink(),)
    dossier_id: str | None = None
    pinned = True

    def __init__(self, *, model: str, step: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.step = step

    def execute(self, context: "Context") -> Any:
        """Run the step and hand on small references only."""
        from assay.pipeline import steps

        with told(self, context) as run:
            return getattr(steps, self.step)(run)


class BoxOperator(BaseOperator):
    """Runs the team's code in a box, on a worker that has no key, no database and no server's address.

    Parameters
    ----------
    which
        Whether the run trains its first candidate or a mitigated one.
    """

    def __init__(self, *, which: "Which", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.which = which

    def execute(self, context: "Context") -> Any:
        """Run the job that the task before has laid out; the task after checks what it made."""
        from assay.pipeline.training import job_folder
        from assay.training.relay import run_job

        job = job_folder(Settings.from_environment(), _run_key(context), self.which)
        try:
            run_job(job)
            job.done()
        except AssayError as error:
            raise ended(error) from None


class RefusedOperator(BaseOperator):
    """Stands for a policy that cannot be read: it fails, and says why.

    Parameters
    ----------
    reason
        What is wrong with the policy.
    """

    def __init__(self, *, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def execute(self, context: "Context") -> Any:
        """Fail with the reason."""
        raise Refused(self.reason, "What to do: fix what is listed above; this DAG changes at the next parse.")


class ApprovalStep(ApprovalOperator):
    """Asks a person in a role and shows the verdicts; an answer that does not count leaves the question open."""

    operator_extra_links = (EvidenceLink(),)
    dossier_id: str | None = None
    pinned = False

    def __init__(self, *, model: str, role: "Role", expires: timedelta, **kwargs: Any) -> None:
        super().__init__(
            subject=f"Approve a new version of {model}?",
            response_timeout=expires,
            **kwargs,
        )
        self.model = model
        self.role = role

    def execute(self, context: "Context") -> Any:
        """Show what has been measured and wait, without a worker, for an answer."""
        with told(self, context) as run:
            self.subject, self.body = question(run, self.role)
            self.assigned_users = _assigned(run.folder.policy.approval.people(self.role))
        return super().execute(context)

    def execute_complete(self, context: "Context", event: dict[str, Any]) -> Any:
        """Keep the answer in the dossier, then let it decide; ask again when it does not count."""
        with told(self, context) as run:
            taken = take_answer(run, self.role, event)
        if isinstance(taken, StillOpen):
            self.log.warning("%s; the question stays open for %s", taken.reason, _hours(taken.left))
            self._stay_open(context, taken.left)
        return {"verdict": taken.digest, "reason": taken.checks[0].reason}

    def _stay_open(self, context: "Context", left: timedelta) -> NoReturn:
        """Take the answer off the question, whose text stays, and wait for the next one."""
        form = self.serialized_params  # Airflow refuses a question without one; it keeps what was first asked
        upsert_hitl_detail(ti_id=context["ti"].id, options=self.options, subject=self.subject, params=form)
        raise TaskAwaitingInput(method_name="execute_complete", timeout=left)


def _assigned(people: Sequence[str]) -> list[HITLUser] | None:
    """Those whom Airflow itself lets answer; None leaves that to `take_answer` alone.

    Airflow compares ids. Only its simple auth manager's are the names that people sign in with; by the
    numbers and UUIDs of others it would turn everybody away.
    """
    if not people or not conf.get("core", "auth_manager", fallback="").endswith(".SimpleAuthManager"):
        return None
    return [HITLUser(id=name, name=name) for name in people]


def _hours(left: timedelta) -> str:
    minutes = max(1, int(left.total_seconds() // 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


class PromotionOperator(BaseOperator):
    """Moves the traffic; between two moves it waits in the triggerer."""

    operator_extra_links = (EvidenceLink(),)
    dossier_id: str | None = None
    pinned = False

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def execute(self, context: "Context") -> Any:
        """Begin the rollout, or take up the one that an earlier attempt began."""
        from assay.pipeline import promotion

        with self._or_abandoned(context), told(self, context) as run:
            promotion.begin(run)
        return self.resume(context)

    def resume(self, context: "Context", event: dict[str, Any] | None = None) -> Any:
        """Judge, move, and wait again until the rollout has ended."""
        from assay.pipeline import promotion

        with self._or_abandoned(context), told(self, context) as run:
            ended = promotion.move(run)
        if ended is None:
            self.defer(trigger=RolloutTrigger(run.run_key), method_name="resume")
        return ended

    @contextmanager
    def _or_abandoned(self, context: "Context") -> Iterator[None]:
        """Take the traffic back when the run may not go on: a canary must not outlive its judge."""
        from assay.pipeline import promotion

        try:
            yield
        except Refused as refused:
            promotion.abandon(Settings.from_environment(), _run_key(context), str(refused))
            raise


@contextmanager
def told(operator: Any, context: "Context") -> Iterator["Run"]:
    """Give a task its run, and tell Airflow what an error means: retry what broke, never what was refused."""
    from assay.pipeline.run import NotNeeded

    dossier = None
    try:
        run = _run(operator.model, context, pinned=operator.pinned)
        try:
            yield run
        finally:
            dossier = run.__dict__.get("dossier")  # asking for it here could raise and hide the real error
            operator.dossier_id = dossier.run_id if dossier else None
    except NotNeeded as nothing:
        raise AirflowSkipException(str(nothing)) from None
    except AssayError as error:
        end = ended(error)
        if isinstance(end, Refused):
            _close(dossier)
        raise end from None


def _close(dossier: "Dossier | None") -> None:
    """Show in MLflow's list that a run was refused; a server that is away must not hide why it was."""
    from assay.registry.lineage import close_run

    if dossier is not None:
        with suppress(UnavailableError):
            close_run(dossier, succeeded=False)


def _run(model: str, context: "Context", *, pinned: bool) -> "Run":
    from assay.pipeline.run import Run
    from assay.policy import find_model

    settings = Settings.from_environment()
    folder = find_model(settings.models, model)
    params, dag_run = context["params"], context["dag_run"]
    seed = params["seed"]
    return Run(
        settings=settings,
        folder=folder,
        run_key=_run_key(context),
        snapshot=params["snapshot"],
        seed=folder.policy.training.seed if seed is None else seed,
        requester=dag_run.triggering_user_name,
        reason=params["reason"] or "",
        pinned=pinned,
    )


def _run_key(context: "Context") -> str:
    dag_run = context["dag_run"]
    return f"{dag_run.dag_id}/{dag_run.run_id}"
