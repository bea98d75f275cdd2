"""Pseudonyms under another key than the champion's are no shift."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pipeline.support import POLICY, data, make_folder

from assay.core import Outcome
from assay.data.snapshots import create_snapshot
from assay.evidence.judging import Case, judge_gate
from assay.policy import load_folder


def case_of(root, monkeypatch, *keys):
    """A case whose reference was taken under the first of the keys, and whose rows under the last."""
    folder = make_folder(root, data={**POLICY["data"], "pseudonymize": ["branch"]})
    branch = np.random.default_rng(5).choice(["north", "south", "west"], len(data()))
    taken = []
    for seed, key in enumerate(keys):
        pq.write_table(data(seed).append_column("branch", pa.array(branch)), folder / "data.parquet")
        monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", key)
        policy = load_folder(folder).policy
        taken.append(
            create_snapshot(
                source=policy.data.source, base=folder, data=policy.data, model=policy.model, root=str(root / "kept")
            )
        )
    case = Case(policy=policy, contract=folder / "contract.json", snapshot=taken[-1], seed=1)
    return replace(case, reference=taken[0])


def shifts(case):
    found = [check for check in judge_gate(case, "contract").checks if check.name == "shift"]
    return {check.attribute: check.outcome for check in found if check.outcome is not Outcome.PASS}


@pytest.mark.parametrize("other", ["a key that nobody else has", "another key that nobody has"])
def test_neither_the_same_key_nor_another_is_a_shift(tmp_path, monkeypatch, other):
    assert "branch" not in shifts(case_of(tmp_path, monkeypatch, "a key that nobody else has", other))


def test_without_the_manifests_it_would_be_taken_for_one(tmp_path, monkeypatch):
    case = case_of(tmp_path, monkeypatch, "a key that nobody else has", "another key that nobody has")
    forgetful = replace(
        case.reference, manifest={**case.reference.manifest, "pseudonymized": case.snapshot.manifest["pseudonymized"]}
    )
    assert shifts(replace(case, reference=forgetful))["branch"] is Outcome.FAIL
