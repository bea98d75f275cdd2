"""A toy model's case: folder, snapshot and a trained candidate, without any server."""

from tests.pipeline.support import make_folder

from assay.data.snapshots import create_snapshot
from assay.evidence.judging import Case
from assay.policy import load_folder


def make_case(root, **parts):
    """A case and the team's train.py; `parts` replaces whole parts of the toy policy."""
    folder = load_folder(make_folder(root / "models", **parts))
    policy = folder.policy
    taken = create_snapshot(source=folder.source, data=policy.data, model=policy.model, root=str(root / "snapshots"))
    return Case(policy=policy, contract=folder.contract, snapshot=taken, seed=1), folder.train
