"""Where things are: read from the environment, with one table of names that every process shares."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from assay.core.canonical import sha256_json, sha256_tree

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Addresses and folders of one Assay installation.

    Attributes
    ----------
    home : ``ASSAY_HOME``
        Folder for local state; `.assay` beside the working directory by default.
    models : ``ASSAY_MODELS``
        Folder with one sub-folder per model.
    keys : ``ASSAY_KEYS``
        Folder with `trusted.json`, the public keys that signatures are checked with.
    signer : ``ASSAY_SIGNER``
        Address of the signer, ``unix:/path`` or ``http(s)://host:port``; empty where this process signs itself.
    signer_token : ``ASSAY_SIGNER_TOKEN``
        What the signer asks of those who come over the network.
    signer_keys : ``ASSAY_SIGNER_KEYS``
        Folder with the private keys and the log of signatures, which the signer alone reads; None where the
        private keys lie in `keys`.
    snapshots : ``ASSAY_SNAPSHOTS``
        Folder or object-store URL under which snapshot tables live.
    operations_db : ``ASSAY_OPERATIONS_DB``
        SQLAlchemy URL of the operations database.
    tracking_uri : ``MLFLOW_TRACKING_URI``
        Address of the MLflow server.
    gateway_url : ``ASSAY_GATEWAY_URL``
        Address of the gateway.
    gateway_token : ``ASSAY_GATEWAY_TOKEN``
        The gateway's bearer token; empty where the process has no business with it.
    anchors_file : ``ASSAY_ANCHORS_FILE``
        File on another machine or disk to which an audit ships the anchors; None where there is none.
    sources : ``ASSAY_SOURCES``
        Folders and URLs, separated by commas, that data may come from; empty where it may from everywhere.
    training_queue : ``ASSAY_TRAINING_QUEUE``
        Celery queue on which the teams' code runs; empty where it runs in a box beside the other tasks.
    training_jobs : ``ASSAY_TRAINING_JOBS``
        Folder in which training jobs are laid out, which workers of the training queue see too; None for a folder in
        `home`.
    engine : ``ASSAY_ENGINE``
        Name or URL of the Ibis backend that looks at whole data sets; DuckDB by default.
    """

    home: Path
    models: Path
    keys: Path
    snapshots: str
    operations_db: str
    tracking_uri: str
    gateway_url: str
    gateway_token: str = field(repr=False)
    anchors_file: Path | None = None
    sources: str = ""
    engine: str = "duckdb"
    training_queue: str = ""
    training_jobs: Path | None = None
    signer: str = ""
    signer_token: str = field(default="", repr=False)
    signer_keys: Path | None = None

    @property
    def source_roots(self) -> list[str]:
        """What `sources` lists, one by one."""
        return [each.strip() for each in self.sources.split(",") if each.strip()]

    @property
    def jobs_folder(self) -> Path:
        """The folder in which training jobs are laid out."""
        return self.training_jobs or self.home / "training"

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings; whatever the environment leaves out gets its local default."""
        home = Path(os.environ.get("ASSAY_HOME", ".assay")).absolute()
        return cls(
            home=home,
            models=Path(os.environ.get("ASSAY_MODELS", PACKAGE.parent / "models")),
            keys=Path(os.environ.get("ASSAY_KEYS", home / "keys")),
            snapshots=os.environ.get("ASSAY_SNAPSHOTS", str(home / "snapshots")),
            operations_db=os.environ.get("ASSAY_OPERATIONS_DB", f"sqlite:///{home / 'operations.db'}"),
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"),
            gateway_url=os.environ.get("ASSAY_GATEWAY_URL", "http://127.0.0.1:8010").rstrip("/"),
            gateway_token=os.environ.get("ASSAY_GATEWAY_TOKEN", ""),
            anchors_file=Path(shipped) if (shipped := os.environ.get("ASSAY_ANCHORS_FILE")) else None,
            sources=os.environ.get("ASSAY_SOURCES", ""),
            engine=os.environ.get("ASSAY_ENGINE", "") or "duckdb",
            training_queue=os.environ.get("ASSAY_TRAINING_QUEUE", ""),
            training_jobs=Path(jobs) if (jobs := os.environ.get("ASSAY_TRAINING_JOBS")) else None,
            signer=os.environ.get("ASSAY_SIGNER", ""),
            signer_token=os.environ.get("ASSAY_SIGNER_TOKEN", ""),
            signer_keys=Path(private) if (private := os.environ.get("ASSAY_SIGNER_KEYS")) else None,
        )


def code_version(model_files: Mapping[str, str] | None = None) -> str:
    """SHA-256 over Assay's own Python files and, if given, the code files of a model's folder.

    It needs no git, so an image without a repository gives the same answer as a checkout.

    Parameters
    ----------
    model_files
        Name to SHA-256 of `assay.policy.code_files`.
    """
    own = _own_version()
    return own if model_files is None else sha256_json({"assay": own, "model": model_files})


@cache
def _own_version() -> str:
    return sha256_tree(PACKAGE, PACKAGE.rglob("*.py"))
