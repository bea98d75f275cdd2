"""Keep what is loaded in step with the deployments."""

import logging
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType

from assay.core import AssayError
from assay.rollout import Deployment, ModelRef, Rollouts
from assay.rollout.incidents import Incidents
from assay.serving.artifacts import REFUSALS, Artifacts
from assay.serving.live import Live, Version

log = logging.getLogger(__name__)

REFUSED = "model_refused"
"""Kind of the incident that stands for a file that was refused."""

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

    @property
    def live(self) -> Mapping[str, Live]:
        """Model name to what is live; a request takes it once and keeps it."""
        return self._live

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
        self._live = MappingProxyType({each.model: self._next(each) for each in deployments})

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
            return Live(deployment=before.deployment, champion=before.champion, canary=before.canary, problem=problem)
        return Live(deployment=deployment, champion=champion, canary=canary if not lost else None, problem=problem)

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
        try:
            self._incidents.raise_(
                key=f"{REFUSED}/{ref.model}/{ref.version}",
                model=ref.model,
                version=ref.version,
                kind=REFUSED,
                message=f"the gateway does not load it: {problem}",
                mend=f"restore the file, or retrain; then check with: assay dossier verify {ref.model} {ref.version}",
            )
        except AssayError as error:
            log.warning("%s version %s: the incident cannot be written: %s", ref.model, ref.version, error)

    def _say(self, about: str, problem: str) -> None:
        """Log a problem when it appears or changes, not at every look."""
        if problem and self._said.get(about) != problem:
            log.error("%s", f"{about}: {problem}" if about else problem)
        elif not problem and self._said.get(about):
            log.info("%s", f"{about or 'the operations database'}: is well again")
        self._said[about] = problem
