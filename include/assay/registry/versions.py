"""Registered versions and their aliases."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.core import Settings, fault_point
from assay.registry.artifacts import fetch_model
from assay.registry.candidates import Candidate
from assay.registry.client import has_code, unavailable
from assay.registry.dossier import Dossier, EvidenceError
from assay.registry.images import CANDIDATE, CANDIDATE_SHA256, DOSSIER

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def register(settings: Settings, dossier: Dossier, candidate: Candidate, tags: Mapping[str, str]) -> int:
    """Make the candidate a version of its registered model, once, however often it is asked for.

    A dossier and a candidate's digest have one version. Whoever calls this holds others off the
    model meanwhile: MLflow has no operation that makes a version only where there is none.

    Parameters
    ----------
    tags
        What the version must say about the evidence it stands on.

    Returns
    -------
    int
        The version's number, its bytes loaded back and compared.

    Raises
    ------
    EvidenceError
        When the version is not of this candidate.
    TamperedError, SignatureError
        When what MLflow gives back is not what was gated.
    """
    client = dossier.client
    identity = {DOSSIER: dossier.run_id, CANDIDATE: candidate.model_id, CANDIDATE_SHA256: candidate.digest}
    with unavailable("registering the version"):
        _ensure_model(client, dossier.model)
        version = _find(client, dossier, candidate)
        if version is None:
            fault_point("registration.before")
            version = client.create_model_version(
                dossier.model,
                source=f"models:/{candidate.model_id}",
                run_id=dossier.run_id,
                model_id=candidate.model_id,
                tags=identity,
            )
        fault_point("registration.created")
    _check(version, dossier, candidate)
    fetch_model(settings, candidate.path, candidate.digest)
    fault_point("registration.checked")
    tag_version(dossier, int(version.version), _changed(version, {**tags, **identity}))
    fault_point("registration.shown")
    return int(version.version)


def tag_version(dossier: Dossier, version: int, tags: Mapping[str, str]) -> None:
    """Set tags on a version."""
    with unavailable(f"tagging version {version}"):
        for key, value in tags.items():
            dossier.client.set_model_version_tag(dossier.model, str(version), key, value)


def describe_version(dossier: Dossier, version: int, text: str, *, page: str) -> None:
    """Set a version's description in MLflow: some Markdown, and a link to a file of the dossier's run.

    Parameters
    ----------
    text
        What it says.
    page
        The file's name among the run's artifacts.
    """
    with unavailable(f"describing version {version}"):
        experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
        link = f"[Model card](#/experiments/{experiment}/runs/{dossier.run_id}/artifacts/{page})"
        dossier.client.update_model_version(dossier.model, str(version), f"{text}\n\n{link}")


def set_alias(dossier: Dossier, alias: str, version: int) -> int | None:
    """Publish an alias. The rollout's row is the truth; the alias is its image in MLflow.

    Returns
    -------
    int or None
        The version that had it before.
    """
    with unavailable(f"setting @{alias}"):
        before = dossier.client.get_registered_model(dossier.model).aliases.get(alias)
        if before != str(version):
            dossier.client.set_registered_model_alias(dossier.model, alias, str(version))
    return None if before is None else int(before)


def delete_alias(dossier: Dossier, alias: str, version: int) -> None:
    """Take an alias away from a version; it is no error when it names another, or none."""
    with unavailable(f"removing @{alias}"):
        aliases = dossier.client.get_registered_model(dossier.model).aliases
        if aliases.get(alias) == str(version):
            dossier.client.delete_registered_model_alias(dossier.model, alias)


def delete_version(dossier: Dossier, version: int, *, candidate: str, with_run: bool) -> None:
    """Delete a version and its LoggedModel, and its run if asked. Whoever calls this has made sure that it may.

    The version goes last, so that what a kill left undone can be found and deleted again.
    """
    from mlflow.exceptions import MlflowException

    with unavailable(f"deleting version {version}"):
        try:
            dossier.client.delete_logged_model(candidate)
        except MlflowException as error:
            if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                raise
        if with_run:
            dossier.client.delete_run(dossier.run_id)
        dossier.client.delete_model_version(dossier.model, str(version))


def _find(client: "MlflowClient", dossier: Dossier, candidate: Candidate) -> "ModelVersion | None":
    found = client.search_model_versions(
        f"name = '{dossier.model}' AND tags.`{CANDIDATE_SHA256}` = '{candidate.digest}'"
        f" AND tags.`{DOSSIER}` = '{dossier.run_id}'"
    )
    if len(found) > 1:
        numbers = ", ".join(sorted(each.version for each in found))
        raise EvidenceError([f"registration: the candidate has the versions {numbers}; some were made by other hands"])
    return found[0] if found else None


def _check(version: "ModelVersion", dossier: Dossier, candidate: Candidate) -> None:
    """Refuse a version that leads elsewhere than to the candidate."""
    wanted = {"source": f"models:/{candidate.model_id}", "run_id": dossier.run_id, "status": "READY"}
    wrong = [
        f"registration: version {version.version} has the {name} {getattr(version, name)!r}, not {value!r}"
        for name, value in wanted.items()
        if getattr(version, name) != value
    ]
    if wrong:
        raise EvidenceError(wrong)


def _changed(version: "ModelVersion", tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if version.tags.get(key) != value}


def _ensure_model(client: "MlflowClient", model: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(model)
    except MlflowException as error:
        if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
            raise
        try:
            client.create_registered_model(model)
        except MlflowException as race:
            if not has_code(race, "RESOURCE_ALREADY_EXISTS"):
                raise
