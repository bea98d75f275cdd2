"""Begin dossiers, and find them again."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from assay.core import Anchors, Settings, did_you_mean, problem
from assay.registry.client import connect, has_code, unavailable
from assay.registry.dossier import Dossier, EvidenceError
from assay.registry.images import DOSSIER, RUN_KEY, RUN_KEY_SHA256, run_key_tags
from assay.registry.keys import Keyring
from assay.registry.wire import place

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PREFIX = "assay/"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # as the policy's `model`
_TOO_MANY = 2**31  # MLflow counts versions in 32 bits


@dataclass(frozen=True)
class Archive:
    """The dossiers of one installation.

    Parameters
    ----------
    settings
        Where MLflow and the keys are.
    anchors
        Where the digests of their records are kept beside.
    """

    settings: Settings
    anchors: Anchors = field(repr=False)

    @cached_property
    def client(self) -> "MlflowClient":
        """A client of the MLflow server."""
        return connect(self.settings)

    @property
    def keyring(self) -> Keyring:
        """The keys, read now: they may be rotated while this process lives. A `UserError` when there are none."""
        return Keyring.of(self.settings)

    def open(self, *, model: str, run_key: str) -> Dossier:
        """Find the dossier of an orchestrator's run, or begin it.

        Parameters
        ----------
        model
            Its experiment is ``assay/<model>``.
        run_key
            Names the orchestrator's run; opening twice gives the same dossier.
        """
        dossier = self.begun(model=model, run_key=run_key)
        if dossier is not None:
            return dossier
        with unavailable("beginning a dossier"):
            run = self.client.create_run(
                self._experiment(model, create=True) or "",
                run_name=run_key.rpartition("/")[2],
                tags=run_key_tags(run_key),
            )
        return self._dossier(run, model)

    def begun(self, *, model: str, run_key: str) -> Dossier | None:
        """The dossier of an orchestrator's run; None when it was not begun."""
        with unavailable("looking for the dossier"):
            experiment = self._experiment(model, create=False)
            if experiment is None:
                return None
            wanted = run_key_tags(run_key)[RUN_KEY_SHA256]
            runs = self.client.search_runs([experiment], f"tags.`{RUN_KEY_SHA256}` = '{wanted}'", max_results=2)
        if len(runs) > 1:
            raise EvidenceError([f"{run_key}: has {len(runs)} dossiers, one was made by other hands"])
        return self._dossier(runs[0], model) if runs else None

    def find(self, *, model: str, run_key: str) -> Dossier:
        """Find the dossier of an orchestrator's run.

        Raises
        ------
        EvidenceError
            When the run has none: its first task did not run.
        """
        dossier = self.begun(model=model, run_key=run_key)
        if dossier is None:
            raise EvidenceError([f"{run_key}: has no dossier, the task snapshot has not run"])
        return dossier

    def load(self, run_id: str) -> Dossier:
        """Open the dossier that an MLflow run holds.

        Raises
        ------
        EvidenceError
            When there is no such run, or it is not one of Assay's.
        """
        from mlflow.exceptions import MlflowException

        with unavailable(f"reading the run {run_id}"):
            try:
                run = self.client.get_run(run_id)
            except MlflowException as error:
                if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                    raise
                raise EvidenceError([f"{run_id}: no such run"]) from None
            if RUN_KEY not in run.data.tags:
                raise EvidenceError([f"{run_id}: is not a run of Assay"])
            model = self.client.get_experiment(run.info.experiment_id).name.removeprefix(_PREFIX)
        return self._dossier(run, model)

    def at(self, run_id: str, model: str) -> Dossier | None:
        """What a run of this model holds, whatever its tags say; None where there is no such run."""
        from mlflow.exceptions import MlflowException

        with unavailable(f"reading the run {run_id}"):
            try:
                return self._dossier(self.client.get_run(run_id), model)
            except MlflowException as error:
                if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                    raise
        return None

    def of_version(self, model: str, version: int) -> Dossier:
        """Open the dossier of a registered version.

        Raises
        ------
        UserError
            When there is no such model or version, naming those there are.
        EvidenceError
            When the version was not registered by Assay.
        """
        from mlflow.exceptions import MlflowException

        with unavailable(f"reading {model} version {version}"):
            if not _NAME.fullmatch(model) or not 0 < version < _TOO_MANY:
                raise self._unknown(model, version)
            try:
                found = self.client.get_model_version(model, str(version))
            except MlflowException as error:
                if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                    raise
                found = None
            if found is None:
                raise self._unknown(model, version)
        run_id = found.tags.get(DOSSIER) or found.run_id
        if not run_id:
            raise EvidenceError([f"{model} version {version}: names no dossier; it was registered by other hands"])
        return self.load(run_id)

    def versions(self, model: str) -> list[int]:
        """The numbers of a model's registered versions, in order."""
        if not _NAME.fullmatch(model):  # it would stand in MLflow's query
            return []
        with unavailable(f"listing the versions of {model}"):
            found = self.client.search_model_versions(f"name = '{model}'", max_results=10_000)
        return sorted(int(each.version) for each in found)

    def models(self) -> list[str]:
        """The names of the registered models, in order."""
        with unavailable("listing the models"):
            return sorted(each.name for each in self.client.search_registered_models(max_results=1000))

    def _unknown(self, model: str, version: int) -> Exception:
        versions = self.versions(model)
        if versions:
            return problem(f"{model} {version}", "no such version", f"known: {', '.join(map(str, versions))}")
        known = [each.name for each in self.client.search_registered_models(max_results=1000) if each.name != model]
        return problem(model, "no version of this model is registered", did_you_mean(model, known))

    def _experiment(self, model: str, *, create: bool) -> str | None:
        from mlflow.exceptions import MlflowException

        name = _PREFIX + model
        found = self.client.get_experiment_by_name(name)
        if found is None and create:
            try:
                return str(self.client.create_experiment(name))
            except MlflowException as error:  # another process may have made it in between
                if not has_code(error, "RESOURCE_ALREADY_EXISTS"):
                    raise
                found = self.client.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def _dossier(self, run: "Run", model: str) -> Dossier:
        return Dossier(
            client=self.client,
            tracking_uri=self.settings.tracking_uri,
            run_id=run.info.run_id,
            location=place(run.info.artifact_uri),
            model=model,
            anchors=self.anchors,
            keyring=self.keyring,
        )
