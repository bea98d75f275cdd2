"""A toy model's case: folder, snapshot and a trained candidate, without any server."""

from tests.pipeline.support import make_folder

from assay.data.snapshots import create_snapshot
from assay.evidence.judging import Case
from assay.policy import load_folder


def make_case(root, **parts):
    """A case and the team's train.py; `parts` replaces whole parts of the toy policy."""
    folder = load_folder(make_folder(root / "models", **parts))
    policy = folder.policy
    taken = create_snapshot(
        source=policy.data.source, base=folder.path, data=policy.data, model=policy.model, root=str(root / "snapshots")
    )
    return Case(policy=policy, contract=folder.contract, snapshot=taken, seed=1), folder.train


def files_of(module):
    """The files of the model's folder that `make_case` made, as they are now."""
    return load_folder(module.parent).model_files()


def point_at(monkeypatch, settings):
    """Let the command line find an installation."""
    for name, value in {
        "ASSAY_HOME": settings.home,
        "ASSAY_MODELS": settings.models,
        "ASSAY_KEYS": settings.keys,
        "ASSAY_SNAPSHOTS": settings.snapshots,
        "ASSAY_OPERATIONS_DB": settings.operations_db,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
    }.items():
        monkeypatch.setenv(name, str(value))
