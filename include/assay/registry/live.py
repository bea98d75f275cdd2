"""What MLflow says now about models, versions, runs and candidates: held against dossiers, and never believed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from assay.registry.client import has_code, unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveVersion:
    """A registered version.

    Attributes
    ----------
    source, run_id, status
        Where it says that its files and its evidence are, and whether it is ready.
    created
        When it was made; seconds since 1970.
    tags
        All of them, also those that are not Assay's.
    """

    number: int
    source: str
    run_id: str
    status: str
    created: float
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveModel:
    """A registered model: its versions by number, and what its aliases name."""

    versions: Mapping[int, LiveVersion]
    aliases: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRun:
    """A run: its tags, parameters and latest metrics, whether it came to an end, and whether somebody deleted it."""

    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    ended: bool
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveCandidate:
    """A LoggedModel."""

    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    run_id: str
    status: str


def read_model(client: "MlflowClient", model: str) -> LiveModel | None:
    """Read a registered model with all its versions; None where there is none of this name.

    Raises
    ------
    UnavailableError
        When the registry does not answer.
    """
    found = _there(f"reading the model {model}", lambda: client.get_registered_model(model))
    if found is None:
        return None
    versions: dict[int, LiveVersion] = {}
    token = None
    with unavailable(f"listing the versions of {model}"):
        while True:
            page = client.search_model_versions(f"name = '{model}'", max_results=1000, page_token=token)
            versions |= {int(each.version): _version(each) for each in page}
            token = page.token
            if not token:
                break
    aliases = {alias: int(version) for alias, version in found.aliases.items()}
    return LiveModel(versions=versions, aliases=aliases)


def read_version(client: "MlflowClient", model: str, version: int) -> LiveVersion | None:
    """Read a registered version; None where there is none."""
    doing = f"reading {model} version {version}"
    found = _there(doing, lambda: client.get_model_version(model, str(version)))
    return None if found is None else _version(found)


def read_run(client: "MlflowClient", run_id: str) -> LiveRun | None:
    """Read a run; None where there is none."""
    found = _there(f"reading the run {run_id}", lambda: client.get_run(run_id))
    if found is None:
        return None
    data = found.data
    return LiveRun(
        tags=dict(data.tags),
        parameters=dict(data.params),
        metrics=dict(data.metrics),
        ended=found.info.status not in ("RUNNING", "SCHEDULED"),
        deleted=found.info.lifecycle_stage != "active",
    )


def read_candidate(client: "MlflowClient", model_id: str) -> LiveCandidate | None:
    """Read a LoggedModel; None where there is none."""
    found = _there(f"reading the candidate {model_id}", lambda: client.get_logged_model(model_id))
    if found is None:
        return None
    return LiveCandidate(
        tags=dict(found.tags),
        parameters=dict(found.params or {}),
        run_id=str(found.source_run_id),
        status=str(found.status),
    )


def tag_run(client: "MlflowClient", run_id: str, key: str, value: str | None) -> None:
    """Set a tag of a run, or take it away where `value` is None."""
    with unavailable(f"tagging the run {run_id}"):
        if value is None:
            client.delete_tag(run_id, key)
        else:
            client.set_tag(run_id, key, value)


def tag_candidate(client: "MlflowClient", model_id: str, key: str, value: str | None) -> None:
    """Set a tag of a LoggedModel, or take it away where `value` is None."""
    with unavailable(f"tagging the candidate {model_id}"):
        if value is None:
            client.delete_logged_model_tag(model_id, key)
        else:
            client.set_logged_model_tags(model_id, {key: value})


def tag_version(client: "MlflowClient", model: str, version: int, key: str, value: str | None) -> None:
    """Set a tag of a version, or take it away where `value` is None."""
    with unavailable(f"tagging {model} version {version}"):
        if value is None:
            client.delete_model_version_tag(model, str(version), key)
        else:
            client.set_model_version_tag(model, str(version), key, value)


def point_alias(client: "MlflowClient", model: str, alias: str, version: int | None) -> None:
    """Have an alias name a version, or take it away where `version` is None."""
    with unavailable(f"setting @{alias} of {model}"):
        if version is None:
            client.delete_registered_model_alias(model, alias)
        else:
            client.set_registered_model_alias(model, alias, str(version))


def _version(found: "ModelVersion") -> LiveVersion:
    return LiveVersion(
        number=int(found.version),
        source=str(found.source),
        run_id=str(found.run_id or ""),
        status=str(found.status),
        created=(found.creation_timestamp or 0) / 1000,
        tags=dict(found.tags),
    )


def _there(doing: str, read: Callable[[], T]) -> T | None:
    """What a call returns; None when MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    with unavailable(doing):
        try:
            return read()
        except MlflowException as error:
            if has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                return None
            raise
