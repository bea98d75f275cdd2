"""Registered versions and their aliases."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assay.core import Verdict
from assay.registry.candidates import Candidate
from assay.registry.client import has_code, unavailable
from assay.registry.dossier import CANDIDATE, CANDIDATE_SHA256, Dossier

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def register(dossier: Dossier, candidate: Candidate, verdicts: Sequence[Verdict], subject: dict[str, str]) -> int:
    """Make the candidate a version of its registered model, once, however often it is asked for.

    Parameters
    ----------
    verdicts
        Each becomes a tag, ``assay.verdict.<gate>``: its outcome and digest.
    subject
        Further tags: the digests that the version stands on.

    Returns
    -------
    int
        The version's number.
    """
    tags = {
        **subject,
        CANDIDATE: candidate.model_id,
        CANDIDATE_SHA256: candidate.digest,
        **{f"assay.verdict.{verdict.gate}": f"{verdict.outcome} {verdict.digest}" for verdict in verdicts},
    }
    client = dossier.client
    with unavailable("registering the version"):
        _ensure_model(client, dossier.model)
        found = client.search_model_versions(
            f"name = '{dossier.model}' AND tags.`{CANDIDATE}` = '{candidate.model_id}'"
        )
        if found:
            first = min(found, key=lambda version: int(version.version))
            _retag(client, first, tags)
            return int(first.version)
        created = client.create_model_version(
            dossier.model,
            source=f"models:/{candidate.model_id}",
            run_id=dossier.run_id,
            model_id=candidate.model_id,
            tags=tags,
        )
    return int(created.version)


def tag_version(dossier: Dossier, version: int, tags: dict[str, str]) -> None:
    """Set tags on a version."""
    with unavailable(f"tagging version {version}"):
        for key, value in tags.items():
            dossier.client.set_model_version_tag(dossier.model, str(version), key, value)


def set_alias(dossier: Dossier, alias: str, version: int) -> None:
    """Publish an alias. The rollout's row is the truth; the alias is its image in MLflow."""
    with unavailable(f"setting @{alias}"):
        dossier.client.set_registered_model_alias(dossier.model, alias, str(version))


def delete_alias(dossier: Dossier, alias: str, version: int) -> None:
    """Take an alias away from a version; it is no error when it names another, or none."""
    with unavailable(f"removing @{alias}"):
        aliases = dossier.client.get_registered_model(dossier.model).aliases
        if aliases.get(alias) == str(version):
            dossier.client.delete_registered_model_alias(dossier.model, alias)


def _retag(client: "MlflowClient", version: "ModelVersion", tags: Mapping[str, str]) -> None:
    """Tags follow the verdicts that the candidate is registered on now: a gate may have judged it again."""
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(version.name, version.version, key, value)


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
