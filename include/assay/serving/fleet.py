"""Keep what is loaded in step with the deployments."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from assay.core import AssayError, utc_now
from assay.rollout import Deployment, ModelRef, Rollouts
from assay.rollout.database_file import file_of
from assay.rollout.incidents import Incidents
from assay.serving.artifacts import REFUSALS, Artifacts
from assay.serving.live import Live, Version

log = logging.getLogger(__name__)

REFUSED = "model_refused"
"""Kind of the incident that stands for a file that was refused."""

LOST = "operations_database_lost"
"""Kind of the incident that stands for a database that was deleted, moved or replaced, and is back."""

_PAUSE = 60.0  # seconds until a refused file is looked at, and its incident counted, again


class Fleet:
    """Everything live, refreshed by a thread and read without a lock.

    A deployment is taken over as a whole. While its champion cannot be loaded, the model stays as it
    was; while its canary cannot be loaded, the champion serves alone, so that MLflow's absence or a
    file that is not what it should be costs a rollout time and never an answer. Such a file also
    raises an incident, which stays open until somebody has seen to it.

    Parameters
    ----------
    rollouts
        Where the deployments are read.
    artifacts
        Where the models are loaded.
    incidents
        Where a refused file is reported.
    seconds
        How long to wait between looks.
    """

    def __init__(self, rollouts: Rollouts, artifacts: Artifacts, incidents: Incidents, *, seconds: float) -> None:
        self._rollouts, self._artifacts, self._incidents, self._seconds = rollouts, artifacts, incidents, seconds
        self._live: Mapping[str, Live] = MappingProxyType({})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="assay-fleet", daemon=True)
        self._said: dict[str, str] = {}
        self._refused: dict[ModelRef, tuple[float, str]] = {}
        self._database = file_of(rollouts.engine)
        self.looked_at = float("-inf")
        """When the deployments were last read, as `time.monotonic` has it."""

    @property
    def live(self) -> Mapping[str, Live]:
        """Model name to what is live; a request takes it once and keeps it."""
        return self._live

    @property
    def trouble(self) -> str:
        """Why the deployments cannot be read; empty when they can."""
        return self._said.get("", "")

    def start(self) -> None:
        """Look once, then go on looking in the background."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """End what has run out of time, then look once. What fails is logged and tried again at the next look."""
        try:
            for ended in self._rollouts.expire():
                log.warning("%s version %s: %s", ended.model, ended.version, ended.reason)
            deployments = self._rollouts.deployments()
        except AssayError as error:
            self._say("", str(error))
            return
        self._say("", "")
        self.looked_at = time.monotonic()
        self._live = MappingProxyType({each.model: self._next(each) for each in deployments})
        if self._database is not None and self._database.loss is not None and self._report_loss(*self._database.loss):
            self._database.loss = None

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self.refresh()
            except Exception:  # a look that fails in an unforeseen way must not be the last
                log.exception("the deployments could not be refreshed")

    def _next(self, deployment: Deployment) -> Live:
        before = self._live.get(deployment.model)
        if before is not None and before.deployment == deployment and not before.problem:
            return before
        champion, lost = self._version(deployment.champion, before)
        canary, trouble = self._version(deployment.canary, before)
        problem = lost or trouble
        self._say(deployment.model, problem)
        if lost and before is not None:
            return replace(before, problem=problem, lost=lost)
        served = canary if not lost else None
        return Live(deployment=deployment, champion=champion, canary=served, problem=problem, lost=lost)

    def _version(self, ref: ModelRef | None, before: Live | None) -> tuple[Version | None, str]:
        if ref is None:
            return None, ""
        for loaded in (before.champion, before.canary) if before else ():
            if loaded is not None and loaded.ref == ref:
                return loaded, ""
        until, problem = self._refused.get(ref, (0.0, ""))
        if time.monotonic() < until:
            return None, problem
        try:
            return self._artifacts.load(ref), ""
        except REFUSALS as error:
            self._refuse(ref, str(error))
            return None, str(error)
        except AssayError as error:
            return None, str(error)

    def _refuse(self, ref: ModelRef, problem: str) -> None:
        """Report a file, then leave it alone for a while: fetching it every second would mend nothing."""
        self._refused[ref] = (time.monotonic() + _PAUSE, problem)
        self._raise(
            key=f"{REFUSED}/{ref.model}/{ref.version}",
            model=ref.model,
            version=ref.version,
            kind=REFUSED,
            message=f"the gateway does not load it: {problem}",
            mend=f"restore the file, or retrain; then check with: assay dossier verify {ref.model} {ref.version}",
        )

    def _report_loss(self, since: str, problem: str) -> bool:
        """Report that the database was lost, now that there is somewhere to report it; say whether that is done."""
        written = [
            self._raise(
                key=f"{LOST}/{model}",
                model=model,
                version=None,
                kind=LOST,
                message=f"from {since} to {utc_now()} the gateway answered 503: {problem}",
                mend="find out who did that, and check that nothing is missing with: assay audit",
            )
            for model in self._live
        ]
        return all(written)

    def _raise(self, *, key: str, model: str, version: int | None, kind: str, message: str, mend: str) -> bool:
        try:
            self._incidents.raise_(key=key, model=model, version=version, kind=kind, message=message, mend=mend)
        except AssayError as error:
            about = model if version is None else f"{model} version {version}"
            log.warning("%s: the incident cannot be written: %s", about, error)
            return False
        return True

    def _say(self, about: str, problem: str) -> None:
        """Log a problem when it appears or changes, not at every look."""
        if problem and self._said.get(about) != problem:
            log.error("%s", f"{about}: {problem}" if about else problem)
        elif not problem and self._said.get(about):
            log.info("%s", f"{about or 'the operations database'}: is well again")
        self._said[about] = problem
